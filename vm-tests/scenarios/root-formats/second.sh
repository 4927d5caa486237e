fails "provisioned by another boot" grep -q "$(cat /proc/sys/kernel/random/boot_id)" /etc/.ignition-result.json
for place in /opt /srv/shared /mnt; do
    same "what the node wrote to $place" "written to $place on the node" cat $place/written
done
umount /mnt
