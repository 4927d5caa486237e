same "root" "/dev/mapper/rootcrypt ext4 ROOT" findmnt -nro SOURCE,FSTYPE,LABEL /
same "it lies on" vda9 sh -c 'ls /sys/block/$(basename $(readlink -f /dev/mapper/rootcrypt))/slaves'
same "its only key" "1: sss" sh -c "clevis luks list -d /dev/vda9 | cut -d ' ' -f 1,2"
same "its line" "rootcrypt UUID=11111111-2222-4333-8444-00000000000b none luks,x-initrd.attach" cat /etc/crypttab
does "discards pass" sh -c 'cryptsetup luksDump /dev/vda9 | grep -q "Flags:.*allow-discards"'
same "no mark" "Subsystem: (no subsystem)" sh -c "cryptsetup luksDump /dev/vda9 | sed -n 's/^Subsystem:[ \t]*/Subsystem: /p'"
fails "the image's own root is gone" test -e /from-the-image
same "the config's file" "on the encrypted root" cat /opt/provisioned
same "failed units" "" systemctl list-units --failed --plain --no-legend
