#!/bin/sh
# Brings the initramfs network up for the fetch stage, and takes it down before the real root starts.
set -eu

up() {
    if ! systemctl cat systemd-networkd.service > /dev/null 2>&1; then
        echo "no systemd-networkd here: the distribution brings the network up itself"
        return
    fi
    # ip=, nameserver=, vlan= of the kernel command line become networkd's files; they sort before ours.
    systemctl start systemd-network-generator.service || :
    systemctl start systemd-networkd.service
    # Not fatal: the fetch stage retries, and says on the console what it waits for.
    /lib/systemd/systemd-networkd-wait-online --any --timeout=60 ||
        echo "no network interface is configured yet, going on"
    resolver
}

resolver() {
    if systemctl start systemd-resolved.service 2> /dev/null; then
        ln -sf /run/systemd/resolve/resolv.conf /etc/resolv.conf
    else
        sed -n '/^DNS=./{ s/^DNS=//; s/  */\nnameserver /g; s/^/nameserver /; p; }' /run/systemd/netif/state > /etc/resolv.conf
    fi
}

# True when the root file system itself came over the network and must keep it.
root_needs_network() {
    case " $(cat /proc/cmdline) " in
        *' rd.neednet=1 '* | *' root=/dev/nfs '* | *' root=nfs'* | *' root=iscsi:'* | *' netroot='*) return 0 ;;
    esac
    return 1
}

down() {
    if root_needs_network; then
        return
    fi
    systemctl stop systemd-networkd.socket systemd-networkd.service systemd-resolved.service 2> /dev/null || :
    # The real root's network configuration starts from links without a trace of ours.
    for link in /sys/class/net/*; do
        link=${link##*/}
        if [ "$link" != lo ]; then
            ip address flush dev "$link" || :
            ip link set dev "$link" down || :
        fi
    done
}

"$1"
