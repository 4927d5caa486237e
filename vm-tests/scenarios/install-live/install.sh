does "network" /usr/lib/pilotlight/network up
does "the firmware's variables" grep -q efivarfs /proc/mounts
installs() {
    pilotlight install -d /dev/disk/by-id/virtio-boot --image-url http://10.0.2.100/image.bin.zst -k /etc/release.asc \
        -i http://10.0.2.100/node.bu --ignition-hash sha256-e2d556ca34d9363794d5312365868c3a349417269d2956d5b460e328aa6244ec \
        --append-karg installed.by=live --uefi "$@"
}
does "what would be done is shown" installs --dry-run
same "the disk is blank still" "" blkid -p /dev/vda
does "installed" installs
ends() {
    installs > /dev/null 2>&1
    echo $?
}
same "a second time" 77 ends
