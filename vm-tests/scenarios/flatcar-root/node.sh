mount -o ro /dev/disk/by-partlabel/EFI-SYSTEM /mnt
does "the boot loader is there" test -e /mnt/EFI/BOOT/BOOTX64.EFI
fails "the marker is gone" test -e /mnt/flatcar/first_boot
umount /mnt
same "the firmware" efi sh -c 'test -d /sys/firmware/efi && echo efi'
does "OEM's grub.cfg was read" grep -qw from.oem=1 /proc/cmdline
same "platform" "flatcar.oem.id=metal" grep -ow 'flatcar.oem.id=[a-z]*' /proc/cmdline
same "/usr" "/dev/vda3" findmnt -no SOURCE /usr
same "/usr is read-only" ro sh -c 'findmnt -no OPTIONS /usr | cut -d , -f 1'
same "root" "btrfs 11111111-2222-4333-8444-000000000009" findmnt -nro FSTYPE,UUID /
does "its file system fills the partition" sh -c 'test $(findmnt -bno SIZE /) -gt $((2900 * 1048576))'
fails "the image's own root is gone" test -e /from-the-image
same "host name" flatcar-like cat /etc/hostname
same "the new partition is mounted" ext4 findmnt -no FSTYPE /srv/extra
same "the new partition holds its file" "hello extra" cat /srv/extra/hello
does "OEM is as it was" sh -c 'mount -o ro /dev/disk/by-label/OEM /mnt && grep -q flatcar-like /mnt/config.ign && umount /mnt'
same "failed units" "" systemctl list-units --failed --plain --no-legend
