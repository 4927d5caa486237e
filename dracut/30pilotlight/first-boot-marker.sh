#!/bin/sh
# Removes the marker for which the boot loader said first_boot=detected. It goes last and for certain:
# a marker that stays would provision the machine again.
set -euf

at=/run/ignition/boot
mkdir -p "$at"
# Everything that the stages wrote must be on disk before the marker goes.
sync
removed=
for device in /dev/disk/by-partlabel/EFI-SYSTEM /dev/disk/by-label/EFI-SYSTEM /dev/disk/by-label/boot; do
    [ -e "$device" ] || continue
    # A FAT that was mounted when power failed is marked until it is checked. Other file systems are refused.
    ! command -v fsck.fat > /dev/null || fsck.fat -a "$device" > /dev/null 2>&1 || :
    mount "$device" "$at"
    for marker in flatcar/first_boot coreos/first_boot ignition.firstboot; do
        if [ -e "$at/$marker" ]; then
            rm "$at/$marker"
            removed="$removed $device:$marker"
        fi
    done
    umount "$at"
    # That a FAT is unmounted does not mean that the disk has it.
    sync "$device"
done
rmdir "$at"
if [ -z "$removed" ]; then
    printf '%s\n' "the boot loader found a first-boot marker, but no EFI-SYSTEM or boot partition holds one" >&2
    exit 1
fi
printf '%s\n' "removed the first-boot marker:$removed"
