fails "no network was needed" test -e /run/ignition/neednet
same "its network, which has no DHCP" "fa:16:3e:00:00:01 192.0.2.7/24 192.0.2.1 " \
    sh -c 'sed -n "s/^\(MACAddress\|Address\|Gateway\)=//p" /etc/systemd/network/70-pilotlight-static0.network | tr "\n" " "'
