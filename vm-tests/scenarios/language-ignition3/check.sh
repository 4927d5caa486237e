# The same checks for every language: type, mode, owners and contents of what all of them ask for.
entry() {
    stat -c '%F %a %U %G' "$1" && cat "$1"
}
same "host name" node-1 hostname
same "script" "$(printf 'regular file 755 root root\n#!/bin/sh\necho hello ${WHO:-nobody}')" entry /opt/bin/greet
same "file of a group" "$(printf 'regular file 640 root deploy\nlevel = 3')" entry /etc/app/app.conf
same "file on the data disk" "$(printf 'regular file 644 root root\non the data disk')" entry /var/lib/data/readme
same "data disk" "/var/lib/data ext4 DATA" findmnt -rno TARGET,FSTYPE,LABEL /var/lib/data
same "directory by default" "root root 755" stat -c '%U %G %a' /etc/app
same "user" "core:x:1200:/home/core:/bin/bash" sh -c 'getent passwd core | cut -d: -f1-3,6,7'
does "user's groups" sh -c 'id -nG core | grep -qw deploy'
same "password" '$6$pilotlight$1lxBBTBoMfLpbmyBdy27YxfTmSBLlPFW3gYCT5PLxRuc8aGxzG1L0zzmgKPlLs7dGUMe2s8EANNZYrO5v5iYd/' sh -c 'getent shadow core | cut -d: -f2'
same "SSH keys" "$(printf 'regular file 600 core core\nssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA core@example')" entry /home/core/.ssh/authorized_keys.d/ignition
same "unit's text" "a1a27a87a05ca58ae7d0a1128bd8811d2668485001d740233417908584cfca59" sh -c 'sha256sum < /etc/systemd/system/greet.service | cut -d" " -f1'
same "drop-in's text" "41b6b3f3798235eae58f625dbede24018f2d5661fe4eb14d236d5c2cbdb32420" sh -c 'sha256sum < /etc/systemd/system/greet.service.d/10-who.conf | cut -d" " -f1'
same "unit" active systemctl is-active greet.service
same "unit is enabled" enabled systemctl is-enabled greet.service
same "unit's output" "hello operator" journalctl -u greet.service -t greet -o cat
same "mask" masked systemctl is-enabled apt-daily.timer
same "failed units" "" systemctl list-units --failed --plain --no-legend
fails "no leftovers" test -e /var/lib/pilotlight/filesystems
