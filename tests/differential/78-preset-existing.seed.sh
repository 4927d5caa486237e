mkdir "$1/etc/systemd/system-preset"
echo "disable *" >"$1/etc/systemd/system-preset/20-ignition.preset"
