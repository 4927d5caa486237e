//! Servers that send the agent to where only this machine can go, or back from https to http.

use pilotlight_tests::Answer;
use pilotlight_tests::faults::{Authority, Names, Web, isolated, say, tls};

use crate::{Node, SERVER, config, remote};

const METADATA: &str = "169.254.169.254/32";
const DNS: &str = "192.0.2.53/32";
const LINE: &str = "ignition.config.url=http://192.0.2.1/node.ign";

/// A server at 192.0.2.1 that redirects to `location`.
fn redirects_to(location: &str) -> Web {
    let location = format!("Location: {location}");
    Web::start("192.0.2.1:80", move |_| {
        say("302 Found", &[&location], "elsewhere")
    })
}

fn is_refused(answer: &Answer, words: &str) {
    assert_eq!(answer.code, Some(1), "{answer:?}");
    for text in ["the server's redirect is not followed: ", words] {
        assert!(answer.out.contains(text), "{text:?}: {}", answer.out);
    }
}

#[test]
fn not_to_addresses_of_the_machine_or_its_platform() {
    for (location, server, shown) in [
        (
            "http://169.254.169.254/latest/user-data",
            "169.254.169.254:80",
            "169.254.169.254",
        ),
        ("http://127.0.0.1:8080/", "127.0.0.1:8080", "127.0.0.1"),
        ("http://0x7f000001:8080/", "127.0.0.1:8080", "127.0.0.1"),
        (
            "http://[::ffff:127.0.0.1]:8080/",
            "127.0.0.1:8080",
            "127.0.0.1",
        ),
    ] {
        isolated(&[SERVER, METADATA], || {
            redirects_to(location);
            let inside = Web::start(server, |_| say("200 OK", &[], config("inside")));
            let node = Node::started_with(LINE);
            is_refused(&node.fetch().ends(), shown);
            assert!(!node.has_config());
            assert_eq!(inside.paths(), [""; 0], "{location}");
        });
    }
}

#[test]
fn not_by_names_that_lead_there() {
    for known in [&["169.254.169.254"][..], &["192.0.2.1", "169.254.169.254"]] {
        isolated(&[SERVER, METADATA, DNS], || {
            redirects_to("http://inside.example:8080/node.ign");
            let inside = Web::start("169.254.169.254:8080", |_| {
                say("200 OK", &[], config("inside"))
            });
            let node = Node::started_with(LINE);
            let scratch = node.directory.path();
            Names::start("192.0.2.53", "inside.example", known, scratch).wake();
            is_refused(&node.fetch().ends(), "169.254.169.254");
            assert_eq!(inside.paths(), [""; 0]);
        });
    }
}

#[test]
fn by_names_that_lead_elsewhere() {
    isolated(&[SERVER, "192.0.2.2/32", DNS], || {
        redirects_to("http://mirror.example/node.ign");
        Web::start("192.0.2.2:80", |_| say("200 OK", &[], config("there")));
        let node = Node::started_with(LINE);
        let scratch = node.directory.path();
        Names::start("192.0.2.53", "mirror.example", &["192.0.2.2"], scratch).wake();
        let answer = node.fetch().ends();
        assert_eq!(answer.code, Some(0), "{answer:?}");
        assert!(node.cached().contains("/etc/there"));
    });
}

#[test]
fn not_of_a_resource_either() {
    isolated(&[SERVER, METADATA], || {
        redirects_to("http://169.254.169.254/latest/meta-data/iam/security-credentials/node");
        let inside = Web::start("169.254.169.254:80", |_| say("200 OK", &[], "credentials"));
        let node = Node::new(&remote("http://192.0.2.1/f", ""));
        is_refused(&node.fetch().ends(), "name that URL in the config");
        assert_eq!(inside.paths(), [""; 0]);
    });
}

#[test]
fn within_what_the_config_names_itself() {
    // By address, and by a name that leads there.
    for url in ["http://169.254.169.254/a", "http://inside.example/a"] {
        isolated(&[SERVER, METADATA, DNS], || {
            Web::start("169.254.169.254:80", |asked| match asked.path.as_str() {
                "/a" => say("302 Found", &["Location: http://169.254.169.254/b"], ""),
                _ => say("200 OK", &[], config("inside")),
            });
            let node = Node::started_with(&format!("ignition.config.url={url}"));
            let (known, scratch) = (["169.254.169.254"], node.directory.path());
            Names::start("192.0.2.53", "inside.example", &known, scratch).wake();
            let answer = node.fetch().ends();
            assert_eq!(answer.code, Some(0), "{answer:?}");
            assert!(node.cached().contains("/etc/inside"));
        });
    }
}

#[test]
fn not_from_https_to_http() {
    let authority = Authority::new("the fleet's own");
    let identity = authority.issue(&["192.0.2.1"], false);
    let source: String = (authority.pem().bytes())
        .map(|byte| format!("%{byte:02x}"))
        .collect();
    let trusted = format!(
        r#","security":{{"tls":{{"certificateAuthorities":[{{"source":"data:,{source}"}}]}}}}"#
    );
    isolated(&[SERVER, "192.0.2.2/32"], || {
        Web::start_tls("192.0.2.1:443", tls(&identity), |_| {
            say("302 Found", &["Location: http://192.0.2.2/f"], "")
        });
        let plain = Web::start("192.0.2.2:80", |_| say("200 OK", &[], "changed"));
        let node = Node::new(&remote("https://192.0.2.1/f", &trusted));
        is_refused(&node.fetch().ends(), "from https to http");
        assert_eq!(plain.paths(), [""; 0]);
        // From http to https and back: it never was more than the config says.
        let node = Node::new(&remote("http://192.0.2.1/f", &trusted));
        Web::start("192.0.2.1:80", |_| {
            say("302 Found", &["Location: https://192.0.2.1/f"], "")
        });
        let answer = node.fetch().ends();
        assert_eq!(answer.code, Some(0), "{answer:?}");
        assert_eq!(plain.paths(), ["/f"]);
    });
}
