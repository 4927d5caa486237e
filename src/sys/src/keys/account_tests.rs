//! Users who are made for the platform, by the real tools of shadow-utils.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use pilotlight_core::keys::{Attributes, Desired, Heard, Layout, difference, of_attributes};

use super::*;

const NOW: u64 = 1_795_910_400;
const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB891+WDuiFVYrLcVTpwxwXVp3dsHoT1wcmC1mZ9aaYY";

fn machine() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for directory in ["etc/skel", "etc/sudoers.d", "home", "bin"] {
        fs::create_dir_all(dir.path().join(directory)).unwrap();
    }
    fs::write(dir.path().join("bin/bash"), "").unwrap();
    for (name, text) in [
        (
            "passwd",
            "root:x:0:0::/root:/bin/sh\nold:x:1500:1500::/home/old:/bin/sh\n",
        ),
        ("group", "root:x:0:\nadm:x:4:\nvideo:x:44:\n"),
        ("shadow", "root:*:1::::::\nold:*:1::::::\n"),
        (
            "login.defs",
            "USERGROUPS_ENAB yes\nUID_MIN 1000\nUID_MAX 60000\nGID_MIN 1000\nGID_MAX 60000\n",
        ),
    ] {
        fs::write(dir.path().join("etc").join(name), text).unwrap();
    }
    dir
}

fn wanted(users: &[&str], heard: Heard) -> Desired {
    let lines: Vec<String> = users.iter().map(|user| format!("{user}:{KEY}")).collect();
    let lines = lines.join("\n");
    let instance = Attributes {
        ssh_keys: Some(&lines),
        ..Attributes::default()
    };
    of_attributes(&instance, &Attributes::default(), heard).0
}

fn run(root: &Path, desired: &Desired) -> Vec<String> {
    let state_directory = root.join("state");
    let state = read_state(&state_directory).unwrap();
    let seen = observe(root, desired, Layout::Block, state.as_ref()).unwrap();
    let mut target = Target {
        root,
        state_directory: &state_directory,
        state: seen.state.clone(),
        update_ssh_keys: UPDATE_SSH_KEYS,
    };
    let found = difference(desired, &seen, NOW);
    for op in &found.ops {
        apply(op, &mut target).unwrap();
    }
    found.ops.iter().map(ToString::to_string).collect()
}

fn line(root: &Path, file: &str, name: &str) -> String {
    let text = fs::read_to_string(root.join(file)).unwrap();
    let mut lines = text.lines();
    let found = lines.find(|line| line.split(':').next() == Some(name));
    found.unwrap_or_default().into()
}

#[test]
fn users_are_made_and_remembered() {
    let dir = machine();
    let root = dir.path();
    fs::create_dir(root.join("root")).unwrap();
    assert_eq!(
        run(root, &wanted(&["bob", "root"], Heard::Whole)),
        [
            "make the group google-sudoers and /etc/sudoers.d/google_sudoers: users that the platform names are its administrators",
            "make the user \"bob\" in adm, video, google-sudoers: the platform names a user that there is not",
            "write ~bob/.ssh/authorized_keys: +1 −0: the platform lists them",
            "write ~root/.ssh/authorized_keys: +1 −0: the platform lists them",
        ]
    );
    let uid = |path: &str| fs::metadata(root.join(path)).unwrap().uid();
    assert_eq!(uid("home/bob/.ssh/authorized_keys"), uid("home/bob"));
    assert_eq!(uid("root/.ssh/authorized_keys"), 0);
    let state = read_state(&root.join("state")).unwrap().unwrap();
    assert_eq!(
        state.text(),
        "{\"version\":1,\"known\":[\"bob\",\"root\"],\"made\":[\"bob\"]}\n"
    );
}

#[test]
fn what_was_given_is_taken_back_and_the_home_stays() {
    let dir = machine();
    let root = dir.path();
    run(root, &wanted(&["bob"], Heard::Whole));
    assert!(line(root, "etc/passwd", "bob").ends_with(":/home/bob:/bin/bash"));
    assert!(line(root, "etc/shadow", "bob").starts_with("bob:*:"));
    for group in ["adm", "video", "google-sudoers"] {
        assert!(line(root, "etc/group", group).ends_with(":bob"), "{group}");
    }
    let sudoers = root.join("etc/sudoers.d/google_sudoers");
    assert_eq!(
        fs::read_to_string(&sudoers).unwrap(),
        "%google-sudoers ALL=(ALL:ALL) NOPASSWD:ALL\n"
    );
    assert_eq!(fs::metadata(&sudoers).unwrap().mode() & 0o777 & !0o440, 0);
    let keys = root.join("home/bob/.ssh/authorized_keys");
    assert!(fs::read_to_string(&keys).unwrap().contains(KEY));
    assert_eq!(run(root, &wanted(&["bob"], Heard::Whole)), [""; 0]);
    assert_eq!(run(root, &wanted(&[], Heard::Partly)), [""; 0]);
    fs::write(root.join("home/bob/file"), "mine").unwrap();
    assert_eq!(
        run(root, &wanted(&[], Heard::Whole)),
        [
            "remove ~bob/.ssh/authorized_keys: +0 −1: the platform does not list them any more",
            "remove the user \"bob\" from google-sudoers: the platform does not name the user any more",
        ]
    );
    assert!(!keys.exists() && root.join("home/bob/file").exists());
    assert!(line(root, "etc/group", "google-sudoers").ends_with(':'));
    assert!(line(root, "etc/group", "adm").ends_with(":bob"));
    assert_eq!(run(root, &wanted(&[], Heard::Whole)), [""; 0]);
    // What the administrator has changed in the file for sudo stays.
    fs::write(&sudoers, "# nothing\n").unwrap();
    assert_eq!(run(root, &wanted(&["bob"], Heard::Whole)).len(), 2);
    assert!(line(root, "etc/group", "google-sudoers").ends_with(":bob"));
    assert_eq!(fs::read_to_string(&sudoers).unwrap(), "# nothing\n");
}

#[test]
fn users_of_the_guest_agent_are_taken_over() {
    let dir = machine();
    let root = dir.path();
    fs::create_dir_all(root.join("var/lib/google")).unwrap();
    fs::write(root.join("var/lib/google/google_users"), "old\ngone\n").unwrap();
    fs::create_dir_all(root.join("home/old/.ssh")).unwrap();
    for path in ["home/old", "home/old/.ssh"] {
        std::os::unix::fs::chown(root.join(path), Some(1500), Some(1500)).unwrap();
    }
    let file = root.join("home/old/.ssh/authorized_keys");
    fs::write(&file, format!("mine\n# Added by Google\n{KEY}\n")).unwrap();
    std::os::unix::fs::chown(&file, Some(1500), Some(1500)).unwrap();
    let group = "root:x:0:\nadm:x:4:old\ngoogle-sudoers:x:1600:old\n";
    fs::write(root.join("etc/group"), group).unwrap();
    assert_eq!(
        run(root, &wanted(&["old"], Heard::Whole)),
        ["write ~old/.ssh/authorized_keys: +0 −0, 1 taken over: they are the platform's"]
    );
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(
        text,
        format!(
            "mine\n{}\n{KEY}\n{}\n",
            pilotlight_core::keys::BEGIN,
            pilotlight_core::keys::END
        )
    );
    assert_eq!(
        run(root, &wanted(&[], Heard::Whole)),
        [
            "write ~old/.ssh/authorized_keys: +0 −1: the platform does not list them any more",
            "remove the user \"old\" from google-sudoers: the platform does not name the user any more",
        ]
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine\n");
    assert_eq!(line(root, "etc/group", "adm"), "adm:x:4:old");
    assert_eq!(run(root, &wanted(&[], Heard::Whole)), [""; 0]);
}

#[test]
fn a_state_that_cannot_be_read_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("a/state");
    assert_eq!(read_state(&at).unwrap(), None);
    let mut state = State::default();
    state.made.insert("bob".into());
    write_state(&at, &state).unwrap();
    assert_eq!(read_state(&at).unwrap(), Some(state));
    assert_eq!(
        fs::metadata(at.join("ssh-keys.json")).unwrap().mode() & 0o777,
        0o600
    );
    fs::write(at.join("ssh-keys.json"), "{").unwrap();
    assert!(read_state(&at).is_err());
}
