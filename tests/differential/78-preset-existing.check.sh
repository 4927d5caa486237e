# The first match decides, so what was there must stay in front.
head -n1 "$1/etc/systemd/system-preset/20-ignition.preset" | grep -q "^disable \*$"
