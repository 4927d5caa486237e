fails "provisioned by this boot" grep -q "$(cat /proc/sys/kernel/random/boot_id)" /etc/.ignition-result.json
same "what the node wrote" "written on the encrypted root" cat /opt/written
