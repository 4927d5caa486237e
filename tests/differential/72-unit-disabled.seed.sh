mkdir "$1/etc/systemd/system/multi-user.target.wants"
ln -s /usr/lib/systemd/system/vendor.service "$1/etc/systemd/system/multi-user.target.wants/vendor.service"
