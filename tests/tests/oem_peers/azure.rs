//! Azure: cloud-init 22.4, which Debian 12 has: what it makes of the instance metadata service's interfaces. Its function is
//! called on the same JSON; it needs no machine.
//!
//! The other side is what `azure_network` of the providers makes of it, whose lines stand here as data.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::machine::peer;
use crate::side_by_side::{Named, Only, State, all_of, expected};

const FIRST: &str = "00:22:48:00:00:01";
const SECOND: &str = "00:22:48:00:00:02";

const ONE: &str = "one interface with two addresses";
const TWO: &str = "two interfaces, the second with IPv6";
const NO_SUBNET: &str = "IPv6 addresses without a subnet";
const NO_ADDRESS: &str = "a second interface without an address";
const ELSEWHERE: &str = "a second address that is in the second of the subnets";
const TIMES: [&str; 5] = [ONE, TWO, NO_SUBNET, NO_ADDRESS, ELSEWHERE];

const BY_DHCP: &str = "whoever runs DHCP has its metrics: on Flatcar the units of networkd";
const NAME: &str = "a link keeps the name that udev gives it";
const REPLIES: &str = "a virtual network drops what comes from another interface's address: a metric leads all of it to the \
                       first interface";
const SERVICES: &str = "the platform answers at these addresses by the primary interface alone";
const RAISES: &str = "a network without a subnet's length is no network for theirs, which ends with a KeyError; ours takes \
                      the address alone";
const OWN_SUBNET: &str = "theirs gives every address the length of the first subnet";

/// How the two differ. Where nothing is named, they want the same.
const NAMED: &[Named] = &[
    (
        &[ONE, TWO, NO_ADDRESS, ELSEWHERE],
        Only::Peer,
        "00:22:48:00:00:01 dhcp4 metric 100",
        BY_DHCP,
    ),
    (
        &[ONE, TWO, NO_ADDRESS, ELSEWHERE],
        Only::Peer,
        "00:22:48:00:00:01 name eth0",
        NAME,
    ),
    (
        &[TWO],
        Only::Peer,
        "00:22:48:00:00:02 dhcp4 metric 200",
        BY_DHCP,
    ),
    (
        &[TWO],
        Only::Peer,
        "00:22:48:00:00:02 dhcp6 metric 200",
        BY_DHCP,
    ),
    (&[TWO], Only::Peer, "00:22:48:00:00:02 name eth1", NAME),
    (
        &[TWO, NO_ADDRESS],
        Only::Ours,
        "00:22:48:00:00:01 168.63.129.16/32 via 10.1.0.1 metric 0",
        SERVICES,
    ),
    (
        &[TWO, NO_ADDRESS],
        Only::Ours,
        "00:22:48:00:00:01 169.254.169.254/32 via 10.1.0.1 metric 0",
        SERVICES,
    ),
    (
        &[TWO],
        Only::Ours,
        "00:22:48:00:00:02 0.0.0.0/0 via 10.1.2.1 table 17601",
        REPLIES,
    ),
    (
        &[TWO],
        Only::Ours,
        "00:22:48:00:00:02 10.1.2.0/26 table 17601",
        REPLIES,
    ),
    (
        &[TWO],
        Only::Ours,
        "00:22:48:00:00:02 ::/0 via fe80::1 table 17601",
        REPLIES,
    ),
    (
        &[TWO],
        Only::Ours,
        "00:22:48:00:00:02 rule 17601 from 10.1.2.4/32 table 17601",
        REPLIES,
    ),
    (
        &[TWO],
        Only::Ours,
        "00:22:48:00:00:02 rule 17601 from 10.1.2.9/32 table 17601",
        REPLIES,
    ),
    (
        &[TWO],
        Only::Ours,
        "00:22:48:00:00:02 rule 17601 from fd00:1:2::4/128 table 17601",
        REPLIES,
    ),
    (
        &[TWO],
        Only::Ours,
        "00:22:48:00:00:02 rule 17601 from fd00:1:2::5/128 table 17601",
        REPLIES,
    ),
    (&[NO_SUBNET], Only::Peer, "KeyError: 'subnet'", RAISES),
    (
        &[NO_SUBNET],
        Only::Ours,
        "00:22:48:00:00:01 10.1.0.5/24",
        RAISES,
    ),
    (
        &[NO_SUBNET],
        Only::Ours,
        "00:22:48:00:00:01 fd00:1::5/128",
        RAISES,
    ),
    (
        &[ELSEWHERE],
        Only::Peer,
        "00:22:48:00:00:01 10.9.0.5/24",
        OWN_SUBNET,
    ),
    (
        &[ELSEWHERE],
        Only::Ours,
        "00:22:48:00:00:01 10.9.0.5/16",
        OWN_SUBNET,
    ),
];

/// What the service says, and what ours wants then.
fn cases() -> [(&'static str, Value, &'static [&'static str]); 5] {
    let usual = || nic(FIRST, &[("10.1.0.0", "24")], &["10.1.0.4", "10.1.0.5"]);
    let mut second = nic(SECOND, &[("10.1.2.0", "26")], &["10.1.2.4", "10.1.2.9"]);
    second["ipv6"] = json!({
        "ipAddress": [{ "privateIpAddress": "fd00:1:2::4" }, { "privateIpAddress": "fd00:1:2::5" }],
        "subnet": [{ "address": "fd00:1:2::", "prefix": "64" }],
    });
    let mut no_subnet = usual();
    no_subnet["ipv6"] = json!({
        "ipAddress": [{ "privateIpAddress": "fd00:1::4" }, { "privateIpAddress": "fd00:1::5" }],
    });
    let subnets = [("10.1.0.0", "24"), ("10.9.0.0", "16")];
    let elsewhere = nic(FIRST, &subnets, &["10.1.0.4", "10.9.0.5"]);
    [
        (ONE, json!([usual()]), &["00:22:48:00:00:01 10.1.0.5/24"]),
        (
            TWO,
            json!([usual(), second]),
            &[
                "00:22:48:00:00:01 10.1.0.5/24",
                "00:22:48:00:00:01 168.63.129.16/32 via 10.1.0.1 metric 0",
                "00:22:48:00:00:01 169.254.169.254/32 via 10.1.0.1 metric 0",
                "00:22:48:00:00:02 10.1.2.9/26",
                "00:22:48:00:00:02 fd00:1:2::5/64",
                "00:22:48:00:00:02 0.0.0.0/0 via 10.1.2.1 table 17601",
                "00:22:48:00:00:02 10.1.2.0/26 table 17601",
                "00:22:48:00:00:02 ::/0 via fe80::1 table 17601",
                "00:22:48:00:00:02 rule 17601 from 10.1.2.4/32 table 17601",
                "00:22:48:00:00:02 rule 17601 from 10.1.2.9/32 table 17601",
                "00:22:48:00:00:02 rule 17601 from fd00:1:2::4/128 table 17601",
                "00:22:48:00:00:02 rule 17601 from fd00:1:2::5/128 table 17601",
            ],
        ),
        (
            NO_SUBNET,
            json!([no_subnet]),
            &[
                "00:22:48:00:00:01 10.1.0.5/24",
                "00:22:48:00:00:01 fd00:1::5/128",
            ],
        ),
        (
            NO_ADDRESS,
            json!([usual(), nic(SECOND, &[], &[])]),
            &[
                "00:22:48:00:00:01 10.1.0.5/24",
                "00:22:48:00:00:01 168.63.129.16/32 via 10.1.0.1 metric 0",
                "00:22:48:00:00:01 169.254.169.254/32 via 10.1.0.1 metric 0",
            ],
        ),
        (
            ELSEWHERE,
            json!([elsewhere]),
            &["00:22:48:00:00:01 10.9.0.5/16"],
        ),
    ]
}

fn nic(mac: &str, subnets: &[(&str, &str)], ips: &[&str]) -> Value {
    let ips = ips
        .iter()
        .map(|ip| json!({ "privateIpAddress": ip, "publicIpAddress": "" }));
    let subnets = subnets
        .iter()
        .map(|(address, bits)| json!({ "address": address, "prefix": bits }));
    json!({
        "macAddress": mac.replace(':', ""),
        "ipv4": { "ipAddress": ips.collect::<Value>(), "subnet": subnets.collect::<Value>() },
        "ipv6": { "ipAddress": [] },
    })
}

const PYTHON: &str = "import json, sys
from cloudinit.sources.DataSourceAzure import generate_network_config_from_instance_network_metadata as config
try:
    print(json.dumps(config({'interface': json.load(sys.stdin)})))
except Exception as error:
    print(json.dumps(type(error).__name__ + ': ' + str(error)))
";

/// What cloud-init wants, one thing a line.
fn theirs(interfaces: &Value) -> State {
    let modules = peer("cloud-init").join("usr/lib/python3/dist-packages");
    let mut python = Command::new("/usr/bin/python3")
        .args(["-c", PYTHON])
        .env("PYTHONPATH", modules)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = python.stdin.take().unwrap();
    input.write_all(interfaces.to_string().as_bytes()).unwrap();
    drop(input);
    let output = python.wait_with_output().unwrap();
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    if let Value::String(error) = said {
        return [error].into();
    }
    let mut all = State::new();
    for (name, link) in said["ethernets"].as_object().unwrap() {
        let mac = link["match"]["macaddress"].as_str().unwrap();
        assert_eq!(link["set-name"], *name);
        all.insert(format!("{mac} name {name}"));
        for family in ["dhcp4", "dhcp6"] {
            if link[family] == true {
                let metric = &link[format!("{family}-overrides")]["route-metric"];
                all.insert(format!("{mac} {family} metric {metric}"));
            }
        }
        for address in link["addresses"].as_array().into_iter().flatten() {
            all.insert(format!("{mac} {}", address.as_str().unwrap()));
        }
    }
    all
}

#[test]
#[ignore = "needs cloud-init: make peers"]
fn interfaces_of_the_metadata() {
    all_of(&TIMES, NAMED);
    for (what, interfaces, ours) in cases() {
        let ours: State = ours.iter().map(ToString::to_string).collect();
        assert_eq!(ours, expected(what, &theirs(&interfaces), NAMED), "{what}");
    }
}
