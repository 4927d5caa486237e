#!/bin/sh
# The OEM partition at /oem, read-only, where config.ign and base/base.ign are looked for.
set -eu

label=/dev/disk/by-label/OEM

up() {
    # An initramfs that brings its own /oem (PXE) is left alone.
    if [ -e /oem/config.ign ] || [ -e /oem/base ]; then
        return
    fi
    udevadm settle --timeout=30 || :
    if [ -e $label ]; then
        mkdir -p /oem
        mount -o ro $label /oem
    fi
}

down() {
    case $(cat /proc/mounts) in
        *' /oem '*) umount /oem ;;
    esac
}

"$1"
