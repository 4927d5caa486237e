//! What is taken of a VMware machine's document, and what is left out.

use crate::network_rows::{check, golden};
use crate::vmware_network::{Switches, desired, networkd_units};

pub(crate) const MACHINE: &str = "instance-id: vm-3
local-hostname: vm-3
network:
  version: 2
  ethernets:
    inside:
      match:
        macaddress: 00:50:56:00:00:01
      set-name: eth0
      dhcp4: false
      mtu: 1400
      addresses:
      - 192.0.2.30/24
      - 2001:db8:50::30/64
      gateway4: 192.0.2.1
      routes:
      - to: 198.51.100.0/24
        via: 192.0.2.2
        metric: 50
      - to: default
        via: 2001:db8:50::1
      nameservers:
        addresses: [192.0.2.53]
        search: [cloud.example]
    outside:
      match: {macaddress: '00:50:56:00:00:02'}
      dhcp4: true
      dhcp6: yes
";

const WANTED: [&str; 6] = [
    "00:50:56:00:00:01 mtu 1400",
    "00:50:56:00:00:01 192.0.2.30/24",
    "00:50:56:00:00:01 2001:db8:50::30/64",
    "00:50:56:00:00:01 0.0.0.0/0 via 192.0.2.1",
    "00:50:56:00:00:01 198.51.100.0/24 via 192.0.2.2 metric 50",
    "00:50:56:00:00:01 ::/0 via 2001:db8:50::1",
];

#[test]
fn documents_and_what_becomes_of_them() {
    let with = |from: &str, to: &str| {
        assert!(MACHINE.contains(from), "{from:?}");
        MACHINE.replace(from, to)
    };
    // {"version":2,"ethernets":{"a":{"match":{"macaddress":"00:50:56:00:00:01"},"addresses":["192.0.2.30/24"]}}}
    let encoded = "eyJ2ZXJzaW9uIjoyLCJldGhlcm5ldHMiOnsiYSI6eyJtYXRjaCI6eyJtYWNhZGRyZXNzIjoiMDA6NTA6NTY6MDA6MDA6MDEi\
        fSwiYWRkcmVzc2VzIjpbIjE5Mi4wLjIuMzAvMjQiXX19fQ==";
    let some = |place: &str, why: &str| format!("network/{place}: {why}");
    let unknown = some("bonds", "only Ethernet interfaces are known");
    let no_network = some(
        "ethernets/inside/addresses/0",
        "it is no address with its network",
    );
    let other = some(
        "ethernets/inside/gateway4",
        "it is of the other version of IP",
    );
    let parts = some("ethernets/inside/routes/0", "its parts do not fit together");
    let twice = some(
        "ethernets/outside",
        "another interface has the same address",
    );
    let truth = some("ethernets/inside/dhcp4", "it is no boolean");
    let table: [(&str, String, &[&str], &[&str]); 14] = [
        ("all of it", MACHINE.into(), &WANTED, &[]),
        (
            "encoded",
            format!("network.encoding: base64\nnetwork: {encoded}\n"),
            &WANTED[1..2],
            &[],
        ),
        (
            "a file that has it",
            "{network: {network: {version: 2, ethernets: {a: {match: {macaddress: \
            '00:50:56:00:00:01'}, addresses: [192.0.2.30/24]}}}}}"
                .into(),
            &WANTED[1..2],
            &[],
        ),
        (
            "encoded in an unknown way",
            format!("network.encoding: rot13\nnetwork: {encoded}\n"),
            &[],
            &["network: it cannot be decoded"],
        ),
        (
            "no network",
            "instance-id: vm-3\n".into(),
            &[],
            &["guestinfo.metadata: it has no \"network\""],
        ),
        (
            "another version",
            with("version: 2", "version: 1"),
            &[],
            &["network/version: no other version than 2 is known"],
        ),
        (
            "a bond",
            with("  version: 2\n", "  version: 2\n  bonds: {a: {}}\n"),
            &WANTED,
            &[&unknown],
        ),
        (
            "an interface by its name",
            with(
                "        macaddress: 00:50:56:00:00:01\n",
                "        name: en*\n",
            ),
            &[],
            &["network/ethernets/inside/match: it has no \"macaddress\""],
        ),
        (
            "the same interface twice",
            with("00:50:56:00:00:02", "00:50:56:00:00:01"),
            &WANTED,
            &[&twice],
        ),
        (
            "an address without its network",
            with("192.0.2.30/24", "192.0.2.30"),
            &[
                WANTED[0],
                WANTED[2],
                "00:50:56:00:00:01 0.0.0.0/0 via 192.0.2.1 onlink",
                "00:50:56:00:00:01 198.51.100.0/24 via 192.0.2.2 metric 50 onlink",
                WANTED[5],
            ],
            &[&no_network],
        ),
        (
            "a router of the other version",
            with("gateway4: 192.0.2.1", "gateway4: fe80::1"),
            &[WANTED[0], WANTED[1], WANTED[2], WANTED[4], WANTED[5]],
            &[&other],
        ),
        (
            "a route to nowhere",
            with("to: 198.51.100.0/24", "to: elsewhere"),
            &[WANTED[0], WANTED[1], WANTED[2], WANTED[3], WANTED[5]],
            &[&parts],
        ),
        (
            "a boolean that is none",
            with("dhcp4: false", "dhcp4: perhaps"),
            &WANTED,
            &[&truth],
        ),
        (
            "nothing at all",
            String::new(),
            &[],
            &[
                "guestinfo.metadata: it is no object",
                "guestinfo.metadata: it has no \"network\"",
            ],
        ),
    ];
    for (what, document, wanted, left_out) in table {
        check(
            what,
            &desired(&document, &Switches::default()),
            wanted,
            left_out,
        );
    }
}

#[test]
fn units_have_all_of_it() {
    golden("vmware", networkd_units(MACHINE));
}
