same "user" "core:x:1200:1500:Core User:/home/core:/bin/bash" getent passwd core
same "user's groups" "deploy metrics sudo" sh -c 'id -nG core | tr " " "\n" | sort | xargs'
same "password" '$6$pilotlight$1lxBBTBoMfLpbmyBdy27YxfTmSBLlPFW3gYCT5PLxRuc8aGxzG1L0zzmgKPlLs7dGUMe2s8EANNZYrO5v5iYd/' sh -c 'getent shadow core | cut -d: -f2'
same "SSH keys" "core deploy 600" stat -c '%U %G %a' /home/core/.ssh/authorized_keys.d/ignition
does "SSH key" grep -q '^ssh-ed25519 AAAA.* core@example$' /home/core/.ssh/authorized_keys.d/ignition
same "home" "core deploy" stat -c '%U %G' /home/core
does "system user" sh -c 'test $(id -u robot) -lt 1000 && ! test -e /home/robot'
fails "user that must not exist" getent passwd leftover
fails "and its home" test -e /home/leftover
same "host name" node-1 hostname
same "directory" "core deploy 750" stat -c '%U %G %a' /srv/data
same "file by base64 and hash" secret cat /srv/data/secret
same "file's owner" "core 600" stat -c '%U %a' /srv/data/secret
same "file by gzip" unpacked cat /srv/data/packed
same "file's mode by default" "root root 644" stat -c '%U %G %a' /srv/data/packed
same "appended once" 1 grep -c '^provisioned$' /etc/motd
same "parents by default" "root root 755" stat -c '%U %G %a' /opt/deep
same "symbolic link" /usr/share/zoneinfo/Europe/Berlin readlink /etc/localtime
does "hard link" test /opt/hard -ef /opt/deep/er/file
same "unit" active systemctl is-active hello.service
same "unit's output" "from the config" journalctl -u hello.service -t file -o cat
same "drop-in" "User=core" systemctl show -p User hello.service
same "mask" masked systemctl is-enabled apt-daily.timer
same "instance" "instance one" journalctl -u each@one.service -t echo -o cat
same "failed units" "" systemctl list-units --failed --plain --no-legend
does "result file" grep -q '"userConfigProvided": *true' /etc/.ignition-result.json

mkdir -p /mnt/esp
mount -o ro /dev/disk/by-partlabel/EFI-SYSTEM /mnt/esp
fails "first-boot marker is gone" test -e /mnt/esp/flatcar/first_boot
umount /mnt/esp

# For the second boot to compare with.
find /etc /home /opt /srv /usr/local -xdev -printf '%p %i %M %U %G %s %T@\n' | sort > /var/lib/snapshot
# What the running system itself rewrites.
sed -i '\|^/etc/machine-id |d; \|^/etc |d' /var/lib/snapshot
