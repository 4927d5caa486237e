//! What a root has when the stages begin: mounts that others made, accounts of the image beside /etc. Needs root,
//! loop devices and the Debian packages `passwd` and `e2fsprogs`.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use pilotlight_tests::{Answer, FirstBoot, run, tool};
use serde_json::{Value, json};

const STAGES: [&str; 5] = ["fetch-offline", "disks", "mount", "files", "umount"];

struct Machine {
    directory: tempfile::TempDir,
    disks: Vec<String>,
}

impl Machine {
    /// With so many disks, each with an ext4 file system labelled after it.
    fn new(disks: usize) -> Self {
        let mut machine = Self {
            directory: tempfile::tempdir().unwrap(),
            disks: Vec::new(),
        };
        fs::create_dir_all(machine.root("etc")).unwrap();
        machine.write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
        machine.write("etc/group", "root:x:0:\nsudo:x:27:\n");
        machine.write("etc/login.defs", "USERGROUPS_ENAB yes\n");
        for number in 0..disks {
            let image = machine.directory.path().join(format!("{number}.img"));
            File::create(&image).unwrap().set_len(32 << 20).unwrap();
            let node = tool(&format!("losetup --find --show {}", image.display()));
            tool(&format!("mkfs.ext4 -q -L disk{number} {node}"));
            machine.disks.push(node);
        }
        machine
    }

    fn root(&self, path: &str) -> PathBuf {
        self.directory.path().join("root").join(path)
    }

    fn write(&self, path: &str, text: &str) {
        fs::create_dir_all(self.root(path).parent().unwrap()).unwrap();
        fs::write(self.root(path), text).unwrap();
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.root(path)).unwrap()
    }

    fn boot(&self, config: &Value) -> FirstBoot {
        let config = config.to_string();
        FirstBoot::new(self.directory.path(), &self.root(""), config.as_bytes())
            .with("PILOTLIGHT_DEVICE_WAIT", "0")
    }

    /// What is mounted at a place of the root, innermost last.
    fn mounted(&self, at: &str) -> Vec<String> {
        let place = self.root(at);
        let place = place.to_str().unwrap().trim_end_matches('/');
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let here = mounts.lines().filter_map(|line| {
            let (source, rest) = line.split_once(' ')?;
            (rest.split(' ').next() == Some(place)).then(|| source.to_string())
        });
        here.collect()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        for line in mounts.lines().rev() {
            let place = line.split(' ').nth(1).unwrap_or_default();
            if Path::new(place).starts_with(self.directory.path()) {
                let _ = Command::new("umount").arg(place).output();
            }
        }
        for node in &self.disks {
            let _ = Command::new("losetup").args(["--detach", node]).output();
        }
    }
}

fn good(answer: Answer) -> Answer {
    assert_eq!(answer.code, Some(0), "{}{}", answer.out, answer.err);
    answer
}

fn config(sections: Value) -> Value {
    let mut config = json!({ "ignition": { "version": "3.4.0" } });
    let (all, more) = (config.as_object_mut().unwrap(), sections);
    all.extend(more.as_object().unwrap().clone());
    config
}

/// What others have mounted before, what the config has mounted, and what there is while files are written and at the
/// end.
struct Mounts {
    before: &'static [(usize, &'static str)],
    filesystems: &'static [(usize, &'static str)],
    /// Place, its disks while files are written, its disks at the end.
    then: &'static [(&'static str, &'static [usize], &'static [usize])],
    warning: &'static str,
}

const MOUNTS: &[Mounts] = &[
    Mounts {
        before: &[],
        filesystems: &[(0, "/var")],
        then: &[("var", &[0], &[])],
        warning: "",
    },
    // Somebody has mounted the same there: it is his.
    Mounts {
        before: &[(0, "var")],
        filesystems: &[(0, "/var")],
        then: &[("var", &[0], &[0])],
        warning: "",
    },
    // Something else is mounted there: the config's comes on top and goes again.
    Mounts {
        before: &[(1, "var")],
        filesystems: &[(0, "/var")],
        then: &[("var", &[1, 0], &[1])],
        warning: "",
    },
    Mounts {
        before: &[(0, "")],
        filesystems: &[(0, "/")],
        then: &[("", &[0], &[0])],
        warning: "",
    },
    Mounts {
        before: &[(1, "")],
        filesystems: &[(0, "/")],
        then: &[("", &[1], &[1])],
        warning: "the root is mounted from",
    },
    // A root that is a directory.
    Mounts {
        before: &[],
        filesystems: &[(0, "/")],
        then: &[("", &[], &[])],
        warning: "",
    },
    Mounts {
        before: &[(0, "")],
        filesystems: &[(0, "/"), (1, "/var")],
        then: &[("", &[0], &[0]), ("var", &[1], &[])],
        warning: "",
    },
    Mounts {
        before: &[(0, ""), (1, "usr/share/oem")],
        filesystems: &[(1, "/usr/share/oem"), (2, "/var")],
        then: &[
            ("usr/share/oem", &[1], &[1]),
            ("var", &[2], &[]),
            ("", &[0], &[0]),
        ],
        warning: "",
    },
    // Nested: the outer one is somebody's, the inner one ours, and the other way round.
    Mounts {
        before: &[(0, "var")],
        filesystems: &[(0, "/var"), (1, "/var/lib")],
        then: &[("var", &[0], &[0]), ("var/lib", &[1], &[])],
        warning: "",
    },
    // Below a mount of ours an earlier one is covered.
    Mounts {
        before: &[(1, "var/lib")],
        filesystems: &[(0, "/var"), (1, "/var/log")],
        then: &[
            ("var", &[0], &[]),
            ("var/log", &[1], &[]),
            ("var/lib", &[1], &[1]),
        ],
        warning: "",
    },
    // Mounted by others in another place.
    Mounts {
        before: &[(0, "mnt")],
        filesystems: &[(0, "/var")],
        then: &[("var", &[0], &[]), ("mnt", &[0], &[0])],
        warning: "",
    },
    Mounts {
        before: &[(0, "srv/a b")],
        filesystems: &[(1, "/srv/c")],
        then: &[("srv/c", &[1], &[]), ("srv/a\\040b", &[0], &[0])],
        warning: "",
    },
];

#[test]
fn only_what_the_mount_stage_has_mounted_is_unmounted() {
    for case in MOUNTS {
        let machine = Machine::new(3);
        for (disk, at) in case.before {
            let place = machine.root(at);
            fs::create_dir_all(&place).unwrap();
            let disk = &machine.disks[*disk];
            let status = Command::new("mount").arg(disk).arg(&place).status();
            assert!(status.unwrap().success());
        }
        let (passwd, group) = ("root:x:0:0:root:/root:/bin/sh\n", "root:x:0:\n");
        machine.write("etc/passwd", passwd);
        machine.write("etc/group", group);
        let filesystems: Vec<Value> = (case.filesystems.iter())
            .map(|(disk, path)| {
                json!({ "device": machine.disks[*disk], "format": "ext4", "path": path })
            })
            .collect();
        let files: Vec<Value> = (case.filesystems.iter())
            .map(|(_, path)| {
                let path = format!("{}/file", path.trim_end_matches('/'));
                json!({ "path": path, "contents": { "source": "data:,x" } })
            })
            .collect();
        let config = config(json!({ "storage": { "filesystems": filesystems, "files": files } }));
        let boot = machine.boot(&config);
        let seen = |end: bool| -> Vec<(&str, Vec<String>)> {
            let seen = case
                .then
                .iter()
                .map(|(at, _, _)| (*at, machine.mounted(at)));
            let expected = case.then.iter().map(|(at, during, after)| {
                let disks = if end { after } else { during };
                let nodes = disks.iter().map(|disk| machine.disks[*disk].clone());
                (*at, nodes.collect::<Vec<String>>())
            });
            let (seen, expected): (Vec<_>, Vec<_>) = (seen.collect(), expected.collect());
            assert_eq!(seen, expected, "{config} at the end: {end}");
            seen
        };
        good(boot.stages(&STAGES[..2]));
        let mount = good(boot.stage("mount"));
        assert_eq!(
            mount.out.contains("warning"),
            !case.warning.is_empty(),
            "{}",
            mount.out
        );
        assert!(mount.out.contains(case.warning), "{}", mount.out);
        // Once more, as after a run that was cut off.
        good(boot.stage("mount"));
        seen(false);
        good(boot.stage("files"));
        good(boot.stage("umount"));
        seen(true);
        good(boot.stage("umount"));
        seen(true);
    }
}

#[test]
fn what_was_mounted_before_the_mount_stage_failed_is_unmounted() {
    let machine = Machine::new(2);
    let filesystem = |disk: usize, path: &str| json!({ "device": machine.disks[disk], "format": "ext4", "path": path });
    let filesystems = [filesystem(0, "/var"), filesystem(1, "/etc/link/deep")];
    let config = config(json!({ "storage": { "filesystems": filesystems } }));
    std::os::unix::fs::symlink("/elsewhere", machine.root("etc/link")).unwrap();
    let boot = machine.boot(&config);
    good(boot.stages(&STAGES[..2]));
    assert_eq!(boot.stage("mount").code, Some(1));
    assert_eq!(machine.mounted("var"), [machine.disks[0].clone()]);
    good(boot.stage("umount"));
    assert!(machine.mounted("var").is_empty());
}

#[test]
fn accounts_that_the_image_has_beside_etc_count() {
    let machine = Machine::new(0);
    machine.write("usr/lib/group", "users2:x:777:core\nshut:x:778:\n");
    machine.write("usr/lib/passwd", "core:x:500:777:Core:/home/core:/bin/sh\n");
    machine.write(
        "etc/nsswitch.conf",
        "passwd: files altfiles\ngroup: files altfiles\nshadow: files\n",
    );
    let key =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKflm2dWREWSo+yywM0FJEq/BRk7XNQjJG0KsvpKGSTd one";
    let config = config(json!({
        "passwd": { "users": [
            { "name": "op", "groups": ["users2", "sudo"] },
            { "name": "core", "sshAuthorizedKeys": [key] },
        ] },
        "storage": { "files": [{
            "path": "/etc/x", "user": { "name": "core" }, "group": { "name": "users2" },
            "contents": { "source": "data:,x" },
        }] },
    }));
    good(machine.boot(&config).stages(&STAGES));
    let groups = machine.text("etc/group");
    assert!(groups.contains("\nusers2:x:777:core,op\n"), "{groups}");
    assert!(!groups.contains("shut"), "{groups}");
    // Nothing of the user is changed.
    assert!(!machine.text("etc/passwd").contains("core"));
    assert!(
        machine
            .text("home/core/.ssh/authorized_keys.d/ignition")
            .contains(key)
            || machine.text("home/core/.ssh/authorized_keys").contains(key)
    );
    let owner = run(&format!(
        "stat -c %u:%g {}",
        machine.root("etc/x").display()
    ));
    assert_eq!(owner.out.trim(), "500:777");
    // A second run finds all of it.
    let again = good(machine.boot(&config).stages(&STAGES));
    assert!(!again.out.contains("/etc/group"), "{}", again.out);

    // A user of the image that is changed is one of /etc from then on.
    let config = config_of_core("/bin/bash");
    good(machine.boot(&config).stages(&STAGES));
    let passwd = machine.text("etc/passwd");
    assert!(
        passwd.contains("\ncore:x:500:777:Core:/home/core:/bin/bash\n"),
        "{passwd}"
    );
}

fn config_of_core(shell: &str) -> Value {
    config(json!({ "passwd": { "users": [{ "name": "core", "shell": shell }] } }))
}

/// "MODE UID" of directories, with the names of users for their numbers.
fn owners(machine: &Machine, paths: &[&str]) -> Vec<String> {
    let passwd = machine.text("etc/passwd");
    let name = |uid: &str| {
        let mut lines = passwd
            .lines()
            .map(|line| line.split(':').collect::<Vec<&str>>());
        let line = lines.find(|fields| fields[2] == uid);
        line.map_or(uid.to_string(), |fields| fields[0].to_string())
    };
    let one = |path: &&str| {
        let said = tool(&format!("stat -c %a:%u {}", machine.root(path).display()));
        let (mode, uid) = said.split_once(':').unwrap();
        format!("{path} {mode} {}", name(uid))
    };
    paths.iter().map(one).collect()
}

#[test]
fn what_the_mount_stage_makes_in_a_home_is_the_users() {
    // What is there before, users with their homes, where the disk is mounted; what comes out below and beside it.
    type Case = (
        &'static [(&'static str, u32)],
        Value,
        &'static str,
        &'static [&'static str],
    );
    let op = || json!([{ "name": "op" }]);
    let cases: Vec<Case> = vec![
        (&[], op(), "/home/op", &["home 755 root", "home/op 700 op"]),
        (
            &[],
            op(),
            "/home/op/data",
            &["home 755 root", "home/op 700 op", "home/op/data 700 op"],
        ),
        (
            &[],
            op(),
            "/home/op/a/b/c",
            &[
                "home/op 700 op",
                "home/op/a 700 op",
                "home/op/a/b 700 op",
                "home/op/a/b/c 700 op",
            ],
        ),
        (&[], op(), "/home", &["home 755 root", "home/op 700 op"]),
        (
            &[],
            op(),
            "/home/other",
            &["home 755 root", "home/other 755 root"],
        ),
        (
            &[],
            op(),
            "/home/opera/x",
            &["home/opera 755 root", "home/opera/x 755 root"],
        ),
        (
            &[("home/op", 0o750)],
            op(),
            "/home/op/data",
            &["home/op 750 root", "home/op/data 700 op"],
        ),
        (
            &[],
            json!([{ "name": "op", "homeDir": "/srv/op" }]),
            "/srv/op/data",
            &["srv 755 root", "srv/op 700 op", "srv/op/data 700 op"],
        ),
        (
            &[],
            json!([{ "name": "op", "noCreateHome": true }]),
            "/home/op/data",
            &["home/op 700 op", "home/op/data 700 op"],
        ),
        (
            &[],
            json!([{ "name": "op" }, { "name": "two" }]),
            "/home/two/x",
            &["home/op 700 op", "home/two 700 two", "home/two/x 700 two"],
        ),
        (
            &[],
            json!([{ "name": "root" }]),
            "/root/data",
            &["root 755 root", "root/data 755 root"],
        ),
        (
            &[],
            json!([{ "name": "op", "homeDir": "/" }]),
            "/data",
            &["data 755 root"],
        ),
    ];
    for (before, users, path, expected) in cases {
        let machine = Machine::new(1);
        machine.write("etc/login.defs", "USERGROUPS_ENAB yes\nHOME_MODE 0700\n");
        for (directory, mode) in before {
            fs::create_dir_all(machine.root(directory)).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(*mode);
            fs::set_permissions(machine.root(directory), mode).unwrap();
        }
        let filesystem = json!({ "device": machine.disks[0], "format": "ext4", "path": path });
        let config = config(json!({
            "passwd": { "users": users },
            "storage": { "filesystems": [filesystem] },
        }));
        let boot = machine.boot(&config);
        good(boot.stages(&STAGES[..4]));
        let paths: Vec<&str> = expected
            .iter()
            .map(|line| line.split(' ').next().unwrap())
            .collect();
        assert_eq!(owners(&machine, &paths), expected, "{config}");
        // A second run has nothing to do about it.
        let again = good(boot.stage("files"));
        assert!(!again.out.contains("home of op"), "{}", again.out);
        good(boot.stage("umount"));
    }
}

#[test]
fn a_root_that_was_booted_before_has_its_units_enabled() {
    let unit = |name: &str, text: &str| json!({ "name": name, "enabled": true, "contents": text });
    let install = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n";
    let config = config(json!({ "systemd": { "units": [
        unit("hello.service", install),
        { "name": "sshd.service", "enabled": true },
        { "name": "none.service", "enabled": true },
    ] } }));
    let link = "etc/systemd/system/multi-user.target.wants/hello.service";
    for id in [
        None,
        Some("uninitialized\n"),
        Some("0123456789abcdef0123456789abcdef\n"),
    ] {
        let machine = Machine::new(0);
        if let Some(id) = id {
            machine.write("etc/machine-id", id);
        }
        machine.write("usr/lib/systemd/system/sshd.service", install);
        let said = good(machine.boot(&config).stages(&STAGES[..4]));
        assert!(
            machine
                .text("etc/systemd/system-preset/20-ignition.preset")
                .contains("enable hello.service")
        );
        let is_enabled = fs::symlink_metadata(machine.root(link)).is_ok();
        let booted = id.is_some_and(|id| !id.starts_with("uninitialized"));
        assert_eq!(is_enabled, booted, "{id:?}");
        assert_eq!(
            said.out.contains("warning: none.service is not enabled"),
            booted,
            "{}",
            said.out
        );
        if booted {
            assert_eq!(
                fs::read_link(machine.root(link)).unwrap().to_str(),
                Some("/etc/systemd/system/hello.service")
            );
            let sshd = machine.root("etc/systemd/system/multi-user.target.wants/sshd.service");
            assert_eq!(
                fs::read_link(sshd).unwrap().to_str(),
                Some("/usr/lib/systemd/system/sshd.service")
            );
            // As systemctl itself sees it.
            let root = machine.root("");
            let seen = run(&format!(
                "systemctl --root {} is-enabled hello.service sshd.service",
                root.display()
            ));
            assert_eq!(seen.out.trim(), "enabled\nenabled", "{seen:?}");
        }
        good(machine.boot(&config).stages(&STAGES[..4]));
    }
}
