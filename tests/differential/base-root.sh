#!/bin/sh
# The root that every config starts from, in the directory $1: what the shadow tools and systemctl --root look
# at, and a few things to overwrite, append to and link to.
set -eu
umask 022
cd "$1"
chmod 0755 .

mkdir -p etc/default etc/selinux etc/skel etc/systemd/system home root run tmp usr/bin usr/sbin \
    usr/lib/systemd/system var/lib var/log srv
chmod 1777 tmp
chmod 0700 root
ln -s usr/bin bin
ln -s usr/sbin sbin
ln -s /run var/run

cat >etc/passwd <<EOF
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
resident:x:1500:1500:Resident,,,:/home/resident:/bin/sh
leaver:x:1501:1501::/home/leaver:/bin/sh
EOF
cat >etc/group <<EOF
root:x:0:
daemon:x:1:
sudo:x:27:resident
shadow:x:42:
users:x:100:
docker:x:233:
resident:x:1500:
leaver:x:1501:
EOF
cat >etc/shadow <<EOF
root:*:19000:0:99999:7:::
daemon:*:19000:0:99999:7:::
resident:!:19000:0:99999:7:::
leaver:*:19000:0:99999:7:::
EOF
cat >etc/gshadow <<EOF
root:*::
daemon:*::
sudo:*::resident
shadow:*::
users:*::
docker:!::
resident:!::
leaver:!::
EOF
chmod 0640 etc/shadow etc/gshadow
chgrp 42 etc/shadow etc/gshadow
cat >etc/login.defs <<EOF
UID_MIN 1000
UID_MAX 60000
SYS_UID_MIN 100
SYS_UID_MAX 999
GID_MIN 1000
GID_MAX 60000
SYS_GID_MIN 100
SYS_GID_MAX 999
PASS_MAX_DAYS 99999
PASS_MIN_DAYS 0
PASS_WARN_AGE 7
USERGROUPS_ENAB yes
ENCRYPT_METHOD SHA512
UMASK 022
EOF
echo 'SHELL=/bin/sh' >etc/default/useradd
echo 'SELINUXTYPE=none' >etc/selinux/config
echo '# profile' >etc/skel/.profile
printf '#!/bin/sh\n' >usr/bin/sh
chmod 0755 usr/bin/sh
for user in resident leaver; do
    mkdir "home/$user"
    echo "$user's notes" >"home/$user/notes"
    chown -R "$(grep "^$user:" etc/passwd | cut -d: -f3,4)" "home/$user"
done

cat >usr/lib/systemd/system/vendor.service <<EOF
[Service]
ExecStart=/bin/true
[Install]
WantedBy=multi-user.target
EOF
sed 's/^ExecStart.*/& %i/' usr/lib/systemd/system/vendor.service >usr/lib/systemd/system/vendor@.service

printf 'old\n' >etc/old-file
chmod 0640 etc/old-file
chown 1:42 etc/old-file
mkdir -m 0750 etc/old-dir
chown 1:42 etc/old-dir
echo kept >etc/old-dir/child
ln -s old-file etc/old-link
