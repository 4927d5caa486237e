//! Servers that refuse, hang, break off, drip, and answer with every status that means something.

use std::time::Duration;

use pilotlight_tests::faults::{Act, Web, isolated, reply, say};

use crate::{Node, SERVER, config, remote, timeouts};

const LINE: &str = "ignition.config.url=http://192.0.2.1/node.ign";
const URL: &str = "http://192.0.2.1/node.ign";

#[test]
fn refused_until_somebody_listens() {
    isolated(&[SERVER], || {
        let node = Node::started_with(LINE);
        let mut run = node.fetch();
        let line = run.says(&["waiting for"]);
        assert!(
            line.starts_with(&format!(
                "waiting for {URL}: cannot connect: Connection refused (os error 111) since 0 s (attempt 1, next attempt in "
            )),
            "{line}"
        );
        Web::start("192.0.2.1:80", |_| say("200 OK", &[], config("there")));
        let answer = run.ends();
        assert_eq!(answer.code, Some(0), "{answer:?}");
        assert!(node.cached().contains("/etc/there"));
    });
}

#[test]
fn refused_for_ever_ends_where_a_bound_is_given() {
    isolated(&[SERVER], || {
        let node = Node::started_with(&format!("{LINE} pilotlight.fetch_timeout=1"));
        let answer = node.fetch().ends();
        assert_eq!(answer.code, Some(1), "{answer:?}");
        let said = format!(
            "error: while fetching {URL}: gave up after 1 s; last: cannot connect: Connection refused"
        );
        assert!(answer.out.contains(&said), "{}", answer.out);
        assert!(!node.has_config());
    });
}

#[test]
fn a_wrong_bound_is_told_and_does_not_stop_the_boot() {
    isolated(&[SERVER], || {
        Web::start("192.0.2.1:80", |_| say("200 OK", &[], config("there")));
        let node = Node::started_with(&format!("{LINE} pilotlight.fetch_timeout=soon"));
        let answer = node.fetch().ends();
        assert_eq!(answer.code, Some(0), "{answer:?}");
        let said = "warning: the kernel argument pilotlight.fetch_timeout=soon is no time";
        assert!(answer.out.contains(said), "{}", answer.out);
    });
}

#[test]
fn no_route_is_waited_for() {
    isolated(&[], || {
        let node = Node::started_with(&format!("{LINE} pilotlight.fetch_timeout=1"));
        let mut run = node.fetch();
        run.says(&["waiting for", URL, "Network is unreachable"]);
        assert_eq!(run.ends().code, Some(1));
    });
}

#[test]
fn a_server_that_hangs_is_asked_again() {
    isolated(&[SERVER], || {
        Web::start("192.0.2.1:80", |asked| match asked.number {
            0 => Act::Hang,
            _ => say("200 OK", &[], "awake"),
        });
        let node = Node::new(&remote("http://192.0.2.1/f", &timeouts(1, 0)));
        let mut run = node.fetch();
        run.says(&["waiting for http://192.0.2.1/f: no answer within 1 s"]);
        assert_eq!(run.ends().code, Some(0));
    });
}

#[test]
fn a_reset_is_asked_again() {
    isolated(&[SERVER], || {
        Web::start("192.0.2.1:80", |asked| match asked.number {
            0 => Act::Reset,
            _ => say("200 OK", &[], config("there")),
        });
        let node = Node::started_with(LINE);
        let mut run = node.fetch();
        run.says(&["waiting for", URL, "Connection reset by peer"]);
        assert_eq!(run.ends().code, Some(0));
        assert!(node.cached().contains("/etc/there"));
    });
}

#[test]
fn a_slow_drip_is_waited_for_and_told() {
    isolated(&[SERVER], || {
        Web::start("192.0.2.1:80", |_| {
            let mut head = reply("200 OK", &[], "x".repeat(13));
            let body = head.split_off(head.len() - 13);
            Act::Drip(head, body, Duration::from_millis(500))
        });
        let node = Node::new(&remote("http://192.0.2.1/f", ""));
        let mut run = node.fetch();
        let line = run.says(&["waiting for http://192.0.2.1/f: ", " of 13 bytes have come"]);
        assert!(
            line.contains("since 5 s (attempt 1, still waiting)"),
            "{line}"
        );
        assert_eq!(run.ends().code, Some(0));
    });
}

#[test]
fn a_truncated_body_goes_on_where_it_broke_off() {
    isolated(&[SERVER], || {
        let whole = config("there");
        let half = whole.len() / 2;
        let web = Web::start("192.0.2.1:80", move |asked| match asked.number {
            0 => {
                let mut bytes = reply("200 OK", &["ETag: \"1\""], &whole);
                bytes.truncate(bytes.len() - whole.len() + half);
                Act::Say(bytes)
            }
            _ => {
                let range = format!(
                    "Content-Range: bytes {half}-{}/{}",
                    whole.len() - 1,
                    whole.len()
                );
                say("206 Partial Content", &[&range], &whole[half..])
            }
        });
        let node = Node::started_with(LINE);
        let mut run = node.fetch();
        run.says(&[
            "waiting for",
            URL,
            "the body broke off after ",
            " bytes of ",
        ]);
        assert_eq!(run.ends().code, Some(0));
        assert!(node.cached().contains("/etc/there"));
        assert_eq!(web.asked().len(), 2);
        assert_eq!(web.asked()[1].header("if-range"), Some("\"1\""));
    });
}

#[test]
fn a_body_that_always_breaks_off_is_given_up() {
    isolated(&[SERVER], || {
        Web::start("192.0.2.1:80", |_| {
            let mut bytes = reply("200 OK", &[], "0123456789");
            bytes.truncate(bytes.len() - 3);
            Act::Say(bytes)
        });
        let node = Node::new(&remote("http://192.0.2.1/f", ""));
        let answer = node.fetch().ends();
        assert_eq!(answer.code, Some(1));
        let said = "the body broke off after 7 bytes of 10: ";
        assert!(answer.out.contains(said), "{}", answer.out);
        assert!(
            answer
                .out
                .contains("nothing has been changed on this machine's disks")
        );
    });
}

#[test]
fn refusals_of_a_file_are_final_and_name_its_line() {
    for (status, words) in [
        ("401 Unauthorized", "the server answered 401 Unauthorized"),
        ("403 Forbidden", "the server answered 403 Forbidden"),
        ("404 Not Found", "the server answered 404 Not Found"),
        ("410 Gone", "the server answered 410 Gone"),
    ] {
        isolated(&[SERVER], || {
            let web = Web::start("192.0.2.1:80", move |_| say(status, &[], "no"));
            let node = Node::new(&remote("http://192.0.2.1/f", ""));
            let answer = node.fetch().ends();
            assert_eq!(answer.code, Some(1), "{answer:?}");
            for text in [
                &format!("error: while fetching http://192.0.2.1/f: {words}"),
                "config.ign:3:",
                "nothing has been changed on this machine's disks",
            ] {
                assert!(
                    answer.out.contains(text),
                    "{text:?} is not in:\n{}",
                    answer.out
                );
            }
            assert_eq!(web.asked().len(), 1);
            assert!(!node.has_config());
        });
    }
}

#[test]
fn refusals_of_the_config_name_where_it_was_named() {
    for status in ["401", "403", "404", "410"] {
        isolated(&[SERVER], || {
            let web = Web::start("192.0.2.1:80", move |_| {
                say(&format!("{status} X"), &[], "no")
            });
            let node = Node::started_with(LINE);
            let answer = node.fetch().ends();
            assert_eq!(answer.code, Some(1), "{answer:?}");
            let said = format!(
                "error: the kernel command line names the config {URL}, but the server answers {status}"
            );
            assert!(answer.out.contains(&said), "{}", answer.out);
            assert_eq!(web.asked().len(), 1);
        });
    }
}

#[test]
fn a_server_that_is_overloaded_is_left_alone_for_as_long_as_it_asks() {
    isolated(&[SERVER], || {
        Web::start("192.0.2.1:80", |asked| match asked.number {
            0 => say("429 Too Many Requests", &["Retry-After: 1"], ""),
            1 => say(
                "503 Service Unavailable",
                &[
                    "Date: Sat, 21 Nov 2026 17:28:15 GMT",
                    "Retry-After: Sat, 21 Nov 2026 17:28:16 GMT",
                ],
                "",
            ),
            2 => say("500 Internal Server Error", &[], ""),
            _ => say("200 OK", &[], config("there")),
        });
        let node = Node::started_with(LINE);
        let mut run = node.fetch();
        let line = run.says(&[
            "waiting for",
            URL,
            "the server answered 429 Too Many Requests",
        ]);
        assert!(line.contains("(attempt 1, next attempt in 1."), "{line}");
        assert_eq!(run.ends().code, Some(0));
        assert!(node.cached().contains("/etc/there"));
    });
}

#[test]
fn redirects_in_a_circle_are_final() {
    isolated(&[SERVER], || {
        Web::start("192.0.2.1:80", |asked| {
            let next = if asked.path == "/a" { "/f" } else { "/a" };
            say(
                "302 Found",
                &[&format!("Location: {next}?token=s3cret")],
                "",
            )
        });
        let node = Node::new(&remote("http://192.0.2.1/f", ""));
        let answer = node.fetch().ends();
        assert_eq!(answer.code, Some(1));
        let said = "while fetching http://192.0.2.1/f: the redirects go in a circle";
        assert!(answer.out.contains(said), "{}", answer.out);
        assert!(!answer.out.contains("s3cret"), "{}", answer.out);
    });
}
