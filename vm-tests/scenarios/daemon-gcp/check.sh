ours() {
    ip route show table local proto 66 | sed 's/ dev [^ ]*//' | sort | tr '\n' ';'
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
does "debug $(journalctl -u pilotlight-oem.service -o cat --no-pager | tail -5 | tr "\n" "|") $(ip -4 -br addr | tr "\n" "|") $(ip route | tr "\n" "|") $(networkctl --no-pager list | tr "\n" "|")" true
same "the service" active systemctl is-active pilotlight-oem.service
same "its restarts" NRestarts=0 systemctl show -p NRestarts pilotlight-oem.service
same "its words" "StatusText=the network is as gcp wants it" systemctl show -p StatusText pilotlight-oem.service
ip route del local 203.0.113.7 table local
same "a route that was deleted" "$both" eventually
systemctl restart systemd-networkd.service
same "after networkd's restart" "$both" eventually
does "journal" journalctl -u pilotlight-oem.service --grep 'add local route 203.0.113.7/32'
systemctl reload pilotlight-oem.service
same "after a reload" active systemctl is-active pilotlight-oem.service
systemctl stop pilotlight-oem.service
same "what stays when it is stopped" "$both" ours
systemctl start pilotlight-oem.service
same "and started" active systemctl is-active pilotlight-oem.service
does "its last answer is for root alone" test "$(stat -c %a /var/lib/pilotlight/network.json)" = 600
