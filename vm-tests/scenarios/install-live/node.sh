same "host name" installed cat /etc/hostname
same "platform" "flatcar.oem.id=metal" grep -ow 'flatcar.oem.id=[a-z]*' /proc/cmdline
same "the kernel argument" "installed.by=live" grep -ow 'installed.by=[a-z]*' /proc/cmdline
same "/usr" "/dev/vda3 ext4" findmnt -nro SOURCE,FSTYPE /usr
same "root" "/dev/vda9 ext4 ROOT" findmnt -nro SOURCE,FSTYPE,LABEL /
same "what the image had in its root" "the image's own root" cat /from-the-image
same "the new partition" "/dev/vda10 ext4 EXTRA" findmnt -nro SOURCE,FSTYPE,LABEL /srv/extra
same "what it holds" "hello extra" cat /srv/extra/hello
same "ROOT in MiB" 256 sh -c 'echo $(($(cat /sys/class/block/vda9/size) / 2048))'
does "the user" getent passwd pilot
does "the unit ran" test -e /run/provisioned
does "the table is whole, its backup at the end" sh -c "sgdisk --verify /dev/vda | grep -q 'No problems found'"
same "slots, labels, attribute bits" "vda1 EFI-SYSTEM
vda2 BIOS-BOOT
vda3 USR-A 0x101000000000000
vda4 USR-B
vda6 OEM
vda7 OEM-CONFIG
vda9 ROOT
vda10 extra" sh -c "lsblk -nro NAME,PARTLABEL,PARTFLAGS /dev/vda | sed '1d; s/ *$//'"
fails "the disk has a GUID of its own" sh -c "lsblk -dno PTUUID /dev/vda | grep -x 00000000-0000-0000-0000-000000000001"
same "failed units" "" systemctl list-units --failed --plain --no-legend
