//! Labels of what a first boot writes, by the real setfiles and a policy's table of contexts, on a real
//! file system. Needs root and the Debian package `policycoreutils`; the host's kernel need not know SELinux.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use pilotlight_tests::{Answer, FirstBoot, pilotlight, tool_with};
use rustix::fs::{XattrFlags, lgetxattr, lremovexattr, lsetxattr};
use rustix::io::Errno;
use serde_json::json;

const ATTRIBUTE: &str = "security.selinux";
/// What the image has labelled everything with, so that whatever is touched shows.
const OLD: &str = "system_u:object_r:old_t:s0";

/// A small policy's table: type by path. The last pattern that matches counts.
const CONTEXTS: &str = "\
/.*\tsystem_u:object_r:default_t:s0
/etc(/.*)?\tsystem_u:object_r:etc_t:s0
/etc/passwd.*\t--\tsystem_u:object_r:passwd_file_t:s0
/etc/group.*\t--\tsystem_u:object_r:passwd_file_t:s0
/etc/systemd/system(/.*)?\tsystem_u:object_r:unit_t:s0
/etc/mine\t-l\tsystem_u:object_r:etc_link_t:s0
/home/[^/]+(/.*)?\tunconfined_u:object_r:user_home_t:s0
/home/[^/]+/\\.ssh(/.*)?\tunconfined_u:object_r:ssh_home_t:s0
/var(/.*)?\tsystem_u:object_r:var_t:s0
/opt(/.*)?\tsystem_u:object_r:opt_t:s0
/data(/.*)?\tsystem_u:object_r:data_t:s0
/data/deep/lost\\+found\t-d\tsystem_u:object_r:lost_found_t:s0
";

/// A mounted ext4 file system as the root, and a directory beside it that is not in it.
struct Root {
    dir: tempfile::TempDir,
    path: PathBuf,
}

impl Root {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("image");
        File::create(&image).unwrap().set_len(64 << 20).unwrap();
        tool_with(&["mkfs.ext4", "-q", image.to_str().unwrap()]);
        let path = dir.path().join("sysroot");
        fs::create_dir(&path).unwrap();
        let point = path.to_str().unwrap();
        tool_with(&["mount", "-o", "loop", image.to_str().unwrap(), point]);
        let root = Self { dir, path };
        for directory in [
            "etc/selinux",
            "etc/default",
            "home",
            "opt",
            "srv/kept",
            "tmp",
            "var",
        ] {
            fs::create_dir_all(root.path.join(directory)).unwrap();
        }
        root.write("etc/passwd", "root:x:0:0:root:/root:/bin/bash\n");
        root.write("etc/group", "root:x:0:\nwheel:x:10:\n");
        root.write(
            "etc/login.defs",
            "USERGROUPS_ENAB yes\nUID_MIN 1000\nGID_MIN 1000\n",
        );
        root.write("srv/kept/file", "old");
        root.write("etc/glob-a", "old");
        root.write("etc/hosts", "old");
        fs::create_dir(root.outside()).unwrap();
        fs::write(root.outside().join("file"), "not of the root").unwrap();
        symlink(root.outside(), root.path.join("var/out")).unwrap();
        root
    }

    /// A directory of the host to which a link of the root points.
    fn outside(&self) -> PathBuf {
        self.dir.path().join("outside")
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// With a policy, and with labels on all that is there.
    fn with_policy(self) -> Self {
        self.write(
            "etc/selinux/config",
            "SELINUX=enforcing\nSELINUXTYPE=small\n",
        );
        // As image builders like to have it: /etc is the node's, the policy the distribution's.
        self.write(
            "usr/lib/selinux/small/contexts/files/file_contexts",
            CONTEXTS,
        );
        symlink(
            "/usr/lib/selinux/small",
            self.path.join("etc/selinux/small"),
        )
        .unwrap();
        for path in everything(&self.path) {
            lsetxattr(&path, ATTRIBUTE, OLD.as_bytes(), XattrFlags::empty()).unwrap();
        }
        self
    }

    /// The type in the label of a path, "" where there is none.
    fn label(&self, path: &str) -> String {
        label(&self.path.join(path.trim_start_matches('/')))
    }

    fn boot(&self, config: &serde_json::Value) -> FirstBoot {
        FirstBoot::new(self.dir.path(), &self.path, config.to_string().as_bytes())
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .args(["--recursive"])
            .arg(&self.path)
            .output();
    }
}

fn everything(root: &Path) -> Vec<PathBuf> {
    let mut list = vec![root.to_path_buf()];
    let mut next = 0;
    while let Some(path) = list.get(next).cloned() {
        next += 1;
        if path.symlink_metadata().unwrap().is_dir() {
            list.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        }
    }
    list
}

fn label(path: &Path) -> String {
    let mut buffer = [0u8; 256];
    match lgetxattr(path, ATTRIBUTE, &mut buffer) {
        Ok(n) => {
            let text = String::from_utf8_lossy(&buffer[..n]);
            let text = text.trim_end_matches('\0');
            text.split(':').nth(2).unwrap_or(text).to_string()
        }
        Err(Errno::NODATA) => String::new(),
        Err(error) => panic!("{}: {error}", path.display()),
    }
}

fn succeeded(answer: &Answer) {
    assert_eq!(answer.code, Some(0), "{}{}", answer.out, answer.err);
}

fn config(outside: &Path) -> serde_json::Value {
    let odd = "/etc/we*ird{a,b}[x]~\\ ?\n";
    json!({
        "ignition": {"version": "3.4.0"},
        "passwd": {"users": [{"name": "core", "sshAuthorizedKeys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5Y5Jn0Sl3T5m2u0QyqJ1rjmUQz8vK0JmB1o0Yx2x0R"]}]},
        "storage": {
            "directories": [{"path": "/srv/kept"}, {"path": "/opt/new/empty"}],
            "files": [
                {"path": odd, "contents": {"source": "data:,x"}},
                {"path": "/etc/glob-*", "contents": {"source": "data:,x"}},
                {"path": "/opt/a/b/c", "contents": {"source": "data:,x"}},
                {"path": "/var/out/new", "contents": {"source": "data:,x"}}
            ],
            "links": [{"path": "/etc/mine", "target": outside.join("file")}]
        },
        "systemd": {"units": [
            {"name": "a.service", "enabled": true, "contents": "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n",
             "dropins": [{"name": "10.conf", "contents": "[Service]\nType=oneshot\n"}]}
        ]}
    })
}

fn expect_labels(root: &Root) {
    let inside = root.outside().join("new");
    let inside = inside.to_str().unwrap();
    for (path, expected) in [
        ("/etc/we*ird{a,b}[x]~\\ ?\n", "etc_t"),
        ("/etc/glob-*", "etc_t"),
        ("/etc/.ignition-result.json", "etc_t"),
        ("/etc/mine", "etc_link_t"),
        ("/etc/passwd", "passwd_file_t"),
        ("/etc/passwd-", "passwd_file_t"),
        ("/etc/group", "passwd_file_t"),
        ("/etc/systemd", "etc_t"),
        ("/etc/systemd/system", "unit_t"),
        ("/etc/systemd/system/a.service", "unit_t"),
        ("/etc/systemd/system/a.service.d", "unit_t"),
        ("/etc/systemd/system/a.service.d/10.conf", "unit_t"),
        ("/etc/systemd/system-preset/20-ignition.preset", "etc_t"),
        ("/opt/a", "opt_t"),
        ("/opt/a/b/c", "opt_t"),
        ("/opt/new/empty", "opt_t"),
        ("/home/core", "user_home_t"),
        ("/home/core/.ssh", "ssh_home_t"),
        ("/home/core/.ssh/authorized_keys.d/ignition", "ssh_home_t"),
        // The link leads to a directory of the same name in the root, which was made.
        (inside, "default_t"),
        // Nobody asked for these.
        ("/", "old_t"),
        ("/etc", "old_t"),
        ("/etc/hosts", "old_t"),
        ("/etc/glob-a", "old_t"),
        ("/etc/login.defs", "old_t"),
        ("/etc/selinux/config", "old_t"),
        ("/home", "old_t"),
        ("/opt", "old_t"),
        ("/srv/kept", "old_t"),
        ("/srv/kept/file", "old_t"),
        ("/var/out", "old_t"),
    ] {
        assert_eq!(root.label(path), expected, "{path}");
    }
    let unlabelled: Vec<PathBuf> = everything(&root.path)
        .into_iter()
        .filter(|path| label(path).is_empty())
        .collect();
    assert!(unlabelled.is_empty(), "without a label: {unlabelled:?}");
    assert_eq!(label(&root.outside()), "");
    assert_eq!(label(&root.outside().join("file")), "");
    assert!(!root.outside().join("new").exists());
}

#[test]
fn what_is_written_gets_the_labels_of_the_policy_and_nothing_else() {
    let root = Root::new().with_policy();
    let boot = root.boot(&config(&root.outside()));
    let answer = boot.stages(&["fetch-offline", "files"]);
    succeeded(&answer);
    expect_labels(&root);
    // The power went before the labels were written.
    for path in everything(&root.path) {
        if label(&path) != "old_t" {
            lremovexattr(&path, ATTRIBUTE).unwrap();
        }
    }
    succeeded(&boot.stage("files"));
    expect_labels(&root);
}

#[test]
fn the_dry_run_shows_the_line_that_the_real_run_logs() {
    let root = Root::new().with_policy();
    let config = config(&root.outside());
    let boot = root.boot(&config);
    let file = root.dir.path().join("config.ign");
    let arguments = [
        "plan",
        file.to_str().unwrap(),
        "--root",
        root.path.to_str().unwrap(),
    ];
    let shown = pilotlight(&arguments);
    succeeded(&shown);
    let line = (shown.out.lines())
        .find(|line| line.contains("SELinux, by"))
        .unwrap_or_else(|| panic!("{}", shown.out));
    assert_eq!(
        line,
        "  label for SELinux, by the policy small, 31 paths and directories made for them, \
         /home/core with all that is in it"
    );
    let answer = boot.stages(&["fetch-offline", "files"]);
    succeeded(&answer);
    assert!(
        answer.out.lines().any(|logged| logged == line),
        "{}",
        answer.out
    );
}

#[test]
fn mount_points_and_new_file_systems_are_labelled() {
    let root = Root::new().with_policy();
    let image = root.dir.path().join("data");
    File::create(&image).unwrap().set_len(32 << 20).unwrap();
    let node = tool_with(&["losetup", "--find", "--show", image.to_str().unwrap()]);
    let boot = root.boot(&json!({
        "ignition": {"version": "3.4.0"},
        "storage": {
            "filesystems": [{"device": node, "format": "ext4", "path": "/data/deep"}],
            "files": [{"path": "/data/deep/file", "contents": {"source": "data:,x"}}]
        }
    }));
    let answer = boot.stages(&["fetch-offline", "disks", "mount", "files"]);
    let labels = [
        "/data",
        "/data/deep",
        "/data/deep/lost+found",
        "/data/deep/file",
    ]
    .map(|path| (answer.code == Some(0)).then(|| root.label(path)));
    let undone = boot.stage("umount");
    tool_with(&["losetup", "--detach", &node]);
    succeeded(&answer);
    succeeded(&undone);
    let expected = ["data_t", "data_t", "lost_found_t", "data_t"];
    assert_eq!(labels, expected.map(|label| Some(label.to_string())));
    assert_eq!(root.label("/data/deep"), "data_t", "beneath the mount");
    assert!(!root.path.join("data/deep/file").exists());
}

#[test]
fn a_missing_setfiles_is_said_before_anything_is_touched() {
    let root = Root::new().with_policy();
    let boot = root
        .boot(&config(&root.outside()))
        .with("PATH", "/nonexistent");
    let before = everything(&root.path);
    let answer = boot.stages(&["fetch-offline", "files"]);
    assert_eq!(answer.code, Some(1), "{answer:?}");
    for words in ["policy \"small\"", "\"setfiles\"", "policycoreutils"] {
        assert!(answer.out.contains(words), "{}", answer.out);
    }
    assert_eq!(everything(&root.path), before);
}

#[test]
fn a_root_without_a_policy_needs_no_setfiles() {
    let plain = json!({
        "ignition": {"version": "3.4.0"},
        "storage": {"files": [{"path": "/etc/file", "contents": {"source": "data:,x"}}]}
    });
    for (config, warning) in [
        (None, None),
        (Some("SELINUX=disabled\nSELINUXTYPE=small\n"), None),
        (
            Some("SELINUX=enforcing\nSELINUXTYPE=other\n"),
            Some("names the policy \"other\", but there is no file"),
        ),
        (
            Some("SELINUXTYPE=../../tmp\n"),
            Some("not the plain name of a policy"),
        ),
    ] {
        let root = Root::new();
        root.write("etc/selinux/small/contexts/files/file_contexts", CONTEXTS);
        if let Some(config) = config {
            root.write("etc/selinux/config", config);
        }
        let boot = root.boot(&plain).with("PATH", "/nonexistent");
        let answer = boot.stages(&["fetch-offline", "files"]);
        succeeded(&answer);
        assert_eq!(root.label("/etc/file"), "");
        match warning {
            Some(words) => assert!(answer.out.contains(words), "{}", answer.out),
            None => assert!(!answer.out.contains("SELinux"), "{}", answer.out),
        }
    }
}
