//! Services that are late, refuse, fail, hang or lie, and what an operator reads of it.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use pilotlight_tests::faults::{Act, Asked, Web, isolated, reply, say};
use pilotlight_tests::{Answer, program};

use crate::{DROPLET, DROPLETS, LINK, OLD, Place, droplet, once};

/// Asks for attributes and the host name on a platform whose service follows a script. Gives what it said, and
/// the requests.
fn ask(
    place: &Place,
    platform: &str,
    seconds: &str,
    script: impl FnMut(&Asked) -> Act + Send + 'static,
) -> (Answer, Vec<Asked>) {
    isolated(&[&format!("{LINK}/32")], || {
        let web = Web::start(&format!("{LINK}:80"), script);
        let (attributes, hostname) = (place.shown("attributes"), place.shown("hostname"));
        let answer = once(&[
            "--provider",
            platform,
            "--attributes",
            &attributes,
            "--hostname",
            &hostname,
            "--timeout",
            seconds,
        ]);
        (answer, web.asked())
    })
}

/// Nothing has changed, and a person reads why.
fn failed(place: &Place, answer: &Answer, words: &str) {
    assert_eq!(answer.code, Some(1), "{answer:?}");
    assert!(
        answer.err.contains(words),
        "{words:?} is not in: {answer:?}"
    );
    let kept = format!("error: {} stays as it was", place.shown("attributes"));
    assert!(answer.err.contains(&kept), "{answer:?}");
    assert_eq!(place.text("attributes"), OLD);
    assert_eq!(place.names(), [""; 0]);
    assert_eq!(answer.out, "");
}

#[test]
fn a_late_service_is_waited_for() {
    let place = Place::new();
    isolated(&[&format!("{LINK}/32")], || {
        let mut child = Command::new(program())
            .args(["oem", "once", "--provider=digitalocean", "--attributes"])
            .arg(place.path("attributes"))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        assert!(first.contains("Connection refused"), "{first}");
        let _web = Web::start(&format!("{LINK}:80"), droplet);
        let rest: Vec<String> = lines.map_while(Result::ok).collect();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{rest:?}");
    });
    assert_eq!(place.text("attributes"), DROPLETS);
}

#[test]
fn a_service_that_knows_nothing() {
    let place = Place::new();
    let (answer, _) = ask(&place, "digitalocean", "9", |_| {
        say("404 Not Found", &[], "")
    });
    failed(
        &place,
        &answer,
        "the platform digitalocean says nothing of its machines",
    );
    // One whose service has nothing but absent things has no attributes, and takes none away.
    let (answer, _) = ask(&place, "aws", "9", |_| say("404 Not Found", &[], ""));
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert!(
        answer.err.contains("the platform tells no attributes"),
        "{answer:?}"
    );
    assert!(
        answer.err.contains("aws gives this machine no host name"),
        "{answer:?}"
    );
    assert_eq!(
        (place.text("attributes").as_str(), place.names().len()),
        (OLD, 0)
    );
}

#[test]
fn a_service_that_refuses_is_asked_once() {
    let place = Place::new();
    for platform in ["aws", "digitalocean", "gcp"] {
        let (answer, asked) = ask(&place, platform, "60", |_| {
            say("403 Forbidden", &["Metadata-Flavor: Google"], "")
        });
        failed(
            &place,
            &answer,
            &format!("while asking the platform {platform}: http://{LINK}/"),
        );
        assert_eq!(asked.len(), 1, "{platform}");
    }
}

#[test]
fn a_service_that_fails_for_a_while() {
    let place = Place::new();
    let (answer, asked) = ask(&place, "digitalocean", "60", |asked| match asked.number {
        0 => say("500 Internal Server Error", &[], ""),
        1 => say("429 Too Many Requests", &[], ""),
        2 => Act::Reset,
        _ => say("200 OK", &[], DROPLET),
    });
    assert_eq!((answer.code, asked.len()), (Some(0), 4), "{answer:?}");
    assert_eq!(place.text("attributes"), DROPLETS);
    assert_eq!(place.text("hostname"), "drop-1\n");
}

#[test]
fn a_service_that_fails_for_ever() {
    for platform in ["aws", "azure", "digitalocean", "gcp", "hetzner"] {
        let place = Place::new();
        let (answer, asked) = ask(&place, platform, "2", |_| {
            say("500 Internal Server Error", &[], "")
        });
        failed(&place, &answer, "500");
        assert!(asked.len() > 1, "{platform}");
    }
}

#[test]
fn a_service_that_hangs() {
    for platform in ["aws", "azure", "digitalocean", "gcp"] {
        let place = Place::new();
        let (answer, _) = ask(&place, platform, "2", |_| Act::Hang);
        failed(
            &place,
            &answer,
            &format!("while asking the platform {platform}: "),
        );
    }
}

#[test]
fn half_an_answer_is_none() {
    let place = Place::new();
    let (answer, asked) = ask(&place, "digitalocean", "2", |_| {
        let whole = reply("200 OK", &[], DROPLET);
        Act::Say(whole[..whole.len() - 9].to_vec())
    });
    failed(&place, &answer, "while asking the platform digitalocean: ");
    assert!(asked.len() > 1);
    // One that ends in the middle of a value, and says that this is all.
    let (answer, _) = ask(&place, "digitalocean", "9", |_| {
        say("200 OK", &[], &DROPLET[..DROPLET.len() - 9])
    });
    failed(
        &place,
        &answer,
        "the droplet's metadata is not the JSON that it should be",
    );
}

#[test]
fn a_large_answer_is_read_within_bounds() {
    let large = |text: &str| {
        let pad = text.repeat((10 << 20) / text.len());
        format!("{{\"hostname\": \"drop-1\", \"region\": \"{pad}\", \"tags\": [\"{pad}\"]}}")
    };
    let place = Place::new();
    let body = large("x");
    let (answer, _) = ask(&place, "digitalocean", "60", move |_| {
        say("200 OK", &[], &body)
    });
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert_eq!(
        place.text("attributes"),
        "AFTERBURN_DIGITALOCEAN_HOSTNAME=drop-1\n"
    );
    let place = Place::new();
    let (answer, _) = ask(&place, "digitalocean", "60", |_| {
        say("200 OK", &[], "x".repeat(10 << 20))
    });
    failed(&place, &answer, "is not the JSON that it should be");
}

#[test]
fn a_machine_without_a_network() {
    for platform in ["aws", "azure", "digitalocean", "openstack", "packet"] {
        let place = Place::new();
        let answer = isolated(&[], || {
            once(&[
                "--provider",
                platform,
                "--attributes",
                &place.shown("attributes"),
                "--timeout=2",
            ])
        });
        failed(
            &place,
            &answer,
            &format!("while asking the platform {platform}: "),
        );
    }
}
