same "/usr is the other one" /dev/vda4 findmnt -no SOURCE /usr
same "host name" example hostname
same "its file" "hello data" cat /srv/hello
same "no stage ran" "" journalctl -b -o cat -t ignition -t pilotlight
same "failed units" "" systemctl list-units --failed --plain --no-legend
