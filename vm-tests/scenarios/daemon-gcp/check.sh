ours() {
    ip route show table local proto 66 | sed 's/ dev [^ ]*//; s/ *$//' | sort | tr '\n' ';'
}
# Waits until both are there, as long as a machine without KVM may take.
both="local 203.0.113.7 scope host;local 203.0.113.8 scope host;"
eventually() {
    for _ in $(seq 40); do
        [ "$(ours)" = "$both" ] && break
        sleep 0.5
    done
    ours
}
same "forwarded addresses" "$both" eventually
same "the service" active systemctl is-active pilotlight-oem-network.service
same "its restarts" NRestarts=0 systemctl show -p NRestarts pilotlight-oem-network.service
same "its words" "StatusText=the network is as gcp wants it" systemctl show -p StatusText pilotlight-oem-network.service
ip route del local 203.0.113.7 table local
same "a route that was deleted" "$both" eventually
systemctl restart systemd-networkd.service
same "after networkd's restart" "$both" eventually
does "journal" journalctl -u pilotlight-oem-network.service --grep 'add local route 203.0.113.7/32'
systemctl reload pilotlight-oem-network.service
same "after a reload" active systemctl is-active pilotlight-oem-network.service
systemctl stop pilotlight-oem-network.service
same "what stays when it is stopped" "$both" ours
systemctl start pilotlight-oem-network.service
same "and started" active systemctl is-active pilotlight-oem-network.service
does "its last answer is for root alone" test "$(stat -c %a /var/lib/pilotlight/network.json)" = 600
# The first boot's keys are taken over, and not doubled.
same "the keys' service" active systemctl is-active pilotlight-oem-keys.service
keys=/home/core/.ssh/authorized_keys.d/afterburn
same "the keys" "$keys:1" grep -c . -H $keys
same "their owner and mode" "core core 600" stat -c '%U %G %a' $keys
fails "no others" test -e /home/core/.ssh/authorized_keys
