//! `pilotlight oem once` against metadata services on their real addresses that fail as they do, and its units.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod failing;
mod naming;
mod services;
mod units;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use pilotlight_tests::faults::{Act, Asked, Web, cover, isolated, say};
use pilotlight_tests::{Answer, pilotlight, program};

const LINK: &str = "169.254.169.254";
const OLD: &str = "AFTERBURN_OLD=1\n";
const DROPLET: &str = r#"{"droplet_id": 7, "hostname": "drop-1", "region": "sea9",
    "public_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAmkTfuPejK8ZPh1qGOkShcxeDgpOAhpcFU9wDtEs6vm me"]}"#;
const DROPLETS: &str =
    "AFTERBURN_DIGITALOCEAN_HOSTNAME=drop-1\nAFTERBURN_DIGITALOCEAN_REGION=sea9\n";

/// A directory with a good file of an earlier time.
struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("attributes"), OLD).unwrap();
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn shown(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// What there is besides the file of the earlier time.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap().flatten();
        let mut names: Vec<String> = entries
            .map(|entry| entry.file_name().into_string().unwrap())
            .filter(|name| name != "attributes")
            .collect();
        names.sort();
        names
    }
}

fn once(words: &[&str]) -> Answer {
    pilotlight(&[&["oem", "once"], words].concat())
}

fn droplet(_: &Asked) -> Act {
    say("200 OK", &[], DROPLET)
}

#[test]
fn all_jobs_are_done_with_one_answer() {
    let place = Place::new();
    let root = place.path("root");
    fs::create_dir(&root).unwrap();
    isolated(&[&format!("{LINK}/32")], || {
        let web = Web::start(&format!("{LINK}:80"), droplet);
        cover("/root", &root);
        let answer = once(&[
            "--platform=digitalocean",
            &format!("--attributes={}", place.shown("attributes")),
            &format!(
                "--flatcar-attributes={}",
                place.shown("run/metadata/flatcar")
            ),
            &format!("--hostname={}", place.shown("etc/hostname")),
            &format!("--network-units={}", place.shown("network")),
            "--ssh-keys=root",
            "--check-in",
        ]);
        assert_eq!(
            (answer.code, answer.out.as_str()),
            (Some(0), ""),
            "{answer:?}"
        );
        for line in [
            "wrote 2 attributes to",
            "wrote the host name drop-1 to",
            "1 SSH keys of the platform are in ~root/.ssh/authorized_keys.d/afterburn",
            "digitalocean describes no network for systemd-networkd",
            "warning: digitalocean does not want to know that the machine is up",
        ] {
            assert!(answer.err.contains(line), "{line:?} is not in: {answer:?}");
        }
        assert_eq!(web.paths(), ["/metadata/v1.json"]);
    });
    assert_eq!(place.text("attributes"), DROPLETS);
    let flatcars = DROPLETS.replace("AFTERBURN", "COREOS");
    assert_eq!(place.text("run/metadata/flatcar"), flatcars);
    assert_eq!(
        fs::read_link(place.path("run/metadata/coreos")).unwrap(),
        Path::new("flatcar")
    );
    assert_eq!(place.text("etc/hostname"), "drop-1\n");
    assert_eq!(
        place.text("root/.ssh/authorized_keys.d/afterburn"),
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAmkTfuPejK8ZPh1qGOkShcxeDgpOAhpcFU9wDtEs6vm me\n"
    );
    assert!(!place.path("network").exists());
    for (name, mode) in [
        ("run/metadata", 0o755),
        ("run/metadata/flatcar", 0o644),
        ("attributes", 0o644),
    ] {
        let stat = fs::metadata(place.path(name)).unwrap();
        assert_eq!(stat.permissions().mode() & 0o777, mode, "{name}");
    }
}

#[test]
fn a_stream_is_written_to() {
    isolated(&[&format!("{LINK}/32")], || {
        let _web = Web::start(&format!("{LINK}:80"), droplet);
        let answer = once(&["--provider=digitalocean", "--attributes=/dev/stdout"]);
        assert_eq!(
            (answer.code, answer.out.as_str()),
            (Some(0), DROPLETS),
            "{answer:?}"
        );
    });
}

#[test]
fn shells_read_what_the_platform_said() {
    let place = Place::new();
    let name = "a b$(c)`d`\"e\\f'g #h;i=~ %n $X \u{fc} !j *";
    let body = serde_json::json!({ "hostname": name, "region": "AWS GCP" }).to_string();
    let path = place.shown("flatcar");
    isolated(&[&format!("{LINK}/32")], || {
        let _web = Web::start(&format!("{LINK}:80"), move |_| say("200 OK", &[], &body));
        let answer = once(&["--provider=digitalocean", "--flatcar-attributes", &path]);
        assert_eq!(answer.code, Some(0), "{answer:?}");
    });
    let script = ". \"$0\" && printf '%s|%s' \"$COREOS_DIGITALOCEAN_HOSTNAME\" \"$COREOS_DIGITALOCEAN_REGION\"";
    for shell in ["sh", "bash"] {
        let output = Command::new(shell)
            .args(["-c", script, &path])
            .output()
            .unwrap();
        let answer = Answer::from(output);
        assert_eq!(answer.out, format!("{name}|AWS GCP"), "{shell}: {answer:?}");
    }
}

#[test]
fn no_keys_are_no_failure_and_take_none_away() {
    let place = Place::new();
    let root = place.path("root");
    fs::create_dir_all(root.join(".ssh/authorized_keys.d")).unwrap();
    let file = root.join(".ssh/authorized_keys.d/afterburn");
    fs::write(&file, "old\n").unwrap();
    isolated(&[&format!("{LINK}/32")], || {
        let _web = Web::start(&format!("{LINK}:80"), |_| say("404 Not Found", &[], ""));
        cover("/root", &root);
        let answer = once(&["--provider=hetzner", "--ssh-keys=root"]);
        assert_eq!(answer.code, Some(0), "{answer:?}");
        let line =
            "the platform names no SSH key: ~root/.ssh/authorized_keys.d/afterburn stays as it was";
        assert!(answer.err.contains(line), "{answer:?}");
        assert!(!answer.err.contains("wrote"), "{answer:?}");
        let answer = once(&["--provider=hetzner", "--ssh-keys=nobody-here"]);
        assert_eq!(answer.code, Some(1), "{answer:?}");
        assert!(
            answer.err.contains(
                "the SSH keys of \"nobody-here\" stay as they are: there is no such user"
            ),
            "{answer:?}"
        );
    });
    assert_eq!(fs::read_to_string(&file).unwrap(), "old\n");
}

#[test]
fn the_platform_learns_that_the_machine_is_up() {
    let wire = "168.63.129.16";
    let answer = isolated(&[&format!("{wire}/32")], || {
        let web = Web::start(&format!("{wire}:80"), services::wireserver);
        let answer = once(&["--provider=azure", "--check-in", "--timeout=9"]);
        assert_eq!(
            web.paths(),
            ["/machine/?comp=goalstate", "/machine/?comp=health"]
        );
        answer
    });
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert!(
        answer.err.contains("told azure that the machine is up"),
        "{answer:?}"
    );
    let answer = isolated(&[&format!("{wire}/32")], || {
        let _web = Web::start(&format!("{wire}:80"), |_| {
            say("500 Internal Server Error", &[], "")
        });
        once(&["--provider=azure", "--check-in", "--timeout=2"])
    });
    assert_eq!(answer.code, Some(1), "{answer:?}");
    let words = "error: while telling the platform azure that the machine is up: ";
    assert!(
        answer.err.contains(words) && answer.err.contains("500"),
        "{answer:?}"
    );
}

#[test]
fn a_machine_that_could_not_be_set_up_does_not_say_that_it_is_up() {
    let wire = "168.63.129.16";
    let place = Place::new();
    isolated(&[&format!("{LINK}/32"), &format!("{wire}/32")], || {
        let web = Web::start(&format!("{wire}:80"), services::wireserver);
        let _imds = Web::start(&format!("{LINK}:80"), |_| {
            say("200 OK", &[], r#"{"compute": {"name": "vm-a"}}"#)
        });
        let directory = place.directory.path().display().to_string();
        let answer = once(&["--provider=azure", "--hostname", &directory, "--check-in"]);
        assert_eq!(answer.code, Some(1), "{answer:?}");
        assert_eq!(web.paths(), [""; 0]);
    });
}

#[test]
fn arguments_that_ask_for_nothing_are_wrong() {
    for words in [
        &[][..],
        &["--provider=aws"],
        &["--provider=aws", "--cmdline", "--check-in"],
        &["--check-in", "--timeout=0"],
        &["--check-in", "word"],
    ] {
        assert_eq!(once(words).code, Some(2), "{words:?}");
    }
    let help = once(&["--help"]);
    assert_eq!(help.code, Some(0));
    assert!(help.out.contains("Examples:") && help.out.contains("--flatcar-attributes"));
}

#[test]
fn vmwares_owner_says_how_the_initramfs_gets_its_network() {
    let place = Place::new();
    for name in ["bin", "run", "etc", "etc/cmdline.d"] {
        fs::create_dir(place.path(name)).unwrap();
    }
    let tool = place.path("bin/vmware-rpctool");
    let script = "#!/bin/sh\n[ \"$1\" = 'info-get guestinfo.afterburn.initrd.network-kargs' ] && \
        echo 'ip=192.0.2.7::192.0.2.1:24::ens192:none'\n";
    fs::write(&tool, script).unwrap();
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(place.path("cmdline"), "root=x dyndbg=\"file a +p\"\n").unwrap();
    std::os::unix::fs::symlink(program(), place.path("bin/afterburn")).unwrap();
    let answer = isolated(&[], || {
        cover("/etc", &place.path("etc"));
        cover("/run", &place.path("run"));
        cover("/proc/cmdline", &place.path("cmdline"));
        let path = format!("{}:/usr/bin:/bin", place.shown("bin"));
        let mut command = Command::new(place.path("bin/afterburn"));
        command.args([
            "exp",
            "rd-network-kargs",
            "--provider=vmware",
            "--default-value=ip=dhcp",
        ]);
        Answer::from(command.env("PATH", path).output().unwrap())
    });
    assert_eq!(
        (answer.code, answer.out.as_str()),
        (Some(0), ""),
        "{answer:?}"
    );
    let kargs = "ip=192.0.2.7::192.0.2.1:24::ens192:none";
    assert_eq!(
        place.text("etc/cmdline.d/50-afterburn-network-kargs.conf"),
        format!("{kargs}\n")
    );
    assert_eq!(
        place.text("run/afterburn/network-generator.env"),
        format!("SYSTEMD_PROC_CMDLINE=\"root=x dyndbg=\\\"file a +p\\\" {kargs}\"\n")
    );
}
