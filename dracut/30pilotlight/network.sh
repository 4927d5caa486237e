#!/bin/sh
# Brings the initramfs network up for the fetch stage, and takes it down before the real root starts.
# Words of the kernel command line are never patterns.
set -euf

# Tests have their own.
networks=${PILOTLIGHT_NETWORKS:-/run/systemd/network}
netif=${PILOTLIGHT_NETIF:-/run/systemd/netif}
resolv_conf=${PILOTLIGHT_RESOLV_CONF:-/etc/resolv.conf}
cmdline_file=${PILOTLIGHT_CMDLINE:-/proc/cmdline}
pilotlight=${PILOTLIGHT_BIN:-/usr/bin/pilotlight}
generator=${PILOTLIGHT_GENERATOR:-/lib/systemd/systemd-network-generator}

# The words of the kernel command line, one a line: the program alone takes it apart, as the kernel does, where
# quotation marks hold blanks together.
words() {
    "$pilotlight" detect --words --cmdline "$cmdline_file"
    wanted
}

# Words that the hypervisor has for this machine (VMware's guestinfo.afterburn.initrd.network-kargs), where the command
# line itself says nothing of addresses.
wanted() {
    "$pilotlight" detect --network-kargs --cmdline "$cmdline_file"
}

# The entries of a directory that a pattern fits, one a line: the only place where patterns are expanded. It
# runs in a subshell, $(entries ...).
entries() {
    set +f
    for entry in "$1"/$2; do
        case $entry in
            *[[:space:]]*) ;;
            *) [ ! -e "$entry" ] || printf '%s\n' "$entry" ;;
        esac
    done
}

# Whether the kernel takes it for the name of an interface (dev_valid_name): then it may become part of a path.
is_interface() {
    case $1 in
        '' | . | .. | */* | *:* | *[[:space:]]*) return 1 ;;
    esac
    [ ${#1} -le 15 ]
}

say() {
    printf '%s\n' "$*"
}

up() {
    if ! systemctl cat systemd-networkd.service > /dev/null 2>&1; then
        say "no systemd-networkd here: the distribution brings the network up itself"
        return
    fi
    arguments
    systemctl start systemd-networkd.service
    # Not fatal: the fetch stage retries, and says on the console what it waits for. An address that leads
    # out is waited for, of either version of IP: link-local ones, such as those below a VLAN, lead nowhere.
    /lib/systemd/systemd-networkd-wait-online --any --operational-state=routable --timeout=60 || {
        say "no network interface is configured yet, going on"
        missing
    }
    if ! systemctl start systemd-resolved.service 2> /dev/null; then
        resolver
        # The servers of a second interface, or of a slower version of IP, come later.
        systemctl start pilotlight-resolver.path || :
    else
        ln -sf /run/systemd/resolve/resolv.conf "$resolv_conf"
    fi
}

# What the kernel command line says of the network becomes networkd's files, which sort before ours.
arguments() {
    systemctl start systemd-network-generator.service || {
        reason=$(journalctl --boot --unit=systemd-network-generator.service --priority=err --output=cat --lines=1)
        refuse "${reason:-systemd-network-generator failed}"
    }
    wanted=$(wanted)
    if [ -n "$wanted" ]; then
        # The service reads the kernel's own line alone.
        (
            IFS='
'
            # shellcheck disable=SC2086 # One word a line, and none is a pattern.
            "$generator" -- $wanted
        ) || refuse "systemd-network-generator does not take the hypervisor's $wanted"
    fi
    supplement
    if [ -n "$(entries "$networks" '*.link')" ]; then
        # ifname=: udev has named the interfaces already.
        udevadm control --reload
        udevadm trigger --action=add --subsystem-match=net
        # Not trigger --settle: that waits for the old name for ever.
        udevadm settle --timeout=30 || :
    fi
}

# Interfaces that the kernel command line names and the machine has not.
missing() {
    for file in $(entries "$networks" '*.network'); do
        interface=$(sed -n 's/^Name=//p' "$file" 2> /dev/null || :)
        if is_interface "$interface" && ! [ -e "/sys/class/net/$interface" ]; then
            there=$(entries /sys/class/net '*' | sed 's,.*/,,' | tr '\n' ' ')
            printf '<3>pilotlight: the kernel command line names the network interface %s, but there are %s\n' \
                "$interface" "${there% }" > /dev/kmsg
        fi
    done
}

# The machine would ask another network than it was told to.
refuse() {
    say "the kernel command line sets up a network that cannot be had: $1" >&2
    say "correct ip=, nameserver=, rd.route=, vlan=, bond=, bridge= or ifname= in the boot loader, see man systemd-network-generator" >&2
    exit 1
}

# What systemd-network-generator leaves out in silence.
supplement() {
    words=$(words)
    while IFS= read -r word; do
        case $word in
            bond=*:*:*) bond_options "${word#bond=}" ;;
            ip=ibft | ip=*:ibft | ip=*:ibft:*) refuse "$word: there is no support for iBFT, name the address itself" ;;
            team=*) refuse "$word: there is no support for teams, use bond=" ;;
        esac
    done << END
$words
END
    # A file that came of nameserver= or rd.route= alone would switch DHCP off; what carries a VLAN or is
    # part of a bond has no address of its own.
    for file in $(entries "$networks" '*.network'); do
        if [ -s "$file" ] && ! grep -qE '^(DHCP|VLAN|Bond|Bridge)=' "$file"; then
            extend "$file" '[Network]
DHCP=yes'
        fi
    done
    # As with dracut, only what it names is configured where it names anything.
    if [ -n "$(entries "$networks" '*.network')" ]; then
        ln -sf /dev/null "$networks/zz-pilotlight.network"
    fi
}

# A drop-in of a file of the generator's.
extend() {
    mkdir -p "$1.d"
    printf '%s\n' "$2" >> "$1.d/pilotlight.conf"
}

# NAME:MEMBERS:OPTIONS[:MTU], see dracut.cmdline(7) and the kernel's Documentation/networking/bonding.rst.
bond_options() {
    name=${1%%:*}
    is_interface "$name" || refuse "bond=$1: $name cannot be the name of a network interface"
    rest=${1#*:*:}
    lines='[Bond]'
    for option in $(say "${rest%%:*}" | tr , ' '); do
        value=${option#*=}
        case $option in
            mode=[0-6]) key=Mode value=$(bond_mode "$value") ;;
            mode=*) key=Mode ;;
            miimon=*) key=MIIMonitorSec value=${value}ms ;;
            updelay=*) key=UpDelaySec value=${value}ms ;;
            downdelay=*) key=DownDelaySec value=${value}ms ;;
            lacp_rate=0) key=LACPTransmitRate value=slow ;;
            lacp_rate=1) key=LACPTransmitRate value=fast ;;
            lacp_rate=*) key=LACPTransmitRate ;;
            xmit_hash_policy=*) key=TransmitHashPolicy ;;
            fail_over_mac=*) key=FailOverMACPolicy ;;
            min_links=*) key=MinLinks ;;
            *) refuse "bond=$1: the option $option is not known" ;;
        esac
        lines="$lines
$key=$value"
    done
    for file in $(entries "$networks" '*.netdev'); do
        base=${file##*/}
        if [ "${base#*-}" = "$name.netdev" ]; then
            extend "$file" "$lines"
        fi
    done
    case $rest in
        *:?*) say "bond=$1: set the MTU ${rest#*:} by ip=$name:dhcp:MTU" ;;
    esac
}

bond_mode() {
    set -- "$1" balance-rr active-backup balance-xor broadcast 802.3ad balance-tlb balance-alb
    shift "$(($1 + 1))"
    say "$1"
}

# Of the links, as networkd's own summary leaves out what came by router advertisement.
resolver() {
    for file in $(entries "$netif/links" '*'); do
        for server in $(sed -n 's/^DNS=//p' "$file" 2> /dev/null); do
            case $server in
                fe80:*%*) ;;
                # Of this link alone.
                fe80:*) server=$server%$(interface "${file##*/}") ;;
            esac
            say "nameserver ${server%%#*}"
        done
    done > "$resolv_conf.new"
    mv "$resolv_conf.new" "$resolv_conf"
}

# The name of the interface of an index.
interface() {
    for link in $(entries /sys/class/net '*'); do
        # bonding_masters is a file.
        if [ -e "$link/ifindex" ] && [ "$(cat "$link/ifindex")" = "$1" ]; then
            say "${link##*/}"
        fi
    done
}

# True when the root file system itself came over the network and must keep it.
root_needs_network() {
    words=$(words)
    while IFS= read -r word; do
        case $word in
            rd.neednet=1 | root=/dev/nfs | root=nfs* | root=iscsi:* | netroot=*) return 0 ;;
        esac
    done << END
$words
END
    return 1
}

down() {
    if root_needs_network; then
        return
    fi
    systemctl stop pilotlight-resolver.path systemd-networkd.socket systemd-networkd.service systemd-resolved.service 2> /dev/null || :
    # The real root's network configuration starts from links without a trace of ours.
    for link in $(entries /sys/class/net '*'); do
        link=${link##*/}
        if [ "$link" = lo ] || ! [ -e "/sys/class/net/$link/ifindex" ]; then
            continue
        fi
        ip address flush dev "$link" || :
        ip link set dev "$link" down || :
        # VLANs, bonds and bridges have no device.
        if [ -e "/sys/class/net/$link" ] && ! [ -e "/sys/class/net/$link/device" ]; then
            ip link delete dev "$link" || :
        fi
    done
    rm -rf "$netif" "$networks/zz-pilotlight.network"
    for directory in $(entries "$networks" '*.d'); do
        rm -f "$directory/pilotlight.conf"
    done
    # Its own generator refuses to start where these are.
    for file in $(entries "$networks" '*'); do
        if [ -f "$file" ] && grep -q systemd-network-generator "$file"; then
            rm "$file"
        fi
    done
}

"$1"
