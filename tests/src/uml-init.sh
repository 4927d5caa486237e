# The first process of a guest; uml.rs puts the values of its variables and the command ("$@") above this.
# hostfs carries the host's / read-only. The guest sees it through an overlay, whose upper layer is memory.
set -e
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
# This kernel would start a program for every event, which has not existed for twenty years.
echo >/proc/sys/kernel/hotplug
mkdir /run/upper /run/work /run/root
modules=/usr/lib/uml/modules/$(uname -r)
insmod "$modules/kernel/fs/overlayfs/overlay.ko"
mount -t overlay -o lowerdir=/,upperdir=/run/upper,workdir=/run/work overlay /run/root
cd /run/root
for part in proc sys dev; do
	mkdir -p $part
	mount --move /$part $part
done
mkdir -p run mnt
mount -t tmpfs -o mode=755 tmpfs run
# Where modprobe looks, and so the kernel when it misses something.
mkdir -p lib/modules
ln -s "$modules" "lib/modules/$(uname -r)"
mkdir run/old
pivot_root . run/old
exec chroot . /bin/sh -c '
set -e
umount -l /run/old
rmdir /run/old
cd /
mkdir -p /dev/pts /dev/shm /run/lock
# As systemd makes it: the shell of some programs needs it.
[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
shared=$1 host=$2 directory=$3 udev=$4
shift 4
mkdir "$shared"
mount -t hostfs -o "$host" host "$shared"
ip link set lo up
# What nothing asks for by itself: control nodes.
modprobe -a loop dm-mod md-mod
if [ -n "$udev" ]; then
	/lib/systemd/systemd-udevd --daemon
	# Not the 900 terminals, which take five seconds.
	udevadm trigger --action=add --subsystem-match=block --subsystem-match=misc --subsystem-match=net
	udevadm settle
fi
cd "$directory"
code=0
"$@" >"$shared/output" 2>&1 || code=$?
cd /
sync
echo $code >"$shared/status"
echo o >/proc/sysrq-trigger
exec sleep 60
' init "$shared" "$host" "$directory" "$udev" "$@" </dev/null >/dev/console 2>&1
