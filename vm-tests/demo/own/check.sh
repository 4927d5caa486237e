same "failed units" "" systemctl list-units --failed --plain --no-legend
echo "ok users: $(awk -F: '$3 >= 1000 && $3 < 60000 { printf "%s ", $1 }' /etc/passwd)"
echo "ok host name: $(hostname)"
lsblk -rno NAME,FSTYPE,LABEL,MOUNTPOINTS | sed 's/^/ok block device: /; s/ *$//'
cat /etc/systemd/system-preset/20-ignition.preset 2>/dev/null | sed 's/^/ok preset: /'
