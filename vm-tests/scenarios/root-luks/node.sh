same "root" "/dev/mapper/rootcrypt ext4 ROOT" findmnt -nro SOURCE,FSTYPE,LABEL /
same "its layers" "ext4 crypto_LUKS linux_raid_member" sh -c 'lsblk -snro FSTYPE /dev/mapper/rootcrypt | uniq | xargs'
same "mirrored on" "vdb vdc" sh -c 'ls /sys/block/$(basename $(readlink -f /dev/md/root))/slaves | xargs'
same "its UUID" 11111111-2222-4333-8444-00000000000a cryptsetup luksUUID /dev/md/root
same "its only key" "1: sss" sh -c "clevis luks list -d /dev/md/root | cut -d ' ' -f 1,2"
same "no other key" 1 sh -c "cryptsetup luksDump /dev/md/root | grep -cE '^ +[0-9]+: luks2'"
same "/usr" "/dev/vda3" findmnt -no SOURCE /usr
fails "the image's own root is gone" test -e /from-the-image
same "the secret volume" "/dev/mapper/secret ext4" findmnt -nro SOURCE,FSTYPE /srv/secret
same "it lies on" vdd sh -c 'lsblk -snro NAME /dev/mapper/secret | tail -n 1'
same "opened by the table" active systemctl is-active systemd-cryptsetup@secret.service
same "its line" "secret UUID=$(cryptsetup luksUUID /dev/vdd) /etc/luks/secret" sh -c "grep ^secret /etc/crypttab | cut -d ' ' -f 1-3"
same "its key's rights" "root root 600" stat -c '%U %G %a' /etc/luks/secret
same "the directory's" "root root 700" stat -c '%U %G %a' /etc/luks
for device in /dev/md/root /dev/vdd; do
    same "no mark on $device" "Subsystem: (no subsystem)" sh -c "cryptsetup luksDump $device | sed -n 's/^Subsystem:[ \t]*/Subsystem: /p'"
done
same "labels are kept" "root secret" sh -c 'for device in /dev/md/root /dev/vdd; do cryptsetup luksDump $device | sed -n "s/^Label:[ \t]*//p"; done | xargs'
fails "the list of unfinished volumes is gone" test -e /etc/.pilotlight-unfinished-volumes
same "the key is in its file only" /etc/luks/secret grep -rlFf /etc/luks/secret /etc
same "no key in memory" "" sh -c 'grep -rlsFf /etc/luks/secret /run; find /run -name "*.keys"'
same "no key in the journal" 0 sh -c 'journalctl --boot --all --output=export | grep -caFf /etc/luks/secret'
same "the config's file on the root" "on the encrypted root" cat /opt/provisioned
same "the config's file on the secret volume" "on the secret volume" cat /srv/secret/provisioned
same "failed units" "" systemctl list-units --failed --plain --no-legend
