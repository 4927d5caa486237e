does "it opens by itself" udevadm wait --timeout=60 /dev/mapper/secret
same "what it lies on" raid1 sh -c "mdadm --detail --export /dev/disk/by-uuid/11111111-2222-4333-8444-00000000000a | sed -n s/^MD_LEVEL=//p"
mkdir -p /run/at
mount /dev/mapper/secret /run/at
same "its file" "kept in secret" cat /run/at/note
umount /run/at
for module in raid0 raid10 raid456 linear; do
    does "module $module" modprobe $module
done
