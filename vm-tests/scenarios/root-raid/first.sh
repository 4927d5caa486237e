does "provisioned by this boot" grep -q "$(cat /proc/sys/kernel/random/boot_id)" /etc/.ignition-result.json
# What the second boot has to find again.
for place in /opt /var/lib /srv/scratch; do
    echo "written to $place on the node" > $place/written
done
dd if=/dev/urandom of=/opt/much bs=1M count=8 status=none
sha256sum /opt/much > /var/lib/much.sha256
