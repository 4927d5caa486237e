does "GRUB found the marker" grep -qw flatcar.first_boot=detected /proc/cmdline
does "GRUB took the fresh disk for one" grep -qw flatcar.randomize_disk_guid=00000000-0000-0000-0000-000000000001 /proc/cmdline
does "provisioned by this boot" grep -q "$(cat /proc/sys/kernel/random/boot_id)" /etc/.ignition-result.json
# What the second boot has to find again.
date > /var/lib/left-by-the-first-boot
cat /etc/machine-id > /var/lib/machine-id-of-the-first-boot
lsblk -dno PTUUID /dev/vda > /var/lib/disk-guid-of-the-first-boot
