same "root" "ext4 ROOT" findmnt -nro FSTYPE,LABEL /
same "it is the array" "$(readlink -f /dev/md/root)" findmnt -no SOURCE /
same "of two halves" "MD_DEVICES=2 MD_DEVNAME=root MD_LEVEL=raid1" \
    sh -c 'mdadm --detail --export /dev/md/root | grep -E "^MD_(LEVEL|DEVICES|DEVNAME)=" | sort | xargs'
same "both are there" 0 sh -c 'cat /sys/block/$(basename $(readlink -f /dev/md/root))/md/degraded'
same "its members" "vda9 vdb1" sh -c 'ls /sys/block/$(basename $(readlink -f /dev/md/root))/slaves | xargs'
same "nothing else is ROOT" "$(readlink -f /dev/md/root)" blkid -c /dev/null -t LABEL=ROOT -o device
same "a member is nothing else" linux_raid_member blkid -p -o value -s TYPE /dev/vda9
same "/usr" "/dev/vda3" findmnt -no SOURCE /usr
fails "the image's own root is gone" test -e /from-the-image
same "/var" "/dev/vdc xfs var" findmnt -nro SOURCE,FSTYPE,LABEL /var
same "scratch" "btrfs" findmnt -no FSTYPE /srv/scratch
does "scratch is compressed" sh -c 'findmnt -no OPTIONS /srv/scratch | grep -q compress=zstd'
same "swap is on" /dev/vdd2 swapon --show=NAME --noheadings
same "the config's file on the root" "on the mirror" cat /opt/provisioned
same "the config's file on /var" "on var" cat /var/lib/provisioned
same "the config's file on scratch" "on scratch" cat /srv/scratch/provisioned
same "failed units" "" systemctl list-units --failed --plain --no-legend
