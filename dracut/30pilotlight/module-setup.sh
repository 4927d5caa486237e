#!/bin/bash
# dracut module: provisioning on the first boot by pilotlight, under Ignition's unit names.
#
# The program is taken from /usr/bin/pilotlight-boot, or from this directory when an image build put it here. In the
# initramfs it is called pilotlight, as the installed program is in the root: units and people find one name.

check() {
    [[ -x "$moddir/pilotlight-boot" ]] || require_binaries /usr/bin/pilotlight-boot || return 1
    # Only images that ask for it (--add pilotlight, add_dracutmodules) provision themselves.
    return 255
}

depends() {
    echo systemd systemd-initrd udev-rules
}

installkernel() {
    # Built-in ones are skipped in silence. Network and disk drivers of real hardware are the
    # image's own choice; the virtual ones cost little and make the module work by itself.
    hostonly='' instmods -s \
        qemu_fw_cfg virtio_pci virtio_mmio virtio_blk virtio_scsi virtio_net virtio_console virtio_rng \
        ext4 xfs btrfs vfat virtiofs isofs udf nls_ascii nls_cp437 nls_iso8859-1 nls_utf8 \
        loop sr_mod
    # By which hypervisors and boards give a config: key-value pairs of Hyper-V, guest properties of VirtualBox, sockets
    # to the host, the FIFO of BlueField.
    hostonly='' instmods -s \
        hv_vmbus hv_utils vboxguest vmw_vsock_virtio_transport mlxbf_bootctl
    # vlan=, bond= and bridge= of the kernel command line.
    hostonly='' instmods -s 8021q bonding bridge
    # Arrays and encrypted volumes, and the ciphers and checksums that LUKS asks the kernel for.
    hostonly='' instmods -s \
        linear raid0 raid1 raid10 raid456 dm-crypt dm-integrity \
        xts cbc ecb essiv authenc sha256_generic sha512_generic algif_skcipher algif_hash af_alg aesni_intel
}

install_units() {
    local target="$1" unit
    shift
    mkdir -p "$initdir$systemdsystemunitdir/$target.requires"
    for unit in "$@"; do
        inst_simple "$moddir/$unit" "$systemdsystemunitdir/$unit"
        ln_r "$systemdsystemunitdir/$unit" "$systemdsystemunitdir/$target.requires/$unit"
    done
}

install() {
    local program=/usr/bin/pilotlight-boot target account file

    [[ -x "$moddir/pilotlight-boot" ]] && program="$moddir/pilotlight-boot"
    inst_binary "$program" /usr/bin/pilotlight
    ln_r /usr/bin/pilotlight /usr/bin/ignition

    inst_multiple cat grep mkdir mount mv readlink rm rmdir sed stty sync timeout umount \
        blkid udevadm journalctl systemctl
    # A feature whose program is missing fails by name when a config asks for it.
    inst_multiple -o \
        mkfs.ext4 mkfs.ext3 mkfs.ext2 mkfs.xfs mkfs.btrfs mkfs.vfat mkfs.fat fsck.fat mkswap wipefs /etc/mke2fs.conf \
        useradd usermod userdel groupadd groupmod groupdel chpasswd chgpasswd cp \
        mdadm cryptsetup dmsetup kpartx setfiles \
        clevis clevis-encrypt-sss clevis-encrypt-tang clevis-encrypt-tpm2 \
        clevis-decrypt clevis-decrypt-sss clevis-decrypt-tang clevis-decrypt-tpm2 \
        clevis-luks-bind clevis-luks-common-functions clevis-luks-list clevis-luks-pass clevis-luks-unlock \
        ip vmware-rpctool

    # What clevis's scripts run; they name it nowhere that dracut looks.
    if command -v clevis > /dev/null; then
        inst_multiple -o \
            jose curl pwmake tpm2_create tpm2_createpolicy tpm2_createprimary tpm2_flushcontext tpm2_load \
            tpm2_pcrread tpm2_unseal awk base64 basename cut find grep head mktemp sort tail tr
        # Loaded at run time.
        inst_libdir_file 'libtss2-tcti-device.so*'
    fi
    # They name arrays and volumes, and start arrays that are there.
    inst_rules 63-md-raid-arrays.rules 64-md-raid-assembly.rules 10-dm.rules 13-dm-disk.rules 95-dm-notify.rules

    # Started only when the config needs it, so nothing here is enabled. resolved is optional.
    inst_multiple -o \
        "$systemdutildir/systemd-networkd" \
        "$systemdutildir/systemd-networkd-wait-online" \
        "$systemdutildir/systemd-network-generator" \
        "$systemdutildir/systemd-resolved" \
        "$systemdsystemunitdir/systemd-networkd.service" \
        "$systemdsystemunitdir/systemd-networkd.socket" \
        "$systemdsystemunitdir/systemd-network-generator.service" \
        "$systemdsystemunitdir/systemd-resolved.service" \
        "$systemdnetwork/99-default.link"
    for account in systemd-network systemd-resolve; do
        grep "^$account:" "${dracutsysrootdir-}/etc/passwd" >> "$initdir/etc/passwd" || :
        grep "^$account:" "${dracutsysrootdir-}/etc/group" >> "$initdir/etc/group" || :
    done
    for file in zz-pilotlight.network zz-pilotlight-stacked.network; do
        inst_simple "$moddir/$file" "$systemdnetwork/$file"
    done
    # Else the driver makes a bond0 of its own, which networkd then takes as it is, without its options.
    mkdir -p "$initdir/etc/modprobe.d"
    echo 'options bonding max_bonds=0' > "$initdir/etc/modprobe.d/pilotlight-bonding.conf"
    # Started where there is no resolved.
    for file in pilotlight-resolver.path pilotlight-resolver.service; do
        inst_simple "$moddir/$file" "$systemdsystemunitdir/$file"
    done
    # net_id, the drivers' aliases and CD-ROM labels (config drives) come from these.
    inst_rules 60-cdrom_id.rules 75-net-description.rules 80-drivers.rules 80-net-setup-link.rules

    inst_script "$moddir/pilotlight-generator" "$systemdutildir/system-generators/pilotlight-generator"
    inst_script "$moddir/first-boot-marker.sh" /usr/lib/pilotlight/first-boot-marker
    inst_script "$moddir/network.sh" /usr/lib/pilotlight/network
    inst_script "$moddir/oem.sh" /usr/lib/pilotlight/oem
    inst_script "$moddir/emergency-report.sh" /usr/lib/pilotlight/emergency-report
    # The systemd module brings the target without its service, and isolating it would fail unseen:
    # the boot would go on with a machine that is not provisioned. dracut-systemd brings its own.
    if ! dracut_module_included dracut-systemd; then
        inst_multiple sulogin "$systemdutildir/systemd-sulogin-shell" "$systemdsystemunitdir/emergency.service"
    fi
    inst_simple "$moddir/emergency-report.conf" \
        "$systemdsystemunitdir/emergency.service.d/10-pilotlight.conf"

    for target in complete subsequent diskful diskful-subsequent; do
        inst_simple "$moddir/ignition-$target.target" "$systemdsystemunitdir/ignition-$target.target"
    done
    install_units ignition-complete.target \
        pilotlight-oem.service \
        ignition-fetch-offline.service \
        pilotlight-network.service \
        ignition-fetch.service \
        ignition-kargs.service \
        ignition-disks.service \
        ignition-mount.service \
        ignition-files.service
    install_units ignition-diskful.target ignition-remount-sysroot.service
    install_units ignition-complete.target pilotlight-finish.service
    install_units ignition-subsequent.target pilotlight-finish.service
    # Wanted by the generator, and only when the boot loader found the marker.
    inst_simple "$moddir/ignition-quench.service" "$systemdsystemunitdir/ignition-quench.service"
}
