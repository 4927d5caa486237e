ours() {
    ip -4 -o address show scope global | grep -o ' 10\.0\.2\.6[0-9]*/[0-9]*' | sort | xargs
}
# Waits until both are there, as long as a machine without KVM may take.
both="10.0.2.61/32 10.0.2.62/32"
eventually() {
    for _ in $(seq 60); do
        [ "$(ours)" = "$both" ] && break
        sleep 0.5
    done
    ours
}
same "secondary addresses" "$both" eventually
same "the service" active systemctl is-active pilotlight-oem-network.service
same "its restarts" NRestarts=0 systemctl show -p NRestarts pilotlight-oem-network.service
same "its words" "StatusText=the network is as aws wants it" systemctl show -p StatusText pilotlight-oem-network.service
does "the interface by its id" ip link show eni-0123456789abcdef0
does "the interface by its number" ip link show device-number-0
ip address del 10.0.2.61/32 dev device-number-0
same "an address that was removed" "$both" eventually
systemctl restart systemd-networkd.service
same "after networkd's restart" "$both" eventually
does "the lease" sh -c 'ip -4 address show dynamic | grep -q " 10\.0\.2\.[0-9]*/24"'
fails "rules of the only interface" sh -c 'ip -d rule show | grep "proto 176"'
same "complaints of the service" "" journalctl -u pilotlight-oem-network.service --priority=warning --output=cat --quiet
