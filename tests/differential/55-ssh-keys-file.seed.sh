install -d -m 0755 -o 1500 -g 1500 "$1/home/resident/.ssh"
echo gone >"$1/home/resident/.ssh/authorized_keys"
chown 1500:1500 "$1/home/resident/.ssh/authorized_keys"
