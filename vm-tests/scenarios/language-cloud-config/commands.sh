expected='first with "quotes" and $dollars
second'
same "commands ran once and in order" "$expected" cat /var/lib/ordered
same "failed units" "" systemctl list-units --failed --plain --no-legend
