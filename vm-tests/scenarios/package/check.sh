same "host name" packaged hostname
same "user" "core sudo" sh -c 'id -nG core | tr " " "\n" | sort | xargs'
same "the new partition is mounted" ext4 findmnt -no FSTYPE /srv
same "its file" "from the package" cat /srv/hello
same "failed units" "" systemctl list-units --failed --plain --no-legend
does "result file" grep -q '"userConfigProvided": *true' /etc/.ignition-result.json
mount -o ro /dev/disk/by-partlabel/EFI-SYSTEM /mnt
fails "first-boot marker is gone" test -e /mnt/flatcar/first_boot
umount /mnt
