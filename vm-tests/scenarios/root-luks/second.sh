fails "provisioned by another boot" grep -q "$(cat /proc/sys/kernel/random/boot_id)" /etc/.ignition-result.json
same "what the node wrote on the root" "written on the encrypted root" cat /opt/written
same "what the node wrote on the secret volume" "written on the secret volume" cat /srv/secret/written
# One of two is enough: each is asked while the other is out of reach.
card=$(ls /sys/class/net | grep -vx lo)
ip link set dev "$card" up
ip address replace 10.0.2.15/24 dev "$card"
does "the TPM alone opens it" env http_proxy=http://127.0.0.1:9 sh -c 'clevis luks pass -d /dev/md/root -s 1 | cryptsetup open --test-passphrase --key-file - /dev/md/root'
does "tang alone opens it" env TPM2TOOLS_TCTI=device:/dev/null sh -c 'clevis luks pass -d /dev/md/root -s 1 | cryptsetup open --test-passphrase --key-file - /dev/md/root'
fails "neither does not" env http_proxy=http://127.0.0.1:9 TPM2TOOLS_TCTI=device:/dev/null clevis luks pass -d /dev/md/root -s 1
