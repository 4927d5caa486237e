//! That systemd-networkd takes the units that providers/testdata has of Equinix's metadata, without a word of
//! complaint, and makes of them the network that they mean: in a guest, whose kernel has bonds, with a switch at
//! the other end of the cables.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs::{self, File};
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};
use pilotlight_tests::tool;
use pilotlight_tests::uml::Guest;

const UNITS: &str = "/etc/systemd/network";
/// A unit with a mistake, so that each log shows that mistakes would be seen.
const CONTROL: &str = "[Match]\nName=none\n\n[Network]\nNonsense=yes\n";
const LOG: &str = "/run/networkd.log";
const SOON: Duration = Duration::from_secs(30);

/// Runs several of ip's commands as one program: each costs a tenth of a second here.
fn ip(flags: &str, lines: &[String]) {
    let mut child = Command::new("ip")
        .args(flags.split_whitespace())
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let text = lines.join("\n") + "\n";
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    assert!(child.wait().unwrap().success(), "ip {flags}: {text}");
}

/// Waits for a text that something has to show.
fn shows(what: &str, wanted: &[&str], read: impl Fn() -> String) {
    let begun = Instant::now();
    loop {
        let text = read();
        let missing: Vec<_> = wanted
            .iter()
            .filter(|part| !text.contains(**part))
            .collect();
        if missing.is_empty() {
            return;
        }
        assert!(
            begun.elapsed() < SOON,
            "{what} has no {missing:?}:\n{text}\n{}",
            log()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn log() -> String {
    fs::read_to_string(LOG).unwrap_or_default()
}

fn bond(name: &str) -> String {
    fs::read_to_string(format!("/proc/net/bonding/{name}")).unwrap_or_default()
}

/// `ADDRESS/PREFIX` of all addresses but those that every interface gives itself, sorted.
fn addresses(interface: &str) -> Vec<String> {
    let shown = tool(&format!("ip -o address show dev {interface}"));
    let mut list: Vec<String> = shown
        .lines()
        .map(|line| line.split_whitespace().nth(3).unwrap().to_string())
        .filter(|address| !address.starts_with("fe80:"))
        .collect();
    list.sort();
    list
}

fn master(interface: &str) -> Option<String> {
    let link = fs::read_link(format!("/sys/class/net/{interface}/master")).ok()?;
    Some(link.file_name().unwrap().to_str().unwrap().to_string())
}

/// systemd-networkd at work on the units of a golden file, on cables p1, p2, … whose MAC addresses end so.
struct Network {
    cables: u8,
    bonds: &'static [&'static str],
    networkd: Child,
}

impl Network {
    fn start(case: &str, cables: u8, bonds: &'static [&'static str]) -> Self {
        let _ = fs::remove_dir_all(UNITS);
        fs::create_dir_all(UNITS).unwrap();
        let source = format!(
            "{}/../providers/testdata/networkd-{case}.txt",
            env!("CARGO_MANIFEST_DIR")
        );
        for unit in fs::read_to_string(source).unwrap().split("=== ").skip(1) {
            let (name, text) = unit.split_once('\n').unwrap();
            fs::write(format!("{UNITS}/{name}"), text).unwrap();
        }
        fs::write(format!("{UNITS}/90-control.network"), CONTROL).unwrap();
        let cable = |at| {
            format!(
                "link add p{at} address 0c:42:a1:00:00:0{at} type veth peer name s{at} netns switch"
            )
        };
        ip("", &(1..=cables).map(cable).collect::<Vec<_>>());
        let up = |at| format!("link set s{at} up");
        ip("-n switch", &(1..=cables).map(up).collect::<Vec<_>>());
        tool("udevadm settle");
        // As systemd-networkd.service makes it, and as a node finds it.
        let _ = fs::remove_dir_all("/run/systemd/netif");
        fs::create_dir_all("/run/systemd/netif/links").unwrap();
        tool("chown -R systemd-network:systemd-network /run/systemd/netif");
        let output = File::create(LOG).unwrap();
        let networkd = Command::new("/lib/systemd/systemd-networkd")
            .env("SYSTEMD_LOG_TARGET", "console")
            .env("SYSTEMD_LOG_LEVEL", "info")
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        Self {
            cables,
            bonds,
            networkd,
        }
    }

    /// Waits as a node's network-online.target does.
    fn online(&self) {
        let output = Command::new("/lib/systemd/systemd-networkd-wait-online")
            .arg("--timeout=60")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() {
            panic!("{said}\n{}\n{}", tool("ip address"), log());
        }
    }

    /// No port was configured twice, which would cost its carrier. Everything is as the units say: nothing was complained of but the unit that is there for it.
    fn end(mut self) {
        let log = log();
        assert!(
            log.contains("90-control.network:5: Unknown key"),
            "the control is not seen: {log}"
        );
        let complaints: Vec<&str> = log
            .lines()
            .filter(|line| !line.contains("90-control"))
            .filter(|line| {
                let words = [
                    "Unknown",
                    "nvalid",
                    "ailed",
                    "gnoring",
                    "refus",
                    "annot",
                    "Could not",
                ];
                line.contains("70-pilotlight-") && line.contains(".network:")
                    || line.contains(".netdev:")
                    || words.iter().any(|word| line.contains(word))
            })
            .collect();
        assert!(complaints.is_empty(), "{complaints:#?}\n{log}");
        self.networkd.kill().unwrap();
        self.networkd.wait().unwrap();
        let gone = |name: String| format!("link delete {name}");
        let bonds = self.bonds.iter().map(|bond| gone(bond.to_string()));
        let cables = (1..=self.cables).map(|at| gone(format!("p{at}")));
        ip("", &bonds.chain(cables).collect::<Vec<_>>());
    }
}

/// Something that answers in the switch's namespace; gives the address that it was asked from.
fn answers_at(address: &str) -> IpAddr {
    let target = SocketAddr::new(address.parse().unwrap(), 7);
    let listener = std::thread::spawn(move || {
        let switch = File::open("/run/netns/switch").unwrap();
        setns(switch, CloneFlags::CLONE_NEWNET).unwrap();
        TcpListener::bind(target).unwrap()
    })
    .join()
    .unwrap();
    // Ports carry nothing until both ends have agreed on them.
    let begun = Instant::now();
    let _asking = loop {
        match TcpStream::connect_timeout(&target, SOON) {
            Ok(asking) => break asking,
            Err(error) if begun.elapsed() > SOON => {
                panic!("{address}: {error}\n{}\n{}", tool("ip route"), log())
            }
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    listener.accept().unwrap().1.ip()
}

#[test]
fn networkd_makes_the_network_of_the_units() {
    Guest::with_udev().boot(|| {
        tool("ip netns add switch");
        tool("ip -n switch link set lo up");
        two_ports_agree_with_the_switch_and_reach_all_networks();
        several_bonds_have_their_own_ports();
        a_single_port_has_the_addresses();
        one_version_of_ip_is_enough();
        layer_2_is_online_without_addresses();
        hostile_metadata_are_a_network_all_the_same();
    });
}

fn two_ports_agree_with_the_switch_and_reach_all_networks() {
    let network = Network::start("bond", 2, &["bond0"]);
    let mut lines =
        vec!["link add trunk type bond mode 802.3ad lacp_rate fast miimon 100".to_string()];
    for at in 1..=2 {
        lines.push(format!("link set s{at} down"));
        lines.push(format!("link set s{at} master trunk"));
    }
    lines.push("link set trunk up".into());
    for (address, device) in [
        ("198.51.100.2/31", "trunk"),
        ("10.70.1.2/31", "trunk"),
        ("2001:db8:5::2/127", "trunk"),
        ("192.0.2.80/32", "lo"),
        ("10.99.0.80/32", "lo"),
        ("2001:db8:99::80/128", "lo"),
    ] {
        let flags = if address.contains("::") { "nodad" } else { "" };
        lines.push(format!("address add {address} dev {device} {flags}"));
    }
    ip("-n switch", &lines);
    network.online();
    let partner = tool("ip netns exec switch cat /sys/class/net/trunk/address");
    shows(
        "bond0",
        &[
            "Bonding Mode: IEEE 802.3ad Dynamic link aggregation",
            "Transmit Hash Policy: layer3+4 (1)",
            "MII Polling Interval (ms): 100",
            "Up Delay (ms): 200",
            "Down Delay (ms): 200",
            "LACP rate: fast",
            "System MAC address: 0c:42:a1:00:00:01",
            "Number of ports: 2",
            &format!("Partner Mac Address: {partner}"),
            "Slave Interface: p1",
            "Slave Interface: p2",
        ],
        || bond("bond0"),
    );
    let all = ["10.70.1.3/31", "198.51.100.3/31", "2001:db8:5::3/127"];
    assert_eq!(addresses("bond0"), all);
    assert_eq!((addresses("p1"), addresses("p2")), (vec![], vec![]));
    let routes = tool("ip route");
    assert!(
        routes.contains("default via 198.51.100.2 dev bond0 proto static"),
        "{routes}"
    );
    assert!(
        routes.contains("10.0.0.0/8 via 10.70.1.2 dev bond0 proto static"),
        "{routes}"
    );
    let routes = tool("ip -6 route");
    assert!(
        routes.contains("default via 2001:db8:5::2 dev bond0 proto static"),
        "{routes}"
    );
    for (far, own) in [
        ("192.0.2.80", "198.51.100.3"),
        ("10.99.0.80", "10.70.1.3"),
        ("2001:db8:99::80", "2001:db8:5::3"),
    ] {
        assert_eq!(answers_at(far), own.parse::<IpAddr>().unwrap(), "{far}");
    }
    let links = fs::read_dir("/run/systemd/netif/links").unwrap();
    let texts = links.map(|link| fs::read_to_string(link.unwrap().path()).unwrap());
    let told: String = texts.collect();
    assert!(told.contains("DNS=192.0.2.53 2001:db8:53::53"), "{told}");
    network.end();
    tool("ip -n switch link delete trunk");
}

fn several_bonds_have_their_own_ports() {
    let network = Network::start("several-bonds", 5, &["bond0", "bond1"]);
    network.online();
    for (name, first) in [("bond0", "p1"), ("bond1", "p2")] {
        shows(
            name,
            &[
                "Bonding Mode: fault-tolerance (active-backup)",
                &format!("Slave Interface: {first}"),
            ],
            || bond(name),
        );
    }
    for (port, expected) in [
        ("p1", Some("bond0")),
        ("p2", Some("bond1")),
        ("p3", Some("bond0")),
        ("p4", Some("bond1")),
        ("p5", None),
    ] {
        shows("ports", &[&format!("{expected:?}")], || {
            format!("{:?}", master(port).as_deref())
        });
    }
    assert_eq!(addresses("bond0").len(), 3);
    assert_eq!((addresses("bond1"), addresses("p5")), (vec![], vec![]));
    // Nobody has even switched it on.
    assert_eq!(
        fs::read_to_string("/sys/class/net/p5/operstate").unwrap(),
        "down\n"
    );
    network.end();
}

fn a_single_port_has_the_addresses() {
    let network = Network::start("single", 2, &[]);
    network.online();
    let all = ["10.70.1.3/31", "198.51.100.3/31", "2001:db8:5::3/127"];
    assert_eq!(addresses("p1"), all);
    assert!(tool("ip route").contains("default via 198.51.100.2 dev p1 proto static"));
    network.end();
}

fn one_version_of_ip_is_enough() {
    let network = Network::start("ipv6", 1, &["bond0"]);
    network.online();
    assert_eq!(addresses("bond0"), ["2001:db8:5::3/64"]);
    assert!(bond("bond0").contains("Bonding Mode: transmit load balancing"));
    let routes = tool("ip -6 route");
    assert!(
        routes.contains("default via fe80::1 dev bond0 proto static"),
        "{routes}"
    );
    assert_eq!(tool("ip route"), "");
    network.end();
}

fn layer_2_is_online_without_addresses() {
    let network = Network::start("layer-2", 2, &["bond0"]);
    network.online();
    shows(
        "bond0",
        &["802.3ad", "Slave Interface: p1", "Slave Interface: p2"],
        || bond("bond0"),
    );
    assert!(addresses("bond0").is_empty());
    assert_eq!(tool("ip route"), "");
    network.end();
}

fn hostile_metadata_are_a_network_all_the_same() {
    let network = Network::start("hostile", 8, &["b-0"]);
    network.online();
    shows("b-0", &["Slave Interface: p8"], || bond("b-0"));
    assert_eq!(addresses("b-0").len(), 6);
    assert_eq!(
        tool("ip route")
            .lines()
            .find(|line| line.starts_with("10.0.0.0/8")),
        Some("10.0.0.0/8 via 192.0.2.1 dev b-0 proto static onlink ")
    );
    network.end();
}
