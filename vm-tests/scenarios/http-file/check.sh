same "payload" "20000 20000" awk 'END { print NR, $1 }' /srv/payload
same "no address is left over from the initramfs" "" sh -c "ip -o address show scope global"
