//! Bodies that break off.

use std::time::Duration;

use pilotlight_core::model::{Compression, Digest};
use pilotlight_fetch::{Cause, ClientConfig, Request};

use crate::server::{Server, Step, answer, raw_answer};
use crate::{Outcome, fetch, get, quick, sha256};

const TEXT: &[u8] = b"The quick brown fox jumps over the lazy dog";

/// An answer that announces all of `whole` and breaks off after `sent` bytes of it.
fn broken(whole: &[u8], sent: usize, headers: &[&str]) -> Step {
    let length = format!("Content-Length: {}", whole.len());
    raw_answer("200 OK", &[headers, &[&length]].concat(), &whole[..sent])
}

/// The rest of `whole` from `first` on.
fn rest(whole: &[u8], first: usize) -> Step {
    let range = format!(
        "Content-Range: bytes {first}-{}/{}",
        whole.len() - 1,
        whole.len()
    );
    answer("206 Partial Content", &[&range], &whole[first..])
}

fn verified(server: &Server, text: &[u8]) -> Outcome {
    let request = Request {
        verify: Some(Digest::Sha256(sha256(text))),
        ..Request::new(server.url("/x"))
    };
    fetch(quick(), &request)
}

#[test]
fn the_rest_is_asked_for() {
    for (headers, if_range) in [
        (&["ETag: \"v1\""][..], "\"v1\""),
        (
            &[
                "ETag: W/\"v1\"",
                "Last-Modified: Tue, 03 Nov 2026 10:00:00 GMT",
            ],
            "Tue, 03 Nov 2026 10:00:00 GMT",
        ),
    ] {
        let server = Server::answers([broken(TEXT, 10, headers), rest(TEXT, 10)]);
        let outcome = get(server.url("/x"));
        assert_eq!(outcome.contents(), TEXT);
        assert_eq!(outcome.result.as_ref().unwrap().status, Some(206));
        let wait = outcome.told.waits.borrow()[0].clone();
        assert!(
            wait.contains("the body broke off after 10 bytes of 43"),
            "{wait}"
        );
        let seen = server.seen();
        assert_eq!(seen[0].header("range"), None);
        assert_eq!(seen[1].header("range"), Some("bytes=10-"));
        assert_eq!(seen[1].header("if-range"), Some(if_range));
    }
}

#[test]
fn several_breaks_are_survived() {
    let part = |first: usize, end: usize| {
        let range = format!("Content-Range: bytes {first}-42/43");
        let length = format!("Content-Length: {}", 43 - first);
        raw_answer("206 Partial Content", &[&range, &length], &TEXT[first..end])
    };
    let server = Server::answers([
        broken(TEXT, 5, &["ETag: \"v1\""]),
        answer("503 Service Unavailable", &[], "later"),
        part(5, 20),
        Step::Reset,
        part(20, 20),
        rest(TEXT, 20),
    ]);
    assert_eq!(verified(&server, TEXT).contents(), TEXT);
}

#[test]
fn compressed_bodies_go_on_where_they_broke_off() {
    use std::io::Write;
    let text = TEXT.repeat(5000);
    let level = flate2::Compression::default();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
    encoder.write_all(&text).unwrap();
    let wire = encoder.finish().unwrap();
    let server = Server::answers([
        broken(&wire, wire.len() / 2, &["ETag: \"v1\""]),
        rest(&wire, wire.len() / 2),
    ]);
    let request = Request {
        compression: Compression::Gzip,
        verify: Some(Digest::Sha256(sha256(&text))),
        ..Request::new(server.url("/"))
    };
    assert_eq!(fetch(quick(), &request).contents(), text);
}

#[test]
fn a_whole_answer_starts_over() {
    // The resource has changed (If-Range), or the server knows no ranges.
    let server = Server::answers([
        broken(b"the former version of it", 10, &["ETag: \"v1\""]),
        answer("200 OK", &["ETag: \"v2\""], TEXT),
    ]);
    assert_eq!(get(server.url("/")).contents(), TEXT);
}

#[test]
fn without_a_validator_only_a_digest_allows_to_go_on() {
    let server = Server::answers([broken(TEXT, 10, &[]), answer("200 OK", &[], TEXT)]);
    assert_eq!(get(server.url("/")).contents(), TEXT);
    assert_eq!(server.seen()[1].header("range"), None);

    let server = Server::answers([broken(TEXT, 10, &[]), rest(TEXT, 10)]);
    assert_eq!(verified(&server, TEXT).contents(), TEXT);
    let seen = server.seen();
    assert_eq!(seen[1].header("range"), Some("bytes=10-"));
    assert_eq!(seen[1].header("if-range"), None);
}

#[test]
fn a_patchwork_is_fetched_again_in_one_piece() {
    let other = TEXT.to_ascii_uppercase();
    let server = Server::answers([
        broken(&other, 10, &[]),
        rest(TEXT, 10),
        answer("200 OK", &[], TEXT),
    ]);
    assert_eq!(verified(&server, TEXT).contents(), TEXT);
    assert_eq!(server.seen()[2].header("range"), None);
}

#[test]
fn wrong_ranges_are_not_appended() {
    let wrong = |range: &str| {
        let range = format!("Content-Range: {range}");
        answer("206 Partial Content", &[&range], &TEXT[10..])
    };
    for refusal in [
        wrong("bytes 9-42/43"),
        wrong("bytes 0-42/43"),
        wrong("bytes 10-43/44"),
        wrong("items 10-42/43"),
        wrong("nonsense"),
        answer("206 Partial Content", &[], &TEXT[10..]),
        answer(
            "416 Range Not Satisfiable",
            &["Content-Range: bytes */9"],
            "",
        ),
    ] {
        let server = Server::answers([
            broken(TEXT, 10, &["ETag: \"v1\""]),
            refusal,
            answer("200 OK", &[], TEXT),
        ]);
        assert_eq!(get(server.url("/")).contents(), TEXT);
        assert_eq!(server.seen()[2].header("range"), None);
    }
}

#[test]
fn a_body_that_stops_coming_is_resumed() {
    let say = broken(TEXT, 10, &["ETag: \"v1\""]);
    // After the first bytes the server waits for another request on the same connection.
    let server = Server::start(vec![vec![say, Step::Hang], vec![rest(TEXT, 10)]]);
    let config = ClientConfig {
        body_idle_timeout: Duration::from_secs(1),
        ..quick()
    };
    let outcome = fetch(config, &Request::new(server.url("/")));
    assert_eq!(outcome.contents(), TEXT);
    assert!(outcome.told.waits.borrow()[0].ends_with("nothing came for 1 s"));
}

#[test]
fn a_server_that_never_sends_it_all_is_given_up() {
    let server = Server::answers((0..10).map(|_| broken(TEXT, 10, &[])));
    let outcome = get(server.url("/"));
    let cause = &outcome.error().cause;
    assert!(
        matches!(
            cause,
            Cause::Truncated {
                got: 10,
                expected: Some(43),
                ..
            }
        ),
        "{cause}"
    );
    assert_eq!(server.seen().len(), 6);
}
