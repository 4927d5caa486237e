#!/bin/sh
# One boot of one agent: its stages one after the other, as the units of the initramfs start them.
# Runs in a mount namespace of its own, with a /run of its own, so that nothing of this machine's systemd
# and udev answers.  usage: boot.sh AGENT WORK ROOT STAGE...   (BUS: socket for /run/systemd/private)
# $WORK/log gets the agent's output, $WORK/stages a line "stage exit-code" for each stage that ran.
set -eu
agent=$1 work=$2 root=$3
shift 3

mount -t tmpfs -o mode=0755 tmpfs /run
if [ -n "${BUS-}" ]; then
    mkdir /run/systemd
    : >/run/systemd/private
    mount --bind "$BUS" /run/systemd/private
fi
umask 022

stage() {
    rc=0
    PILOTLIGHT_DEVICE_WAIT=1 timeout 60 "$agent" -platform file -stage "$1" -root "$root" -log-to-stdout -config-cache "$work/cache" \
        -state-file "$work/state" -neednet "$work/neednet" >>"$work/log" 2>&1 </dev/null || rc=$?
    echo "$1 $rc" >>"$work/stages"
    return "$rc"
}

failed=0
for name in "$@"; do
    case $name in
    # The fetch unit is skipped when fetch-offline has left a config.
    fetch) if [ -e "$work/cache" ]; then continue; fi ;;
    # Its unit undoes the mounts of a failed boot, too.
    umount) stage umount || failed=1; continue ;;
    esac
    if [ "$failed" = 0 ]; then
        stage "$name" || failed=1
    fi
done
