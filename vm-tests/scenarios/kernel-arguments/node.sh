same "added once" 1 sh -c 'tr " " "\n" < /proc/cmdline | grep -cx systemd.unified_cgroup_hierarchy=0'
fails "taken away" grep -qw unwanted.by.config /proc/cmdline
does "OEM's other argument is kept" grep -qw from.oem=1 /proc/cmdline
same "cgroup v1" tmpfs stat -f -c %T /sys/fs/cgroup
does "with its controllers" test -d /sys/fs/cgroup/memory/system.slice
same "the rest of the config" cgroup-v1 cat /etc/hostname
mount -o ro /dev/disk/by-label/OEM /mnt
same "OEM's own lines" 'set oem_id="metal"
set linux_append="from.oem=1 unwanted.by.config"' head -n 2 /mnt/grub.cfg
same "one block" 1 grep -c '^# BEGIN pilotlight' /mnt/grub.cfg
same "nothing else" "config.ign grub.cfg" sh -c 'ls -A /mnt | grep -vx lost+found | xargs'
umount /mnt
mount -o ro /dev/disk/by-partlabel/EFI-SYSTEM /mnt
fails "the marker is gone" test -e /mnt/flatcar/first_boot
umount /mnt
same "failed units" "" systemctl list-units --failed --plain --no-legend
