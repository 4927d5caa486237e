//! The initramfs generator, run on made-up kernel command lines.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The program that `cargo build` made.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let directory = test.parent().and_then(Path::parent).unwrap();
    let path = directory.join("pilotlight");
    assert!(path.exists(), "run \"cargo build -p pilotlight\" first");
    path
}

/// Runs the generator; returns what it wants as `target → unit`, and the environment file.
fn generate(command_line: &str) -> (BTreeSet<String>, String) {
    generate_by(&program(), command_line)
}

fn generate_by(program: &Path, command_line: &str) -> (BTreeSet<String>, String) {
    let work = tempfile::tempdir().unwrap();
    let units = work.path().join("units");
    let line = work.path().join("cmdline");
    let environment = work.path().join("ignition.env");
    fs::write(&line, format!("{command_line}\n")).unwrap();
    let generator =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../dracut/30pilotlight/pilotlight-generator");
    let status = Command::new("sh")
        .arg(generator)
        .arg(&units)
        .env("PILOTLIGHT_CMDLINE", &line)
        .env("PILOTLIGHT_ENV_FILE", &environment)
        .env("PILOTLIGHT_BIN", program)
        .status()
        .unwrap();
    assert!(status.success(), "{command_line}");
    let mut wanted = BTreeSet::new();
    for target in fs::read_dir(&units).unwrap() {
        let target = target.unwrap();
        let name = target.file_name().into_string().unwrap();
        for unit in fs::read_dir(target.path()).unwrap() {
            let unit = unit.unwrap().file_name().into_string().unwrap();
            wanted.insert(format!("{} → {unit}", name.trim_end_matches(".requires")));
        }
    }
    (wanted, fs::read_to_string(environment).unwrap())
}

fn wants(command_line: &str, unit: &str) -> bool {
    generate(command_line)
        .0
        .iter()
        .any(|want| want.ends_with(&format!("→ {unit}")))
}

#[test]
fn a_first_boot_pulls_in_the_stages() {
    let (wanted, _) = generate("root=LABEL=ROOT flatcar.first_boot=1");
    let expected = [
        "ignition-complete.target → ignition-diskful.target",
        "initrd.target → ignition-complete.target",
    ];
    assert_eq!(wanted, expected.map(str::to_owned).into());
}

#[test]
fn any_other_boot_does_not() {
    let (wanted, _) = generate("root=LABEL=ROOT");
    let expected = [
        "ignition-subsequent.target → ignition-diskful-subsequent.target",
        "initrd.target → ignition-subsequent.target",
    ];
    assert_eq!(wanted, expected.map(str::to_owned).into());
}

#[test]
fn the_first_boot_argument_in_all_spellings() {
    for (line, first) in [
        ("flatcar.first_boot=detected", true),
        ("coreos.first_boot=1", true),
        ("ignition.firstboot", true),
        ("ignition.firstboot=1", true),
        ("flatcar.first_boot=yes quiet", true),
        ("flatcar.first_boot=0 coreos.first_boot=1", true),
        ("flatcar.first_boot=1 flatcar.first_boot=0", false),
        ("flatcar.first_boot=0", false),
        ("flatcar.first_boot=no", false),
        ("flatcar.first_boot=off", false),
        ("flatcar.first_boot=", false),
        ("xflatcar.first_boot=1", false),
        ("flatcar.first_boots=1", false),
        ("* ?", false),
        // As GRUB and others write them, and as the kernel reads them.
        (
            "\"flatcar.first_boot=1\" \"ignition.platform.id=qemu\"",
            true,
        ),
        ("ignition.firstboot=\"1\"", true),
        ("\"ignition.firstboot\"", true),
        ("a=\"flatcar.first_boot=1\"", false),
        ("a=\"b flatcar.first_boot=1 c\"", false),
    ] {
        assert_eq!(wants(line, "ignition-complete.target"), first, "{line}");
        assert_eq!(wants(line, "ignition-subsequent.target"), !first, "{line}");
    }
}

#[test]
fn only_a_detected_marker_is_removed() {
    for (line, removed) in [
        ("flatcar.first_boot=detected", true),
        ("coreos.first_boot=detected", true),
        ("\"flatcar.first_boot=detected\"", true),
        ("flatcar.first_boot=1", false),
        ("ignition.firstboot", false),
        ("", false),
    ] {
        assert_eq!(wants(line, "ignition-quench.service"), removed, "{line}");
    }
}

#[test]
fn the_platform_and_its_aliases() {
    for (line, oem, platform) in [
        ("ignition.platform.id=qemu", "qemu", "qemu"),
        ("flatcar.oem.id=ec2", "ec2", "aws"),
        ("coreos.oem.id=gce", "gce", "gcp"),
        ("flatcar.oem.id=pxe", "pxe", "metal"),
        ("flatcar.oem.id=packet", "packet", "packet"),
        ("flatcar.oem.id=vmware", "vmware", "vmware"),
        (
            "ignition.platform.id=equinixmetal",
            "equinixmetal",
            "packet",
        ),
        (
            "ignition.platform.id=metal.packet",
            "metal.packet",
            "packet",
        ),
        ("ignition.platform.id=rpi4", "rpi4", "metal"),
        (
            "ignition.platform.id=aws ignition.platform.id=gcp",
            "gcp",
            "gcp",
        ),
        // The stage that is started with it says that it is unknown, and which are not.
        ("ignition.platform.id=vax", "vax", "vax"),
        (
            "flatcar.oem.id=azure ignition.platform.id=metal",
            "metal",
            "metal",
        ),
        // Not a name: this text would otherwise end up in a unit's command line.
        (
            "ignition.platform.id=$(reboot) flatcar.oem.id=packet",
            "packet",
            "packet",
        ),
    ] {
        let expected = format!("OEM_ID={oem}\nPLATFORM_ID={platform}\nFIRST_BOOT=no\n");
        assert_eq!(generate(line).1, expected, "{line}");
    }
}

#[test]
fn without_a_name_the_platform_is_what_the_machine_is() {
    let detected = Command::new(program())
        .args(["detect", "--json", "--cmdline", "/dev/null"])
        .output()
        .unwrap();
    let detected: serde_json::Value = serde_json::from_slice(&detected.stdout).unwrap();
    let name = detected["platform"].as_str().unwrap();
    let expected = format!("OEM_ID={name}\nPLATFORM_ID={name}\nFIRST_BOOT=no\n");
    assert_eq!(generate("quiet").1, expected);
}

#[test]
fn a_program_that_fails_does_not_stop_the_boot() {
    for (line, first_boot, target) in [
        ("flatcar.first_boot=1", "asked", "complete"),
        ("\"ignition.firstboot\"", "asked", "complete"),
        ("quiet", "no", "subsequent"),
    ] {
        let (wanted, environment) = generate_by(Path::new("/bin/false"), line);
        let expected = format!("OEM_ID=metal\nPLATFORM_ID=metal\nFIRST_BOOT={first_boot}\n");
        assert_eq!(environment, expected, "{line}");
        let target = format!("initrd.target → ignition-{target}.target");
        assert!(wanted.contains(&target), "{line}");
    }
}
