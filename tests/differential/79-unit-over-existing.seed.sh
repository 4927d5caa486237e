echo old >"$1/etc/systemd/system/a.service"
ln -s /dev/null "$1/etc/systemd/system/b.service"
