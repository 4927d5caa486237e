# The image asks every card for DHCP, and there is a server: but the metadata say it all.
does "the node's own network" /lib/systemd/systemd-networkd-wait-online --timeout=120
same "bond" "802.3ad 4" cat /sys/class/net/bond0/bonding/mode
does "its port" grep -q "^Slave Interface: e" /proc/net/bonding/bond0
does "LACP" grep -qx "LACP rate: fast" /proc/net/bonding/bond0
same "addresses" "10.70.1.3/31 198.51.100.3/31 2001:db8:1::3/127" \
    sh -c 'ip -br address show scope global | grep -o "[0-9a-f.:]*/[0-9]*" | sort | xargs'
same "routes" "default via 198.51.100.2, 10.0.0.0/8 via 10.70.1.2, default via 2001:db8:1::2, " \
    sh -c '(ip route; ip -6 route) | sed -n "s/ dev bond0 proto static.*/,/p" | tr "\n" " "'
fails "a lease of the node" sh -c 'ls /run/systemd/netif/leases/*'
same "state" "bond0 bond routable configured" sh -c 'networkctl list --no-legend bond0 | xargs | cut -d" " -f2-'
same "name servers of the initramfs" DNS=10.0.2.2 grep -h ^DNS= /etc/systemd/network/70-pilotlight-bond0.network
does "networkd's journal" sh -c 'journalctl --boot --unit=systemd-networkd --output=cat | grep -q "bond0: .*onfigur"'
same "complaints of networkd" "" \
    sh -c 'journalctl --boot --unit=systemd-networkd --output=cat | grep -E "70-pilotlight-[a-z0-9.]*:[0-9]|Unknown|nvalid|gnoring|ailed|Could not"'
same "failed units" "" systemctl list-units --failed --plain --no-legend
