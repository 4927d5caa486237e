//! Whole answers: statuses, retries, hashes, compression, bounds, headers.

use std::io::{self, Write};
use std::time::Duration;

use flate2::write::GzEncoder;
use pilotlight_core::model::{Compression, Digest};
use pilotlight_fetch::{
    ACCEPT_CONFIG, Cause, Client, ClientConfig, Request, Silent, Sink, USER_AGENT, blocking,
};

use crate::server::{Server, Step, answer, raw_answer};
use crate::{Told, fetch, get, quick, sha256};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn ok_is_written_and_told() {
    let server = Server::answers([answer("200 OK", &[], "hello")]);
    let outcome = get(server.url("/x?y=z"));
    assert_eq!(outcome.contents(), b"hello");
    assert_eq!(outcome.result.as_ref().unwrap().status, Some(200));
    assert_eq!(*outcome.told.last_bytes.borrow(), (5, Some(5)));
    let seen = server.seen();
    assert_eq!(seen[0].line, "GET /x?y=z HTTP/1.1");
    assert_eq!(seen[0].header("user-agent"), Some(USER_AGENT));
    assert_eq!(seen[0].header("accept-encoding"), Some("identity"));
    assert_eq!(seen[0].header("accept"), Some("*/*"));
    assert!(USER_AGENT.starts_with("Ignition/2.26.0 pilotlight/"));
}

#[test]
fn no_content_and_no_source_are_empty() {
    let server = Server::answers([raw_answer("204 No Content", &["Connection: close"], "")]);
    assert_eq!(get(server.url("/")).contents(), b"");
    let outcome = get("");
    assert_eq!(outcome.contents(), b"");
    assert_eq!(outcome.result.unwrap().status, None);
}

#[test]
fn chunked_bodies_are_put_together() {
    let body = "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let server = Server::answers([raw_answer("200 OK", &["Transfer-Encoding: chunked"], body)]);
    assert_eq!(get(server.url("/")).contents(), b"abcde");
}

#[test]
fn connections_are_used_again() {
    let keep = || raw_answer("200 OK", &["Content-Length: 1"], "a");
    // The second request would be refused on a connection of its own.
    let server = Server::start(vec![vec![keep(), keep()]]);
    let client = Client::new(quick());
    let request = Request::new(server.url("/"));
    blocking(async {
        for _ in 0..2 {
            let (contents, _) = client.fetch_to_vec(&request, 10, &Silent).await.unwrap();
            assert_eq!(contents, b"a");
        }
    })
    .unwrap();
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn not_found_and_refusals_are_final() {
    for (status, text) in [
        ("404 Not Found", "the server answered 404 Not Found"),
        ("403 Forbidden", "the server answered 403 Forbidden"),
        ("400 Bad Request", "the server answered 400 Bad Request"),
        (
            "206 Partial Content",
            "the server answered 206 Partial Content",
        ),
        ("302 Found", "the server answered 302 Found"),
        ("499 X", "the server answered 499"),
    ] {
        let server = Server::answers([answer(status, &[], "nothing"), answer("200 OK", &[], "")]);
        let outcome = get(server.url("/x"));
        let error = outcome.error();
        assert_eq!(
            error.to_string(),
            format!("while fetching {}: {text}", server.url("/x"))
        );
        assert_eq!(
            matches!(error.cause, Cause::NotFound),
            status.starts_with("404")
        );
        assert!(!error.is_retryable());
        assert_eq!(server.seen().len(), 1);
        assert_eq!(outcome.contents, b"");
    }
}

#[test]
fn server_errors_are_retried() {
    let server = Server::answers([
        answer("503 Service Unavailable", &[], "not now"),
        answer("500 Internal Server Error", &[], ""),
        answer("599 X", &[], ""),
        answer("429 Too Many Requests", &[], ""),
        answer("200 OK", &[], "now"),
    ]);
    let outcome = get(server.url("/x"));
    assert_eq!(outcome.contents(), b"now");
    assert_eq!(
        outcome.told.waits.borrow()[0],
        format!(
            "{}: the server answered 503 Service Unavailable",
            server.url("/x")
        )
    );
}

#[test]
fn retry_after_is_obeyed() {
    let server = Server::answers([
        answer("429 Too Many Requests", &["Retry-After: 1"], ""),
        answer(
            "503 Service Unavailable",
            &[
                "Date: Tue, 03 Nov 2026 10:00:00 GMT",
                "Retry-After: Tue, 03 Nov 2026 10:00:02 GMT",
            ],
            "",
        ),
        answer("200 OK", &[], "now"),
    ]);
    let outcome = get(server.url("/"));
    assert_eq!(outcome.contents(), b"now");
    let pauses = outcome.told.pauses.borrow();
    let ms = Duration::from_millis;
    assert!(pauses[0] >= ms(1000) && pauses[0] <= ms(1500), "{pauses:?}");
    assert!(pauses[1] >= ms(2000) && pauses[1] <= ms(3000), "{pauses:?}");
}

#[test]
fn a_caller_chooses_more_statuses_to_retry() {
    let server = Server::answers([
        answer("404 Not Found", &[], ""),
        answer("410 Gone", &[], ""),
        answer("200 OK", &[], "updated"),
    ]);
    let request = Request {
        retry_statuses: vec![(404, Duration::MAX), (410, Duration::from_secs(70))],
        ..Request::new(server.url("/"))
    };
    assert_eq!(fetch(quick(), &request).contents(), b"updated");
}

#[test]
fn broken_connections_are_retried() {
    let server = Server::start(vec![
        vec![Step::Reset],
        vec![],
        vec![Step::Say(b"no HTTP at all\r\n\r\n".to_vec())],
        vec![answer("200 OK", &[], "at last")],
    ]);
    let outcome = get(server.url("/"));
    assert_eq!(outcome.contents(), b"at last");
    assert_eq!(outcome.told.waits.borrow().len(), 3);
}

#[test]
fn silent_servers_are_given_up_and_asked_again() {
    let server = Server::answers([Step::Hang, answer("200 OK", &[], "awake")]);
    let config = ClientConfig {
        response_header_timeout: Duration::from_secs(1),
        ..quick()
    };
    let outcome = fetch(config, &Request::new(server.url("/")));
    assert_eq!(outcome.contents(), b"awake");
    assert!(outcome.told.waits.borrow()[0].ends_with("no answer within 1 s"));
}

#[test]
fn the_total_time_ends_it_and_the_last_failure_is_told() {
    let config = ClientConfig {
        total_timeout: Some(Duration::from_secs(1)),
        ..quick()
    };
    // Nobody listens on a port that was just given back.
    let url = Server::answers([]).url("/x");
    let outcome = fetch(config, &Request::new(url));
    let error = outcome.error();
    assert!(matches!(error.cause, Cause::Timeout { last: Some(_), .. }));
    assert!(error.is_retryable());
    let text = error.to_string();
    assert!(text.contains("gave up after 1 s; last: "), "{text}");
    assert!(text.contains("Connection refused"), "{text}");
}

#[test]
fn digests_are_checked() {
    let good = Digest::Sha256(sha256(b"hello"));
    // From coreutils' sha512sum.
    let good512 = Digest::parse(
        "sha512-9b71d224bd62f3785d96d46ad3ea3d73319bfbc2890caadae2dff72519673ca72323c3d99ba5c11d\
         7c7acc6e14b8c5da0c4663475c2e5c3adef46f73bcdec043",
    )
    .unwrap();
    for (verify, fits) in [
        (good, true),
        (good512, true),
        (Digest::Sha256([0; 32]), false),
        (Digest::Sha512([0; 64]), false),
    ] {
        let server = Server::answers([answer("200 OK", &[], "hello")]);
        let request = Request {
            verify: Some(verify),
            ..Request::new(server.url("/"))
        };
        let outcome = fetch(quick(), &request);
        if fits {
            assert_eq!(outcome.contents(), b"hello");
            continue;
        }
        let Cause::Digest { expected, got } = &outcome.error().cause else {
            panic!("{}", outcome.error());
        };
        assert_eq!(**expected, verify);
        assert!([good, good512].contains(got));
        assert!(outcome.error().to_string().contains(&got.to_string()));
        assert_eq!(server.seen().len(), 1);
    }
}

#[test]
fn gzip_is_inflated_before_it_is_verified() {
    let text = b"inflate me ".repeat(100_000);
    for status in ["http", "data"] {
        let server = Server::answers([answer("200 OK", &[], gzip(&text))]);
        let url = match status {
            "http" => server.url("/"),
            _ => pilotlight_core::dataurl::encode(&gzip(&text)),
        };
        let request = Request {
            compression: Compression::Gzip,
            verify: Some(Digest::Sha256(sha256(&text))),
            max_bytes: Some(text.len() as u64),
            ..Request::new(url)
        };
        assert_eq!(fetch(quick(), &request).contents(), text);
    }
}

#[test]
fn gzip_that_is_none_or_too_much_fails_at_once() {
    let bomb = gzip(&vec![0; 4 << 20]);
    let cut = &bomb[..bomb.len() / 2];
    for (body, limit, text) in [
        (&b"plain"[..], 100, "cannot be decompressed as gzip"),
        (
            cut,
            8 << 20,
            "cannot be decompressed as gzip: they end early",
        ),
        (&bomb, 1 << 20, "larger than the allowed 1048576 bytes"),
    ] {
        let server = Server::answers([answer("200 OK", &[], body)]);
        let request = Request {
            compression: Compression::Gzip,
            max_bytes: Some(limit),
            ..Request::new(server.url("/"))
        };
        let outcome = fetch(quick(), &request);
        let error = outcome.error().to_string();
        assert!(error.contains(text), "{error}");
        assert!(outcome.contents.len() as u64 <= limit);
        assert_eq!(server.seen().len(), 1);
    }
}

#[test]
fn contents_in_memory_are_bounded() {
    let server = Server::answers([
        answer("200 OK", &[], "12345"),
        answer("200 OK", &[], "123456"),
        // No length announced, and no end in sight.
        raw_answer("200 OK", &[], vec![b'x'; 1 << 20]),
    ]);
    let client = Client::new(quick());
    let request = Request::new(server.url("/"));
    blocking(async {
        let fetched = client.fetch_to_vec(&request, 5, &Silent).await;
        assert_eq!(fetched.unwrap().0, b"12345");
        for _ in 0..2 {
            let error = client.fetch_to_vec(&request, 5, &Silent).await.unwrap_err();
            assert!(
                matches!(error.cause, Cause::TooLarge { limit: 5 }),
                "{error}"
            );
        }
    })
    .unwrap();
}

#[test]
fn the_users_headers_replace_the_defaults() {
    let server = Server::answers([answer("200 OK", &[], "")]);
    let request = Request {
        accept: Some(ACCEPT_CONFIG.to_owned()),
        headers: vec![
            ("X-Token".to_owned(), "t".to_owned()),
            ("user-agent".to_owned(), "mine".to_owned()),
        ],
        ..Request::new(server.url("/"))
    };
    fetch(quick(), &request).contents();
    let seen = &server.seen()[0];
    assert_eq!(seen.header("x-token"), Some("t"));
    assert_eq!(seen.header("user-agent"), Some("mine"));
    assert_eq!(seen.header("accept"), Some(ACCEPT_CONFIG));
}

#[test]
fn other_schemes_are_named() {
    for (url, scheme) in [("file:///etc/shadow", "file"), ("FTP://a/", "ftp")] {
        let outcome = get(url);
        let Cause::UnsupportedScheme(named) = &outcome.error().cause else {
            panic!("{}", outcome.error());
        };
        assert_eq!(named, scheme);
    }
    assert!(matches!(get("no url").error().cause, Cause::InvalidUrl(_)));
    assert!(matches!(get("http://").error().cause, Cause::InvalidUrl(_)));
}

#[test]
fn data_urls_need_no_network_and_are_bounded() {
    // The client's settings are not even looked at.
    let config = || ClientConfig {
        extra_ca_pem: vec![b"no certificate".to_vec()],
        ..quick()
    };
    let outcome = fetch(config(), &Request::new("data:,hello%0A"));
    assert_eq!(outcome.contents(), b"hello\n");
    let request = Request {
        max_bytes: Some(3),
        ..Request::new("data:,hello")
    };
    let outcome = fetch(config(), &request);
    assert!(matches!(
        outcome.error().cause,
        Cause::TooLarge { limit: 3 }
    ));
}

#[test]
fn a_sink_that_refuses_ends_it() {
    struct Full;
    impl Sink for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<()> {
            Err(io::Error::from(io::ErrorKind::StorageFull))
        }

        fn reset(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let server = Server::answers([answer("200 OK", &[], "hello")]);
    let request = Request::new(server.url("/"));
    let fetched = blocking(async {
        let told = Told::default();
        Client::new(quick()).fetch(&request, &mut Full, &told).await
    });
    let error = fetched.unwrap().unwrap_err();
    assert!(matches!(error.cause, Cause::Sink(_)), "{error}");
    assert!(
        error
            .to_string()
            .contains("while writing the contents: no storage space")
    );
}

#[test]
fn hosts_are_ascii_and_paths_are_anything() {
    let outcome = get("http://b\u{fc}cher.example/");
    let cause = outcome.result.unwrap_err().cause;
    assert!(matches!(cause, Cause::InvalidUrl(_)), "{cause}");
    let server = Server::answers([answer("200 OK", &[], "read")]);
    assert_eq!(get(server.url("/b\u{fc}cher")).contents(), b"read");
    assert_eq!(server.seen()[0].line, "GET /b%C3%BCcher HTTP/1.1");
}
