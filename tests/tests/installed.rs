//! `make install`: which files it puts where, and that they find each other there.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use pilotlight_tests::{Answer, boot_program, program, tool};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Installs the programs of this build below a directory.
fn install(to: &Path, variables: &[&str]) {
    let place = format!("DESTDIR={}", to.display());
    let program = format!("PROGRAM={}", program().display());
    let agent = format!("AGENT={}", boot_program().display());
    let own = ["install", &place, &program, &agent];
    make(&[&own, variables].concat());
}

/// Runs make in the repository; it has to succeed.
fn make(arguments: &[&str]) {
    let answer: Answer = std::process::Command::new("make")
        .args(["--silent", "--no-print-directory"])
        .args(arguments)
        .current_dir(repository())
        // This test may itself run below make.
        .env_remove("MAKEFLAGS")
        .env_remove("MAKELEVEL")
        .output()
        .unwrap()
        .into();
    assert_eq!(answer.code, Some(0), "{answer:?}");
}

/// All files below a directory, sorted.
fn files(below: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut rooms = vec![below.to_path_buf()];
    while let Some(room) = rooms.pop() {
        for entry in fs::read_dir(&room).unwrap() {
            let path = entry.unwrap().path();
            match path.symlink_metadata().unwrap().is_dir() {
                true => rooms.push(path),
                false => {
                    found.insert(path.strip_prefix(below).unwrap().to_path_buf());
                }
            }
        }
    }
    found
}

/// One line a file: its mode or where the link leads.
fn listing(below: &Path) -> String {
    let mut text = String::new();
    for file in files(below) {
        let path = below.join(&file);
        let kind = path.symlink_metadata().unwrap();
        match kind.is_symlink() {
            true => {
                let target = fs::read_link(&path).unwrap();
                assert!(path.exists(), "{} leads nowhere", file.display());
                let _ = writeln!(text, "/{} -> {}", file.display(), target.display());
            }
            false => {
                let mode = kind.permissions().mode() & 0o7777;
                let _ = writeln!(text, "/{} {mode:o}", file.display());
            }
        }
    }
    text
}

#[test]
fn what_is_installed_is_what_is_listed() {
    let work = tempfile::tempdir().unwrap();
    install(work.path(), &[]);
    let made = listing(work.path());
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/installed.txt");
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        fs::write(&golden, &made).unwrap();
    }
    assert_eq!(made, fs::read_to_string(&golden).unwrap());

    // What the dracut module takes from beside itself is there.
    let module = work.path().join("usr/lib/dracut/modules.d/30pilotlight");
    let there = files(&module);
    let setup = fs::read_to_string(module.join("module-setup.sh")).unwrap();
    let mut named: BTreeSet<PathBuf> = setup
        .split("\"$moddir/")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .filter(|name| !name.contains('$'))
        .map(PathBuf::from)
        .collect();
    // An image build may put it here; the package has it in /usr/bin.
    assert!(named.remove(Path::new("pilotlight-boot")));
    assert!(named.len() > 5, "{named:?}");
    assert!(named.is_subset(&there), "{named:?}");
    assert!(setup.contains("/usr/bin/pilotlight-boot"));

    // What units run and name is there.
    let units = work.path().join("usr/lib/systemd/system");
    let mut programs = 0;
    for unit in files(&units) {
        let text = fs::read_to_string(units.join(&unit)).unwrap();
        for line in text.lines() {
            if let Some(page) = line.strip_prefix("Documentation=man:") {
                let page = page.trim_end_matches("(1)");
                let page = work.path().join(format!("usr/share/man/man1/{page}.1"));
                assert!(page.exists(), "{} names {}", unit.display(), page.display());
            }
            if let Some(path) = line.split(['=', ' ']).nth(1)
                && path.starts_with("/usr/bin/pilotlight")
            {
                assert!(work.path().join(&path[1..]).exists(), "{line}");
                programs += 1;
            }
        }
    }
    assert!(programs > 10, "{programs}");

    // The schemas are the program's.
    let schema = work
        .path()
        .join("usr/share/pilotlight/schema/ignition-3.4.schema.json");
    let schema: serde_json::Value = serde_json::from_slice(&fs::read(schema).unwrap()).unwrap();
    assert!(schema["properties"]["ignition"].is_object());
}

#[test]
fn another_prefix_is_in_the_units_and_old_names_can_be_left_out() {
    let work = tempfile::tempdir().unwrap();
    install(work.path(), &["PREFIX=/opt/pilotlight", "OLD_NAMES=no"]);
    let opt = work.path().join("opt/pilotlight");
    let names: Vec<String> = files(&opt)
        .iter()
        .filter(|file| !file.starts_with("lib/dracut"))
        .map(|file| file.display().to_string())
        .collect();
    for old in [
        "afterburn",
        "coreos",
        "flatcar",
        "ignition-d",
        "bin/ignition",
        "man1/ignition",
    ] {
        assert!(
            !names.iter().any(|name| name.contains(old)),
            "{old}: {names:?}"
        );
    }
    let unit = fs::read_to_string(opt.join("lib/systemd/system/pilotlight-oem-keys.service"));
    assert!(
        unit.unwrap()
            .contains("ExecStart=/opt/pilotlight/bin/pilotlight oem run")
    );
    let setup = fs::read_to_string(opt.join("lib/dracut/modules.d/30pilotlight/module-setup.sh"));
    let setup = setup.unwrap();
    assert!(setup.contains("local program=/opt/pilotlight/bin/pilotlight-boot "));
    assert!(setup.contains("inst_binary \"$program\" /usr/bin/pilotlight\n"));
}

/// Makes the package of two programs that are quickly packed, in a directory; answers its path.
fn package(to: &Path) -> PathBuf {
    let target = format!("TARGET={}", to.display());
    let schemas = format!("SCHEMA_PROGRAM={}", program().display());
    let programs = ["PROGRAM=/bin/true", "AGENT=/bin/true", &schemas];
    make(
        &[
            &["deb", &target, "SOURCE_DATE_EPOCH=1700000000"],
            &programs[..],
        ]
        .concat(),
    );
    let found = files(&to.join("deb"));
    let mut packages = (found.iter()).filter(|file| file.extension() == Some("deb".as_ref()));
    let package = to.join("deb").join(packages.next().unwrap());
    assert!(packages.next().is_none(), "{found:?}");
    package
}

#[test]
fn a_package_is_the_same_in_every_byte_wherever_it_is_made() {
    let work = tempfile::tempdir().unwrap();
    let one = package(&work.path().join("one"));
    // Times of files are counted in whole seconds.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let other = package(&work.path().join("other/place"));
    assert_eq!(one.file_name(), other.file_name());
    assert!(fs::read(&one).unwrap() == fs::read(&other).unwrap());

    let field = |name: &str| tool(&format!("dpkg-deb --field {} {name}", one.display()));
    assert_eq!(field("Package"), "pilotlight");
    assert!(field("Version").starts_with(env!("CARGO_PKG_VERSION")));
    assert!(field("Depends").contains("libc6 (>= 2.36)"));
    assert_eq!(field("Conflicts"), "afterburn, coreos-installer, ignition");
    let contents = tool(&format!("dpkg-deb --contents {}", one.display())) + "\n";
    for line in contents.lines() {
        assert!(line.contains(" root/root "), "{line}");
    }
    for file in [
        "./usr/bin/pilotlight-boot",
        "./usr/bin/ignition -> pilotlight",
        "./lib/systemd/system/pilotlight-oem-network.service",
        "./usr/lib/dracut/modules.d/30pilotlight/module-setup.sh",
        "./usr/share/man/man1/pilotlight.1.gz",
        "./usr/share/man/man1/coreos-metadata.1.gz -> afterburn.1.gz",
        "./usr/share/doc/pilotlight/examples/dracut.conf",
        "./usr/share/doc/pilotlight/third-party.txt.gz",
    ] {
        assert!(
            contents.contains(&format!(" {file}\n")),
            "{file}: {contents}"
        );
    }
}
