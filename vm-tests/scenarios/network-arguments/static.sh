same "file" "from the network" cat /sysroot/srv/payload
same "address" "10.0.2.9/24" sh -c "ip -4 -o address show scope global | sed 's/.* inet \([^ ]*\) .*/\1/'"
same "gateway" "default via 10.0.2.2 dev enp0s16 proto static " ip route show default
