fails "GRUB found no marker" grep -q first_boot /proc/cmdline
fails "provisioned by another boot" grep -q "$(cat /proc/sys/kernel/random/boot_id)" /etc/.ignition-result.json
same "machine-id" "$(cat /var/lib/machine-id-of-the-first-boot)" cat /etc/machine-id
