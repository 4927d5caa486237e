//! The name of the running machine, in a namespace of its own for it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use nix::sched::{CloneFlags, unshare};
use pilotlight_sys::host_name;
use pilotlight_tests::faults::{Web, cover, isolated, run, say};
use pilotlight_tests::{Answer, program};

use crate::{LINK, droplet, once};

/// A machine that has no name: neither a file nor an argument gives it one, and it is no board.
fn nameless(body: impl FnOnce(&Path) + Send) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    isolated(&[&format!("{LINK}/32")], || {
        unshare(CloneFlags::CLONE_NEWUTS).unwrap();
        for (name, text, place) in [
            ("hostname", "", "/etc/hostname"),
            ("cmdline", "quiet\n", "/proc/cmdline"),
        ] {
            fs::write(path.join(name), text).unwrap();
            cover(place, &path.join(name));
        }
        run(&["mount", "-t", "tmpfs", "none", "/sys/class"]);
        fs::create_dir_all("/sys/class/dmi/id").unwrap();
        fs::create_dir_all(path.join("run")).unwrap();
        host_name::set("localhost").unwrap();
        body(path);
    });
}

/// Runs the job, which has to succeed; what it says.
fn named(provider: &str) -> String {
    let answer = once(&["--set-hostname", "--timeout=20", provider]);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    answer.err
}

#[test]
fn a_machine_without_a_name_gets_the_platforms() {
    nameless(|path| {
        let web = Web::start(&format!("{LINK}:80"), droplet);
        let said = named("--provider=digitalocean");
        assert!(
            said.contains("the host name is drop-1 from now on"),
            "{said}"
        );
        assert_eq!(host_name::current(), "drop-1");
        assert_eq!(fs::read_to_string(path.join("hostname")).unwrap(), "");
        let said = named("--provider=digitalocean");
        assert!(said.contains("the host name is drop-1 already"), "{said}");
        assert_eq!(web.paths().len(), 2);
        // What a person has written stays, and nobody is asked.
        fs::write(path.join("hostname"), "mine\n").unwrap();
        host_name::set("mine").unwrap();
        let said = named("--provider=digitalocean");
        assert!(
            said.contains("mine, which /etc/hostname has: it stays"),
            "{said}"
        );
        assert_eq!(
            (host_name::current().as_str(), web.paths().len()),
            ("mine", 2)
        );
    });
}

#[test]
fn a_raspberry_pi_is_called_by_its_serial_number_at_last() {
    nameless(|_| {
        let metal = once(&["--set-hostname", "--applies"]);
        assert_eq!(metal.code, Some(1), "{metal:?}");
        let dmi = |name: &str, text: &str| {
            fs::write(format!("/sys/class/dmi/id/{name}"), text).unwrap();
        };
        dmi("sys_vendor", "Raspberry Pi Foundation\n");
        dmi("product_name", "Raspberry Pi 4 Model B\n");
        dmi("product_serial", "100000003d1d1c36\n");
        let pi = once(&["--set-hostname", "--applies"]);
        assert_eq!(pi.code, Some(0), "{pi:?}");
        // DHCP has a name for it.
        host_name::set("dhcp-7").unwrap();
        named("--provider=metal");
        assert_eq!(host_name::current(), "dhcp-7");
        host_name::set("localhost").unwrap();
        let said = named("--provider=rpi4");
        assert!(said.contains("rpi4-3d1d1c36 from now on"), "{said}");
        assert_eq!(host_name::current(), "rpi4-3d1d1c36");
    });
}

#[test]
fn azures_dhcp_is_told_of_a_new_name_alone() {
    nameless(|path| {
        // What is asked of networkd is seen; a real one does it in the scenario daemon-azure.
        let told = path.join("told");
        let tool = path.join("networkctl");
        let script = format!("#!/bin/sh\necho \"$@\" >> {}\n", told.display());
        fs::write(&tool, script).unwrap();
        fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
        run(&["mount", "-t", "tmpfs", "none", "/run"]);
        fs::create_dir_all("/run/systemd/netif/leases").unwrap();
        fs::write("/run/systemd/netif/leases/2", "").unwrap();
        fs::write("/run/systemd/netif/leases/.#2tmp", "").unwrap();
        let _web = Web::start(&format!("{LINK}:80"), |_| {
            say("200 OK", &[], r#"{"compute": {"name": "vm-a"}}"#)
        });
        let ways = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", path.display());
        for _ in 0..2 {
            let mut command = Command::new(program());
            command.args([
                "oem",
                "once",
                "--set-hostname",
                "--provider=azure",
                "--timeout=20",
            ]);
            let output = command.env("PATH", &ways).output().unwrap();
            let answer = Answer::from(output);
            assert_eq!(answer.code, Some(0), "{answer:?}");
        }
        assert_eq!(host_name::current(), "vm-a");
        assert_eq!(fs::read_to_string(told).unwrap(), "reconfigure 2\n");
    });
}
