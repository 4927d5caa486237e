does "the node's own network" /lib/systemd/systemd-networkd-wait-online --timeout=120
same "the name that came with the lease" HOSTNAME=ip-10-0-2-50 sh -c 'grep -h ^HOSTNAME= /run/systemd/netif/leases/*'
same "one address" 1 sh -c 'ip -4 -o address show scope global | wc -l'
does "of the lease that the initramfs had" sh -c 'ip -4 -o address show scope global | grep -q 10.0.2.50/'
same "failed units" "" systemctl list-units --failed --plain --no-legend
