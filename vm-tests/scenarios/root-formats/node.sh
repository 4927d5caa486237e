same "root" "/dev/vda9 xfs ROOT 11111111-2222-4333-8444-000000000009" findmnt -nro SOURCE,FSTYPE,LABEL,UUID /
fails "the image's own root is gone" test -e /from-the-image
same "/usr" "/dev/vda3 ro" sh -c 'findmnt -nro SOURCE,OPTIONS /usr | cut -d , -f 1'
same "USR-B" "/dev/vda4 vfat SHARED" findmnt -nro SOURCE,FSTYPE,LABEL /srv/shared
same "its partition" "USR-B 5dfbf5f4-2848-4bac-aa5e-0d9a20b745a6" lsblk -nro PARTLABEL,PARTTYPE /dev/vda4
same "swap is on" /dev/vda10 swapon --show=NAME --noheadings
same "its partition's type" 0657fd6d-a4ab-43c4-84e5-0933c84b4f4f lsblk -nro PARTTYPE /dev/vda10
mount /dev/disk/by-label/OEM /mnt
same "OEM" "/dev/vda6 btrfs OEM" findmnt -nro SOURCE,FSTYPE,LABEL /mnt
same "what OEM held" "the vendor's" cat /mnt/vendor
same "the config's file on OEM" "on OEM" cat /mnt/provisioned
same "the config's file on the root" "on xfs" cat /opt/provisioned
same "the config's file on vfat" "on vfat" cat /srv/shared/provisioned
same "failed units" "" systemctl list-units --failed --plain --no-legend
