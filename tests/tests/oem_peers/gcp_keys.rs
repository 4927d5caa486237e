//! What google-guest-agent makes of SSH keys, as a document: whoever comes from it has these files.

use std::path::Path;
use std::time::Instant;

use pilotlight_tests::metadata_server::Server;
use pilotlight_tests::uml::Guest;
use pilotlight_tests::{run, tool};
use serde_json::json;

use crate::gcp::{FIRST, NETWORK_ALONE, interfaces, start};
use crate::machine::{begin, stop};
use crate::{LINK, SOON};

const KEYS: &str = "alice:ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAlice alice@desk
bob:ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBob google-ssh {\"userName\":\"bob\",\"expireOn\":\"2001-02-03T04:05:06+0000\"}
carol:ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICarol google-ssh {\"userName\":\"carol\",\"expireOn\":\"2101-02-03T04:05:06+0000\"}
alice:ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAlice2";

fn says(keys: &str) -> impl Fn(&str) -> Option<String> + use<> {
    let all = json!({
        "instance": {
            "id": 1, "attributes": { "ssh-keys": keys }, "networkInterfaces": [{ "mac": FIRST, "ip": "10.128.0.13" }],
        },
        "project": { "attributes": {} },
    });
    let text = all.to_string();
    move |path| (path.trim_end_matches('/') == "/computeMetadata/v1").then(|| text.clone())
}

const ALICE: &str = "/home/alice/.ssh/authorized_keys";
const CAROL: &str = "/home/carol/.ssh/authorized_keys";
const USERS: &str = "/var/lib/google/google_users";

fn sorted(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// Waits until a file holds this; an absent one holds nothing.
#[track_caller]
fn holds(path: &str, expected: &str) {
    becomes(path, str::to_string, expected);
}

/// The same of what is made of its text.
#[track_caller]
fn becomes(path: &str, made: impl Fn(&str) -> String, expected: &str) {
    let begun = Instant::now();
    loop {
        let there = std::fs::read_to_string(path).unwrap_or_default();
        if made(&there) == expected {
            return;
        }
        assert!(begun.elapsed() < SOON, "{path}: {there:?}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
#[ignore = "needs Google's agent: make peers"]
fn ssh_keys() {
    let mut guest = Guest::new();
    let nics = [guest.nic(FIRST)];
    guest.boot(|| {
        begin();
        tool("mkdir -p /etc/sudoers.d");
        interfaces(&nics);
        let server = Server::start(&format!("{LINK}:80"), says(KEYS));
        let (accounts, rest) = NETWORK_ALONE.split_first().unwrap();
        assert_eq!(accounts.1, "accounts_daemon = false");
        let peer = start(rest);
        // Every key with a line above it; one whose time is over makes no user.
        holds(
            ALICE,
            "# Added by Google\nssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAlice alice@desk\n\
             # Added by Google\nssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAlice2\n",
        );
        let comment = r#"google-ssh {"userName":"carol","expireOn":"2101-02-03T04:05:06+0000"}"#;
        holds(
            CAROL,
            &format!("# Added by Google\nssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICarol {comment}\n"),
        );
        // In the order of a map of Go, which is another one each time.
        becomes(USERS, sorted, "alice\ncarol");
        assert_eq!(run("id bob").code, Some(1));
        assert_eq!(
            tool(&format!("stat -c %a,%U,%G {ALICE} {CAROL}")),
            "600,alice,alice\n600,carol,carol"
        );
        holds(
            "/etc/sudoers.d/google_sudoers",
            "%google-sudoers ALL=(ALL:ALL) NOPASSWD:ALL\n",
        );
        // Nobody is named any more: the files of keys go, and the users stay.
        server.change(says(""));
        for path in [ALICE, CAROL, USERS] {
            holds(path, "");
        }
        assert!(!Path::new(ALICE).exists());
        tool("id alice");
        stop(peer);
    });
}
