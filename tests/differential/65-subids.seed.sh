: >"$1/etc/subuid"
echo leaver:100000:65536 >"$1/etc/subgid"
