# What a node of every platform has; $platform, $host_name (none where only DHCP tells it) and $keys (none
# where the platform has none) are set in front of it.
same "platform" "$platform" sed -n s/^PLATFORM_ID=//p /run/ignition.env
same "user data" yes cat /etc/from-the-user-data
if [ -n "$host_name" ]; then
    same "host name" "$host_name" cat /etc/hostname
else
    fails "host name of our own" test -e /etc/hostname
fi
keys_of=/home/core/.ssh/authorized_keys.d
does "key of the config" grep -qx 'ssh-ed25519 AAAA.* from-the-config' $keys_of/ignition
if [ -n "$keys" ]; then
    same "keys of the platform" "$keys" cat $keys_of/afterburn
    same "their owner and mode" "core core 600" stat -c '%U %G %a' $keys_of/afterburn
else
    fails "keys of the platform" test -e $keys_of/afterburn
fi
