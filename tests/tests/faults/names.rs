//! Names that cannot be looked up at first, and networks that have one family of addresses only.

use pilotlight_tests::faults::{Names, Web, isolated, run, say};

use crate::{Node, SERVER, config};

const DNS: &str = "192.0.2.53/32";
const LINE: &str = "ignition.config.url=http://config.example/node.ign";

/// Boots by name; the name server knows `addresses` and is awake from the beginning.
fn boots(node_addresses: &[&str], known: &[&str], server: &str, before: impl FnOnce() + Send) {
    isolated(&[node_addresses, &[DNS]].concat(), || {
        before();
        let web = Web::start(server, |_| say("200 OK", &[], config("there")));
        let node = Node::started_with(LINE);
        let names = Names::start("192.0.2.53", "config.example", known, node.directory.path());
        names.wake();
        let answer = node.fetch().ends();
        assert_eq!(answer.code, Some(0), "{answer:?}");
        assert!(node.cached().contains("/etc/there"));
        assert_eq!(web.asked()[0].header("host"), Some("config.example"));
    });
}

#[test]
fn a_name_server_that_fails_at_first_is_asked_again() {
    isolated(&[SERVER, DNS], || {
        Web::start("192.0.2.1:80", |_| say("200 OK", &[], config("there")));
        let node = Node::started_with(LINE);
        let known = ["192.0.2.1"];
        let names = Names::start(
            "192.0.2.53",
            "config.example",
            &known,
            node.directory.path(),
        );
        let mut run = node.fetch();
        let line = run.says(&["waiting for http://config.example/node.ign: cannot connect: "]);
        assert!(
            line.contains("failed to lookup address information"),
            "{line}"
        );
        names.wake();
        let answer = run.ends();
        assert_eq!(answer.code, Some(0), "{answer:?}");
        assert!(node.cached().contains("/etc/there"));
    });
}

#[test]
fn ipv4_only() {
    // The name has an IPv6 address as well, to which no way leads.
    boots(
        &[SERVER],
        &["2001:db8::1", "192.0.2.1"],
        "192.0.2.1:80",
        || (),
    );
}

#[test]
fn ipv6_only() {
    boots(
        &["2001:db8::1/128"],
        &["203.0.113.1", "2001:db8::1"],
        "[2001:db8::1]:80",
        || (),
    );
}

#[test]
fn an_address_that_swallows_everything_is_not_waited_for() {
    // Packets to this network end in lo, unanswered.
    let swallow = || run(&["ip", "route", "add", "2001:db8:dead::/48", "dev", "lo"]);
    boots(
        &[SERVER, "2001:db8::1/128"],
        &["2001:db8:dead::1", "192.0.2.1"],
        "192.0.2.1:80",
        swallow,
    );
}

#[test]
fn an_address_instead_of_a_name() {
    isolated(&["fd00:ec2::254/128"], || {
        Web::start("[fd00:ec2::254]:80", |_| {
            say("200 OK", &[], config("there"))
        });
        let node = Node::started_with("ignition.config.url=http://[fd00:ec2::254]/node.ign");
        assert_eq!(node.fetch().ends().code, Some(0));
    });
}
