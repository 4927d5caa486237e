does "provisioned by this boot" grep -q "$(cat /proc/sys/kernel/random/boot_id)" /etc/.ignition-result.json
same "root" "/dev/vda9 ext4 ROOT" findmnt -nro SOURCE,FSTYPE,LABEL /
fails "the image's own root is gone" test -e /from-the-image
same "host name" cut cat /etc/hostname
same "the new partition" "/dev/vda10 vfat EXTRA" findmnt -nro SOURCE,FSTYPE,LABEL /srv/extra
same "what it holds" "hello extra" cat /srv/extra/hello
same "the user" "pilot:x:1001:1001::/home/pilot:/bin/sh" getent passwd pilot
same "the user's lines" "1 1 1 1" sh -c 'for file in passwd shadow group gshadow; do grep -c ^pilot: /etc/$file; done | xargs'
same "the user's groups" "pilot staff" id -nG pilot
same "the user's home" "pilot 755" stat -c "%U %a" /home/pilot
same "the user's password" '$6$salt' sh -c "grep ^pilot: /etc/shadow | cut -d : -f 2 | cut -d '\$' -f 1-3"
does "the unit ran" test -e /run/provisioned
mount /dev/disk/by-label/OEM /mnt
same "appended once" "the vendor's appended" sh -c 'xargs -d "\n" < /mnt/vendor'
umount /mnt
mount -o ro /dev/disk/by-partlabel/EFI-SYSTEM /mnt
fails "the marker is gone" test -e /mnt/flatcar/first_boot
same "nothing else is left there" "efi flatcar" sh -c 'ls /mnt | xargs'
umount /mnt
same "nothing of the agent is left" "" find / -xdev -name "*pilotlight*" -not -path "/usr/*" -not -path "/run/*"
same "failed units" "" systemctl list-units --failed --plain --no-legend
