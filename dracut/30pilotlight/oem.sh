#!/bin/sh
# The OEM partition at /oem, read-only, where config.ign and base/base.ign are looked for.
set -euf

label=/dev/disk/by-label/OEM

up() {
    # An initramfs that brings its own /oem (PXE) is left alone.
    if [ -e /oem/config.ign ] || [ -e /oem/base ]; then
        return
    fi
    udevadm settle --timeout=30 || :
    device=$label
    # Just made again: udev may not have looked at it yet.
    [ -e "$device" ] || device=$(blkid -c /dev/null -L OEM || :)
    if [ -n "$device" ]; then
        mkdir -p /oem
        # Where the config has it mounted for writing, this mount of the same file system is read-only.
        mount -o ro "$device" /oem 2> /dev/null ||
            { mount "$device" /oem && mount -o remount,bind,ro /oem; }
    fi
}

down() {
    case $(cat /proc/mounts) in
        *' /oem '*) umount /oem ;;
    esac
}

"$1"
