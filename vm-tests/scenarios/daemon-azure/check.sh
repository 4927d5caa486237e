ours() {
    ip -4 -o address show scope global | grep -o ' 10\.0\.2\.6[0-9]*/[0-9]*' | sort | xargs
}
# Waits until both are there, as long as a machine without KVM may take.
both="10.0.2.61/24 10.0.2.62/24"
eventually() {
    for _ in $(seq 60); do
        [ "$(ours)" = "$both" ] && break
        sleep 0.5
    done
    ours
}
same "secondary addresses" "$both" eventually
same "the service" active systemctl is-active pilotlight-oem-network.service
systemctl restart systemd-networkd.service
same "after networkd's restart" "$both" eventually
same "virtual functions" "Driver=mlx4_en mlx5_core mana Unmanaged=yes" \
    sh -c 'grep -hE "^(Driver|Unmanaged)=" /etc/systemd/network/10-pilotlight-virtual-functions.network | xargs'
does "the card of the machine is managed" sh -c 'networkctl list --no-legend | grep -q "routable *configured"'
# The first boot has written the name: nobody is asked.
same "the name's service" active systemctl is-active pilotlight-oem-hostname.service
does "its words" journalctl -u pilotlight-oem-hostname.service --grep 'azure-node, which /etc/hostname has'
# A machine that something else has set up has none.
asked_as() {
    journalctl --boot -u systemd-networkd.service --output=cat | grep -c 'DHCPv4 address 10.0.2'
}
before=$(asked_as)
: > /etc/hostname
echo localhost > /proc/sys/kernel/hostname
systemctl restart pilotlight-oem-hostname.service
same "the name" azure-node uname -n
does "its words then" journalctl -u pilotlight-oem-hostname.service --grep 'the host name is azure-node from now on'
told() {
    for _ in $(seq 60); do
        [ "$(asked_as)" -gt "$before" ] && return 0
        sleep 0.5
    done
    return 1
}
does "a lease with it" told
same "and what the daemon keeps" "$both" eventually
same "failed units" "" systemctl list-units --failed --plain --no-legend
