disk=/dev/disk/by-id/virtio-one
uuid=11111111-2222-4333-8444-00000000000a
does "network" /usr/lib/pilotlight/network up
if [ ! -e /dev/disk/by-uuid/$uuid ]; then
    does "an array" mdadm --create /dev/md/pair --run --level=1 --raid-devices=2 --metadata=1.2 $disk /dev/disk/by-id/virtio-two
    head -c 32 /dev/urandom > /run/key
    does "an encrypted disk" cryptsetup luksFormat --batch-mode --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --uuid $uuid /dev/md/pair /run/key
    does "bound to TPM and tang" clevis luks bind -f -k /run/key -d /dev/md/pair sss \
        '{"t":2,"pins":{"tang":{"url":"http://10.0.2.100:7500","thp":"@TANG_THUMBPRINT@"},"tpm2":{}}}'
    does "unlocked by them" clevis luks unlock -d /dev/md/pair -n secret
    does "a file system" mkfs.ext4 -q -L secret /dev/mapper/secret
    mkdir -p /run/at
    mount /dev/mapper/secret /run/at
    echo "kept in secret" > /run/at/note
    umount /run/at
    cryptsetup close secret
    sync
    # The second half of this check follows.
    systemctl reboot --force --force
    sleep 60
fi
does "unlocked after the reset" clevis luks unlock -d /dev/disk/by-uuid/$uuid -n secret
mkdir -p /run/at
mount /dev/mapper/secret /run/at
same "its file" "kept in secret" cat /run/at/note
umount /run/at
