fails "provisioned by another boot" grep -q "$(cat /proc/sys/kernel/random/boot_id)" /etc/.ignition-result.json
for place in /opt /var/lib /srv/scratch; do
    same "what the node wrote to $place" "written to $place on the node" cat $place/written
done
does "what it wrote to the mirror is whole" sha256sum --check --status /var/lib/much.sha256
