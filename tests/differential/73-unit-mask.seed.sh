echo "[Service]" >"$1/etc/systemd/system/other.service"
