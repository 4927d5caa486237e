same "unit" active systemctl is-active hello.service
find /etc /home /opt /srv /usr/local -xdev -printf '%p %i %M %U %G %s %T@\n' | sort | sed '\|^/etc/machine-id |d; \|^/etc |d' > /run/snapshot
same "nothing changed" "" diff /var/lib/snapshot /run/snapshot
same "no stage ran" "" journalctl -b -o cat -t ignition -t pilotlight
fails "no config was fetched" test -e /run/ignition.json
