same "host name" example hostname
same "user" "core sudo" sh -c 'id -nG core | tr " " "\n" | sort | xargs'
same "/usr" /dev/vda3 findmnt -no SOURCE /usr
same "/usr is read-only" ro sh -c 'findmnt -no OPTIONS /usr | cut -d , -f 1'
same "the root" "/dev/vda9 ext4" findmnt -nro SOURCE,FSTYPE /
same "the new partition is mounted" ext4 findmnt -no FSTYPE /srv
same "its file" "hello data" cat /srv/hello
same "the package" "install ok installed" dpkg-query -W -f '${Status}' pilotlight
does "sshd knows where keys are" sh -c 'sshd -T | grep -q "authorized_keys.d/ignition"'
same "sshd" active systemctl is-active ssh.service
same "failed units" "" systemctl list-units --failed --plain --no-legend
does "what the first boot did is told" pilotlight report

# An update: the other /usr, its kernel, and the choice of the boot loader.
mount /dev/disk/by-partlabel/EFI-SYSTEM /mnt
fails "the first-boot marker is gone" test -e /mnt/flatcar/first_boot
dd if=/dev/disk/by-partlabel/USR-A of=/dev/disk/by-partlabel/USR-B bs=4M conv=sparse iflag=direct oflag=direct 2>/dev/null
cp -r /mnt/a /mnt/b
touch /mnt/boot-b
umount /mnt
