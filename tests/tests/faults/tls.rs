//! Certificates that are over, of somebody else, of nobody known, and the one that the config names.

use pilotlight_tests::faults::{Authority, Identity, Web, isolated, say, tls};
use pilotlight_tests::{Answer, faults::Running};

use crate::{Node, SERVER, remote};

const URL: &str = "https://192.0.2.1/f";

fn authorities(pem: &str) -> String {
    let source: String = pem.bytes().map(|byte| format!("%{byte:02x}")).collect();
    format!(r#","security":{{"tls":{{"certificateAuthorities":[{{"source":"data:,{source}"}}]}}}}"#)
}

/// Starts a node that trusts `pem` and wants a file from a server with this identity.
fn meet(identity: &Identity, ignition: &str, then: impl FnOnce(Running, &Node) + Send) {
    let config = tls(identity);
    isolated(&[SERVER], || {
        Web::start_tls("192.0.2.1:443", config, |_| say("200 OK", &[], "hello"));
        let node = Node::new(&remote(URL, ignition));
        then(node.fetch(), &node);
    });
}

/// The stage fails at once and says these words about the certificate.
fn refused(identity: &Identity, ignition: &str, words: &str) {
    meet(identity, ignition, |run, node| {
        let answer: Answer = run.ends();
        assert_eq!(answer.code, Some(1), "{answer:?}");
        for text in [
            &format!(
                "error: while fetching {URL}: the server's TLS certificate is refused: {words}"
            ),
            "config.ign:3:",
            "nothing has been changed on this machine's disks",
        ] {
            assert!(
                answer.out.contains(text),
                "{text:?} is not in:\n{}",
                answer.out
            );
        }
        assert!(!node.has_config());
    });
}

#[test]
fn a_named_authority_is_trusted() {
    let authority = Authority::new("the fleet's own");
    let identity = authority.issue(&["192.0.2.1"], false);
    meet(&identity, &authorities(&authority.pem()), |run, _| {
        assert_eq!(run.ends().code, Some(0));
    });
}

#[test]
fn a_self_signed_server_is_trusted_when_it_is_named() {
    let identity = Identity::self_signed(&["192.0.2.1"]);
    meet(&identity, &authorities(&identity.pem()), |run, _| {
        assert_eq!(run.ends().code, Some(0));
    });
}

#[test]
fn unknown_authorities_are_refused() {
    let identity = Authority::new("a stranger").issue(&["192.0.2.1"], false);
    let words = "no authority that this machine trusts has signed it";
    refused(&identity, "", words);
    let other = Authority::new("the fleet's own");
    refused(&identity, &authorities(&other.pem()), words);
    let other = Authority::new("a stranger");
    refused(&identity, &authorities(&other.pem()), words);
    refused(&Identity::self_signed(&["192.0.2.1"]), "", words);
}

#[test]
fn a_wrong_name_is_refused() {
    let authority = Authority::new("the fleet's own");
    let identity = authority.issue(&["config.example"], false);
    refused(
        &identity,
        &authorities(&authority.pem()),
        "certificate not valid for name \"192.0.2.1\"",
    );
}

#[test]
fn an_expired_one_is_waited_for_as_the_clock_may_be_wrong() {
    let authority = Authority::new("the fleet's own");
    let identity = authority.issue(&["192.0.2.1"], true);
    let ignition = authorities(&authority.pem()) + r#","timeouts":{"httpTotal":1}"#;
    meet(&identity, &ignition, |mut run, node| {
        let line = run.says(&[
            "waiting for",
            URL,
            "the server's TLS certificate is refused: ",
        ]);
        assert!(line.contains("certificate expired"), "{line}");
        assert!(line.contains("is this machine's clock right?"), "{line}");
        let answer = run.ends();
        assert_eq!(answer.code, Some(1));
        assert!(
            answer
                .out
                .contains("gave up after 1 s; last: the server's TLS"),
            "{}",
            answer.out
        );
        assert!(!node.has_config());
    });
}
