same "file" "from the network" cat /sysroot/srv/payload
same "mode" "active-backup 1" cat /sys/class/net/bond0/bonding/mode
same "how often its links are looked at" 250 cat /sys/class/net/bond0/bonding/miimon
same "its member" lan0 cat /sys/class/net/bond0/bonding/slaves
same "address" bond0 sh -c "ip -4 -o address show scope global | sed 's/^[0-9]*: \([^ ]*\) .*/\1/'"
