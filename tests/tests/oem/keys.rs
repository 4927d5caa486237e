//! Compute Engine's SSH keys while the machine runs.

use std::fs;
use std::time::Instant;

use pilotlight_tests::metadata_server::{Mood, Server};
use pilotlight_tests::tool;
use pilotlight_tests::uml::Guest;

use crate::{Daemon, LINK, SOON};

const MAC: &str = "42:01:0a:80:00:0d";
const ONE: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEnPCBDs2HUNc+M5MHZt5prp8owj1GxHdoq69AxNCzDI one";
const TWO: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAmkTfuPejK8ZPh1qGOkShcxeDgpOAhpcFU9wDtEs6vm two";

fn says(attributes: &str) -> impl Fn(&str) -> Option<String> + use<> {
    let text = format!(
        r#"{{"instance": {{"attributes": {{{attributes}}}, "networkInterfaces": [{{"mac": "{MAC}"}}]}},
            "project": {{"attributes": {{}}}}}}"#
    );
    move |path| (path == "/computeMetadata/v1/").then(|| text.clone())
}

/// The keys of a user's file: all lines but comments.
fn keys(user: &str) -> Vec<String> {
    let text = fs::read_to_string(format!("/home/{user}/.ssh/authorized_keys")).unwrap_or_default();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(str::to_string).collect()
}

#[track_caller]
fn become_of(user: &str, expected: &[&str]) {
    let begun = Instant::now();
    while keys(user) != expected {
        assert!(
            begun.elapsed() < SOON,
            "{user}: {:?}, not {expected:?}",
            keys(user)
        );
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn keys_come_and_go_and_a_persons_own_stay() {
    let mut guest = Guest::new();
    let nic = guest.nic(MAC);
    guest.boot(|| {
        crate::begin();
        tool(&format!("ip link set {nic} up"));
        tool("useradd --create-home ann");
        fs::create_dir("/home/ann/.ssh").unwrap();
        let own = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAID6vb04G39S1bSRceUBjvpIMvYxhqfAsUcvjNj6lJA0k own";
        fs::write("/home/ann/.ssh/authorized_keys", format!("{own}\n")).unwrap();
        tool("chown -R ann:ann /home/ann/.ssh");
        let both = format!(r#""ssh-keys": "ann:{ONE}\nnonsense\nann:{TWO}\nbob:{TWO}\n""#);
        let server = Server::start(&format!("{LINK}:80"), says(&both));
        let mut daemon = Daemon::start("gcp");
        daemon.says(&["instance/attributes/ssh-keys, line 2", "left out"]);
        become_of("ann", &[own, ONE, TWO]);
        // A user that there is not is made, as the platform's own agent does.
        become_of("bob", &[TWO]);
        let shown = tool("stat -c %U:%G:%a /home/bob/.ssh /home/bob/.ssh/authorized_keys");
        assert_eq!(shown, "bob:bob:700\nbob:bob:600");
        assert!(tool("id bob").contains("google-sudoers"));

        // One that the platform does not list any more goes, the others stay.
        let one = format!(r#""ssh-keys": "ann:{ONE}""#);
        server.change(says(&one));
        become_of("ann", &[own, ONE]);
        become_of("bob", &[]);
        daemon.says(&["remove the user \"bob\" from google-sudoers"]);
        assert!(!tool("id bob").contains("google-sudoers"));
        // An answer that fails takes none away.
        let asked = server.count();
        server.is(Mood::Half);
        server.change(says(""));
        server.was_asked(asked + 2);
        assert_eq!(keys("ann"), [own, ONE]);
        // While OS Login is on, keys are not ours.
        server.change(says(r#""enable-oslogin": "TRUE""#));
        server.is(Mood::Well);
        daemon.says(&["SSH keys are left to OS Login"]);
        assert_eq!(keys("ann"), [own, ONE]);
        // A key whose time is over.
        let over = format!(
            r#""ssh-keys": "ann:{ONE} google-ssh {{\"userName\": \"ann\", \"expireOn\": \"2020-01-02T03:04:05+0000\"}}""#
        );
        server.change(says(&over.replace(" one google-ssh", " google-ssh")));
        become_of("ann", &[own]);
        let said = daemon.stop();
        assert!(!said.contains("AAAAC3"), "no key is logged: {said}");
    });
}
