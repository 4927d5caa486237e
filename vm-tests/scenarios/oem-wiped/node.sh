same "root" "/dev/vda9 ext4 ROOT 99999999-aaaa-4aaa-8aaa-aaaaaaaaaaaa" findmnt -nro SOURCE,FSTYPE,LABEL,UUID /
same "what the image had in its root" "the image's own root
and the config's" cat /from-the-image
same "host name" from-oem cat /etc/hostname
same "swap is on" /dev/vda4 swapon --show=NAME --noheadings
same "its partition" "USR-B 5dfbf5f4-2848-4bac-aa5e-0d9a20b745a6" lsblk -nro PARTLABEL,PARTTYPE /dev/vda4
mount /dev/disk/by-label/OEM /mnt
same "OEM" "/dev/vda6 ext4 OEM 11111111-2222-4333-8444-000000000006" findmnt -nro SOURCE,FSTYPE,LABEL,UUID /mnt
fails "what OEM held is gone" test -e /mnt/vendor
fails "and the config with it" test -e /mnt/config.ign
same "the config's file on OEM" 'set oem_id="metal"' cat /mnt/grub.cfg
same "failed units" "" systemctl list-units --failed --plain --no-legend
