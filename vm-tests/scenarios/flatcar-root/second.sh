fails "GRUB found no marker" grep -q first_boot /proc/cmdline
fails "provisioned by another boot" grep -q "$(cat /proc/sys/kernel/random/boot_id)" /etc/.ignition-result.json
does "what the first boot left is there" test -s /var/lib/left-by-the-first-boot
same "machine-id" "$(cat /var/lib/machine-id-of-the-first-boot)" cat /etc/machine-id
same "disk GUID" "$(cat /var/lib/disk-guid-of-the-first-boot)" lsblk -dno PTUUID /dev/vda
