same "file" "from the network" cat /srv/payload
same "interfaces" "enp0s16 lo" sh -c 'ls /sys/class/net | xargs'
same "no address is left over from the initramfs" "" ip -o address show scope global
same "the card is down" "" sh -c 'ip -o link show up | grep -v LOOPBACK'
fails "no lease is left over" test -e /run/systemd/netif/leases
