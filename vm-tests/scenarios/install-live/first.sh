does "GRUB found the marker" grep -qw flatcar.first_boot=detected /proc/cmdline
does "provisioned by this boot" grep -q "$(cat /proc/sys/kernel/random/boot_id)" /etc/.ignition-result.json
cat /etc/machine-id > /var/lib/machine-id-of-the-first-boot
mount -o ro /dev/disk/by-partlabel/EFI-SYSTEM /mnt
fails "the marker is gone" test -e /mnt/flatcar/first_boot
umount /mnt
