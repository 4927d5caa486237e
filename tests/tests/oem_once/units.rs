//! The units: that systemd takes them, and that their conditions hold on the machines that they are for.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use pilotlight_providers::{Naming, Platform, detect};
use pilotlight_tests::faults::{cover, isolated, run};
use pilotlight_tests::{Answer, pilotlight, program};

const PROGRAM: &str = "/usr/bin/pilotlight ";

/// Name and text of each unit.
fn units() -> Vec<(String, String)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../systemd");
    let mut units = Vec::new();
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        let own = ["afterburn", "coreos-metadata", "ignition-delete-config"];
        if own.iter().any(|begin| name.starts_with(begin)) {
            units.push((name, fs::read_to_string(entry.path()).unwrap()));
        }
    }
    units.sort();
    units
}

/// The values of a key of a unit.
fn values<'t>(text: &'t str, key: &str) -> Vec<&'t str> {
    let lines = text.lines().filter_map(|line| line.split_once('='));
    lines
        .filter(|(name, _)| *name == key)
        .map(|(_, value)| value)
        .collect()
}

#[test]
fn each_unit_asks_first_whether_it_applies() {
    let units = units();
    let names: Vec<&str> = units.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "afterburn-checkin.service",
            "afterburn-hostname.service",
            "afterburn-sshkeys@.service",
            "afterburn.service",
            "coreos-metadata-sshkeys@.service",
            "coreos-metadata.service",
            "ignition-delete-config.service"
        ]
    );
    for (name, text) in &units {
        let start = values(text, "ExecStart");
        assert_eq!(start.len(), 1, "{name}");
        let condition = format!("{} --applies", start[0]);
        assert_eq!(values(text, "ExecCondition"), [condition], "{name}");
        // A list of kernel arguments would be one more place to forget a platform in.
        assert_eq!(
            values(text, "ConditionKernelCommandLine"),
            [""; 0],
            "{name}"
        );
    }
}

/// Whether a condition holds, as systemd takes exit codes (systemd.service(5), `ExecCondition=`).
fn holds(condition: &str) -> bool {
    let words = condition.strip_prefix(PROGRAM).unwrap();
    // A variable that is set to nothing is no word.
    let words: Vec<String> = words
        .split_whitespace()
        .filter(|word| !word.starts_with('$'))
        .map(|word| word.replace("%i", "core"))
        .collect();
    let answer = pilotlight(&words);
    match answer.code {
        Some(0) => true,
        Some(1) => false,
        _ => panic!("{words:?}: {answer:?}"),
    }
}

/// Whether a platform has what a unit does.
fn has(platform: Platform, unit: &str) -> bool {
    match unit {
        "afterburn-checkin.service" => platform.wants_status(),
        "ignition-delete-config.service" => {
            matches!(platform, Platform::VirtualBox | Platform::VmWare)
        }
        "afterburn-hostname.service" => platform.naming() == Naming::Metadata,
        _ => platform.has_metadata(),
    }
}

#[test]
fn every_name_of_a_platform_starts_its_units() {
    let directory = tempfile::tempdir().unwrap();
    let line = directory.path().join("cmdline");
    fs::write(&line, "").unwrap();
    isolated(&[], || {
        cover("/proc/cmdline", &line);
        for (unit, text) in units() {
            let condition = values(&text, "ExecCondition")[0];
            for argument in detect::ARGUMENTS {
                let names = Platform::ALL
                    .iter()
                    .flat_map(|platform| platform.names().iter().map(move |name| (name, platform)));
                for (name, platform) in names {
                    fs::write(&line, format!("quiet {argument}={name}\n")).unwrap();
                    assert_eq!(
                        holds(condition),
                        has(*platform, &unit),
                        "{unit} with {argument}={name}"
                    );
                }
            }
            // Nobody knows it: the unit is passed over, and does not fail.
            fs::write(&line, "ignition.platform.id=vax\n").unwrap();
            assert!(!holds(condition), "{unit}");
        }
    });
}

#[test]
fn a_machine_that_is_detected_starts_its_units() {
    let directory = tempfile::tempdir().unwrap();
    let line = directory.path().join("cmdline");
    fs::write(&line, "quiet\n").unwrap();
    isolated(&[], || {
        cover("/proc/cmdline", &line);
        run(&["mount", "-t", "tmpfs", "none", "/sys/class"]);
        let dmi = Path::new("/sys/class/dmi/id");
        fs::create_dir_all(dmi).unwrap();
        for (fields, platform) in [
            (&[("sys_vendor", "Amazon EC2")][..], Platform::Aws),
            (&[("sys_vendor", "DigitalOcean")], Platform::DigitalOcean),
            (
                &[("sys_vendor", "Hetzner"), ("product_name", "vServer")],
                Platform::Hetzner,
            ),
            (
                &[("chassis_asset_tag", "7783-7084-3265-9085-8269-3286-77")],
                Platform::Azure,
            ),
        ] {
            for (name, text) in fields {
                fs::write(dmi.join(name), format!("{text}\n")).unwrap();
            }
            for (unit, text) in units() {
                let condition = values(&text, "ExecCondition")[0];
                assert_eq!(
                    holds(condition),
                    has(platform, &unit),
                    "{unit} on {platform:?}"
                );
            }
            for (name, _) in fields {
                fs::remove_file(dmi.join(name)).unwrap();
            }
        }
    });
}

#[test]
fn systemd_takes_the_units() {
    let directory = tempfile::tempdir().unwrap();
    let tool = directory.path().join("update-ssh-keys");
    fs::write(&tool, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    // The programs are where they are, and an instance has a name.
    for (name, text) in units() {
        let text = text
            .replace(PROGRAM, &format!("{} ", program().display()))
            .replace("/usr/bin/update-ssh-keys", tool.to_str().unwrap());
        let name = name.replace("@.", "@core.");
        let path = directory.path().join(&name);
        fs::write(&path, text).unwrap();
        let output = Command::new("systemd-analyze")
            .args(["verify", "--man=no"])
            .arg(&path)
            .output()
            .unwrap();
        let answer = Answer::from(output);
        let said = answer.err.lines().filter(|line| line.contains(&name));
        assert_eq!(
            (answer.code, said.collect::<Vec<_>>()),
            (Some(0), vec![]),
            "{name}: {answer:?}"
        );
    }
}
