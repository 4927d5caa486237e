fails "nothing was written" test -e /etc/a
mount -o ro /dev/disk/by-partlabel/EFI-SYSTEM /mnt
does "the marker stays: this machine is not provisioned" test -e /mnt/flatcar/first_boot
umount /mnt
