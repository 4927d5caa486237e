//! The network's kernel arguments in the initramfs: what systemd's own generator makes of them, and what our
//! script adds where that says nothing.
//!
//! The script is the real one, as is systemd-network-generator; systemctl is replaced by one that runs it on
//! the test's command line.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use pilotlight_tests::boot_program;

const GENERATOR: &str = "/lib/systemd/systemd-network-generator";

/// What became of a command line: files below /run/systemd/network without prefix and empty lines, or the
/// words with which it was refused.
fn arguments(command_line: &str) -> Result<BTreeMap<String, String>, String> {
    arguments_with(command_line, None)
}

/// The same of a machine for which VMware has network arguments, and for which it has none.
fn arguments_with(
    command_line: &str,
    kargs: Option<&str>,
) -> Result<BTreeMap<String, String>, String> {
    let work = tempfile::tempdir().unwrap();
    let root = work.path();
    let line = root.join("cmdline");
    fs::write(&line, format!("{command_line}\n")).unwrap();
    let programs = root.join("bin");
    fs::create_dir(&programs).unwrap();
    let stand_in = |name: &str, text: &str| {
        let path = programs.join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    let (log, at) = (root.join("log"), root.display());
    stand_in(
        "systemctl",
        &format!(
            "exec {GENERATOR} --root={at} -- {command_line} 2> {}",
            log.display()
        ),
    );
    stand_in("journalctl", &format!("cat {}", log.display()));
    let said = match kargs {
        Some(kargs) => format!("printf '%s\\n' '{kargs}'"),
        None => "echo 'No value found' >&2; exit 1".into(),
    };
    stand_in("vmware-rpctool", &said);
    stand_in("generator", &format!("exec {GENERATOR} --root={at} \"$@\""));
    stand_in("udevadm", &format!("echo \"$@\" >> {at}/udevadm"));
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let networks = root.join("run/systemd/network");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dracut/30pilotlight/network.sh");
    let output = Command::new("sh")
        .arg(script)
        .arg("arguments")
        .env("PATH", path)
        .env("PILOTLIGHT_BIN", boot_program())
        .env("PILOTLIGHT_CMDLINE", &line)
        .env("PILOTLIGHT_GENERATOR", programs.join("generator"))
        .env("PILOTLIGHT_NETWORKS", &networks)
        .output()
        .unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let mut files = BTreeMap::new();
    read(&networks, "", &mut files);
    if let Ok(asked) = fs::read_to_string(root.join("udevadm")) {
        files.insert(
            "udevadm".to_owned(),
            asked.lines().collect::<Vec<_>>().join("; "),
        );
    }
    Ok(files)
}

/// The files of a directory by their names after the generator's number, which differs between versions.
fn read(directory: &Path, below: &str, files: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let name = format!(
            "{below}{}",
            name.trim_start_matches(|c: char| c.is_ascii_digit() || c == '-')
        );
        if name == "zz-pilotlight.network" {
            // Masked: no interface that was not named.
            assert_eq!(fs::read_link(entry.path()).unwrap(), Path::new("/dev/null"));
        } else if entry.file_type().unwrap().is_dir() {
            read(&entry.path(), &format!("{name}/"), files);
        } else {
            let text = fs::read_to_string(entry.path()).unwrap();
            let said = text
                .lines()
                .filter(|line| !line.is_empty() && !line.starts_with('#'));
            files.insert(name, said.collect::<Vec<_>>().join(" "));
        }
    }
}

fn file(command_line: &str, name: &str) -> Option<String> {
    arguments(command_line).unwrap().remove(name)
}

#[test]
fn no_argument_makes_no_file() {
    assert_eq!(arguments("root=LABEL=ROOT quiet"), Ok(BTreeMap::new()));
}

#[test]
fn what_vmware_has_for_the_machine_counts_where_the_line_says_nothing() {
    const KARGS: &str = "ip=10.0.2.9::10.0.2.2:255.255.255.0:node:ens2:none nameserver=10.0.2.2";
    const VMWARE: &str = "quiet ignition.platform.id=vmware";
    let same = arguments(&format!("quiet {KARGS}")).unwrap();
    assert!(
        same["ens2.network"].contains("Address=10.0.2.9/24"),
        "{same:?}"
    );
    assert_eq!(arguments_with(VMWARE, Some(KARGS)), Ok(same));
    let own = arguments("quiet ip=ens2:dhcp").unwrap();
    let line = format!("{VMWARE} ip=ens2:dhcp");
    assert_eq!(arguments_with(&line, Some(KARGS)), Ok(own));
    assert_eq!(arguments_with(VMWARE, None), Ok(BTreeMap::new()));
    assert_eq!(arguments_with(VMWARE, Some("")), Ok(BTreeMap::new()));
    // Nobody else is asked.
    let other = arguments_with("ignition.platform.id=vax", Some(KARGS));
    assert_eq!(other, Ok(BTreeMap::new()));
    let bond = "bond=bond0:ens2:mode=1 ip=bond0:dhcp";
    let same = arguments(bond).unwrap();
    assert_eq!(arguments_with(VMWARE, Some(bond)), Ok(same));
    let said = arguments_with(VMWARE, Some("ip=ibft")).unwrap_err();
    assert!(said.contains("ip=ibft: there is no support"), "{said}");
    // One word each, and no pattern.
    assert!(arguments_with(VMWARE, Some("* /* note=*")).is_ok());
}

#[test]
fn words_of_the_command_line_are_neither_patterns_nor_paths() {
    // As a pattern the word would become the names of files, here of the working directory.
    let files = arguments("ip=ens2:dhcp * /* note=* bond=bond0:ens2:mode=1").unwrap();
    assert_eq!(
        files["bond0.netdev.d/pilotlight.conf"],
        "[Bond] Mode=active-backup"
    );
    let refused = |line: &str| said_of_bond(line).unwrap_err();
    for name in ["../../../etc/x", "..", "a/b", "abcdefghijklmnop", "*/*"] {
        let said = refused(&format!("bond={name}:ens2:mode=1"));
        assert!(
            said.contains(&format!("{name} cannot be the name of a network interface")),
            "{said}"
        );
    }
    // Shown as it is: nothing in it is an escape.
    let said = refused(r"bond=bond0:ens2:x\n\033[2J=1");
    assert!(
        said.contains(r"the option x\n\033[2J=1 is not known"),
        "{said}"
    );
}

#[test]
fn words_are_those_of_the_kernel() {
    let plain = arguments("bond=bond0:ens2:mode=1 ip=bond0:dhcp").unwrap();
    for line in [
        r#""bond=bond0:ens2:mode=1" "ip=bond0:dhcp""#,
        r#"bond="bond0:ens2:mode=1" ip=bond0:dhcp"#,
    ] {
        assert_eq!(arguments(line).as_ref(), Ok(&plain), "{line}");
    }
    // What is within quotation marks is no word of its own.
    let within = r#"note="x team=team0:ens2 ip=ibft bond=a/b:ens2:mode=1""#;
    assert_eq!(arguments(within), Ok(BTreeMap::new()));
    let said = arguments(r#"quiet "team=team0:ens2 x""#).unwrap_err();
    assert!(said.contains("team=team0:ens2 x: there"), "{said}");
}

#[test]
fn the_network_stays_where_the_root_needs_it() {
    let stays = |line: &str| {
        let work = tempfile::tempdir().unwrap();
        let file = work.path().join("cmdline");
        fs::write(&file, line).unwrap();
        let script =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../dracut/30pilotlight/network.sh");
        let mut command = Command::new("sh");
        command
            .arg(script)
            .arg("root_needs_network")
            .env("PILOTLIGHT_BIN", boot_program())
            .env("PILOTLIGHT_CMDLINE", &file);
        command.status().unwrap().success()
    };
    for line in [
        "quiet rd.neednet=1\n",
        "root=/dev/nfs",
        "root=nfs:10.0.2.2:/root",
        "\"root=nfs4:10.0.2.2:/root\" quiet",
        "root=\"iscsi:10.0.2.2::::disk\"",
        "a netroot=x b",
    ] {
        assert!(stays(line), "{line}");
    }
    for line in [
        "",
        "root=LABEL=ROOT",
        "rd.neednet=0",
        "rd.neednet=10",
        "note=\"x rd.neednet=1 y\"",
        "note=\"x netroot=y\"",
        "xnetroot=y",
    ] {
        assert!(!stays(line), "{line}");
    }
}

/// What the script says of a command line that systemd's generator is not asked about.
fn said_of_bond(command_line: &str) -> Result<(), String> {
    let work = tempfile::tempdir().unwrap();
    let line = work.path().join("cmdline");
    fs::write(&line, command_line).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dracut/30pilotlight/network.sh");
    let output = Command::new("sh")
        .arg(script)
        .arg("supplement")
        .env("PILOTLIGHT_BIN", boot_program())
        .env("PILOTLIGHT_CMDLINE", &line)
        .env("PILOTLIGHT_NETWORKS", work.path().join("networks"))
        .output()
        .unwrap();
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

#[test]
fn static_addresses_are_the_generators_alone() {
    let files = arguments(
        "ip=10.0.2.9::10.0.2.2:255.255.255.0:node:ens2:none nameserver=10.0.2.2 rd.route=10.9.0.0/16:10.0.2.3:ens2",
    )
    .unwrap();
    assert_eq!(files.keys().collect::<Vec<_>>(), ["ens2.network"]);
    let file = &files["ens2.network"];
    for line in [
        "DHCP=no",
        "DNS=10.0.2.2",
        "Address=10.0.2.9/24",
        "Gateway=10.0.2.2",
        "Destination=10.9.0.0/16",
    ] {
        assert!(file.contains(line), "{file}");
    }
}

#[test]
fn name_servers_and_routes_alone_leave_dhcp_on() {
    let dhcp = Some("[Network] DHCP=yes".to_owned());
    let default = "default.network.d/pilotlight.conf";
    assert_eq!(file("nameserver=10.0.2.2", default), dhcp);
    assert_eq!(file("rd.route=10.9.0.0/16:10.0.2.3", default), dhcp);
    let of_one = "ens2.network.d/pilotlight.conf";
    assert_eq!(file("rd.route=10.9.0.0/16:10.0.2.3:ens2", of_one), dhcp);
    assert_eq!(file("nameserver=10.0.2.2 ip=dhcp6", default), None);
}

#[test]
fn what_carries_a_vlan_has_no_address_of_its_own() {
    let files = arguments("vlan=ens2.7:ens2 ip=ens2.7:dhcp").unwrap();
    assert!(files["ens2.7.netdev"].contains("Kind=vlan Name=ens2.7 [VLAN] Id=7"));
    assert!(files["ens2.7.network"].contains("DHCP=ipv4"));
    assert!(files["ens2.network"].contains("VLAN=ens2.7"));
    assert!(!files["ens2.network"].contains("DHCP="));
    assert_eq!(files.len(), 3, "{files:?}");
}

#[test]
fn options_of_a_bond_are_not_lost() {
    let options = |given: &str| {
        file(
            &format!("bond={given} ip=bond0:dhcp"),
            "bond0.netdev.d/pilotlight.conf",
        )
    };
    assert_eq!(
        options("bond0:ens2,ens3:mode=802.3ad,miimon=100,lacp_rate=1,xmit_hash_policy=layer3+4")
            .as_deref(),
        Some(
            "[Bond] Mode=802.3ad MIIMonitorSec=100ms LACPTransmitRate=fast TransmitHashPolicy=layer3+4"
        )
    );
    assert_eq!(
        options("bond0:ens2:mode=1").as_deref(),
        Some("[Bond] Mode=active-backup")
    );
    assert_eq!(
        options("bond0:ens2:mode=6:9000").as_deref(),
        Some("[Bond] Mode=balance-alb")
    );
    assert_eq!(options("bond0:ens2,ens3"), None);
    let files = arguments("bond=bond0:ens2:mode=1 ip=bond0:dhcp").unwrap();
    assert!(files["ens2.network"].contains("Bond=bond0"));
    assert!(
        !files.contains_key("ens2.network.d/pilotlight.conf"),
        "{files:?}"
    );
}

#[test]
fn names_are_given_before_the_network_is_up() {
    let files = arguments("ifname=lan0:52:54:00:00:00:01 ip=lan0:dhcp").unwrap();
    assert_eq!(
        files["udevadm"],
        "control --reload; trigger --action=add --subsystem-match=net; settle --timeout=30"
    );
}

#[test]
fn what_cannot_be_had_is_refused_in_words() {
    for (line, word) in [
        ("ip=nonsense", "ip=nonsense"),
        (
            "bond=bond0:ens2:mode=1,arp_interval=7 ip=bond0:dhcp",
            "arp_interval=7",
        ),
        ("ip=ibft", "iBFT"),
        ("team=team0:ens2", "team=team0:ens2"),
    ] {
        let said = arguments(line).unwrap_err();
        assert!(said.contains(word), "{line}: {said}");
        assert!(said.contains("in the boot loader"), "{line}: {said}");
    }
}

/// Without systemd-resolved.
#[test]
fn name_servers_are_those_of_all_links() {
    let work = tempfile::tempdir().unwrap();
    let links = work.path().join("links");
    fs::create_dir(&links).unwrap();
    // The loopback interface is the first in every namespace.
    fs::write(
        links.join("1"),
        "OPER_STATE=routable\nDNS=fe80::1 10.0.2.2\nMDNS=no\n",
    )
    .unwrap();
    fs::write(links.join("2"), "DNS=fd00:2::1#name.example\n").unwrap();
    fs::write(links.join("3"), "NTP=10.0.2.3\n").unwrap();
    let resolv_conf = work.path().join("resolv.conf");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dracut/30pilotlight/network.sh");
    let status = Command::new("sh")
        .arg(script)
        .arg("resolver")
        .env("PILOTLIGHT_NETIF", work.path())
        .env("PILOTLIGHT_RESOLV_CONF", &resolv_conf)
        .status()
        .unwrap();
    assert!(status.success());
    assert_eq!(
        fs::read_to_string(resolv_conf).unwrap(),
        "nameserver fe80::1%lo\nnameserver 10.0.2.2\nnameserver fd00:2::1\n"
    );
}
