does "the restarted machine is still on its first boot" grep -qw flatcar.first_boot=detected /proc/cmdline
does "provisioned by this boot" grep -q "$(cat /proc/sys/kernel/random/boot_id)" /etc/.ignition-result.json
