disk=/dev/disk/by-id/virtio-data
for kind in ext4 xfs btrfs vfat; do
    same "$kind is mounted" $kind findmnt -no FSTYPE /srv/$kind
    same "$kind holds its file" "hello $kind" cat /srv/$kind/hello
done
same "ext4 UUID" 11111111-2222-4333-8444-000000000001 blkid -o value -s UUID $disk-part1
same "xfs UUID" 11111111-2222-4333-8444-000000000002 blkid -o value -s UUID $disk-part2
same "btrfs UUID" 11111111-2222-4333-8444-000000000003 blkid -o value -s UUID $disk-part3
same "vfat UUID" 1234-ABCD blkid -o value -s UUID $disk-part4
same "swap UUID" 11111111-2222-4333-8444-000000000005 blkid -o value -s UUID $disk-part5
same "ext4 label" ext4 blkid -o value -s LABEL $disk-part1
same "vfat label" VFAT blkid -o value -s LABEL $disk-part4
same "partition GUID" aaaaaaaa-bbbb-4ccc-8ddd-000000000001 blkid -o value -s PARTUUID $disk-part1
same "partition type" 0657fd6d-a4ab-43c4-84e5-0933c84b4f4f lsblk -no PARTTYPE $disk-part5
same "sizes in MiB" "64 320 256 64 318" sh -c "for n in 1 2 3 4 5; do echo \$((\$(blockdev --getsize64 $disk-part\$n) / 1048576)); done | xargs"
same "swap is on" 1 sh -c 'tail -n +2 /proc/swaps | wc -l'
does "btrfs is compressed" sh -c 'findmnt -no OPTIONS /srv/btrfs | grep -q compress=zstd'
same "failed units" "" systemctl list-units --failed --plain --no-legend
