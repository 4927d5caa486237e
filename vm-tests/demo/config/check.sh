same "host name" lovelace hostname
same "user" "Ada Lovelace,/home/ada,/bin/bash" sh -c "getent passwd ada | cut -d: -f5- | tr : ,"
does "user's SSH key" grep -q ada@example /home/ada/.ssh/authorized_keys.d/ignition
same "file" "Hello from the first boot" cat /etc/greeting
same "second disk" "/dev/vdb1 ext4" findmnt -no SOURCE,FSTYPE /var/lib/data
same "file on it" "ada: on the second disk" sh -c 'echo "$(stat -c %U /var/lib/data/notes): $(cat /var/lib/data/notes)"'
same "unit" active systemctl is-active greeting.service
same "unit's output" "Hello from the first boot" journalctl -u greeting.service -t cat -o cat
same "failed units" "" systemctl list-units --failed --plain --no-legend
