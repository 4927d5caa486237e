same "file" "from the network" cat /srv/payload
# The node's own generator has read the same arguments.
does "the node's own network" /lib/systemd/systemd-networkd-wait-online --interface=enp0s16.7:routable --timeout=120
same "address" 10.0.2.50/24 sh -c "ip -4 -o address show scope global | sed 's/.* inet \([^ ]*\) .*/\1/'"
same "failed units" "" systemctl list-units --failed --plain --no-legend
