does "provisioned by this boot" grep -q "$(cat /proc/sys/kernel/random/boot_id)" /etc/.ignition-result.json
does "the journal has the first boot" sh -c 'journalctl --boot --unit ignition-disks.service --output=cat | grep -q /dev/mapper/rootcrypt'
does "the mark went last" sh -c 'journalctl --boot --unit pilotlight-finish.service --output=cat | grep -q /dev/vdd'
# What the second boot has to find again.
echo "written on the encrypted root" > /opt/written
echo "written on the secret volume" > /srv/secret/written
