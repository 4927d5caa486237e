//! Requests whose answer matters whatever its status, as those to a platform's metadata service.

use std::time::Duration;

use pilotlight_core::http::{Method, Reply};
use pilotlight_fetch::{Cause, Client, ClientConfig, FetchError, Proxy, Request, Silent, blocking};

use crate::quick;
use crate::server::{Server, Step, answer, raw_answer};

fn ask(config: ClientConfig, request: &Request) -> Result<Reply, FetchError> {
    blocking(Client::new(config).ask(request, 1000, &Silent)).unwrap()
}

fn header<'r>(reply: &'r Reply, name: &str) -> Option<&'r str> {
    let found = reply.headers.iter().find(|(known, _)| known == name)?;
    Some(&found.1)
}

fn put(url: String, body: &str) -> Request {
    Request {
        method: Method::Put,
        body: body.into(),
        ..Request::new(url)
    }
}

#[test]
fn every_final_status_is_an_answer_with_its_headers() {
    for (status, code) in [
        ("400 B", 400),
        ("401 U", 401),
        ("403 F", 403),
        ("404 N", 404),
        ("410 G", 410),
        ("206 P", 206),
        ("302 F", 302),
    ] {
        let server = Server::answers([answer(status, &["Metadata-Flavor: Google"], "refused")]);
        let reply = ask(quick(), &Request::new(server.url("/x"))).unwrap();
        assert_eq!(reply.status, code);
        assert_eq!(header(&reply, "metadata-flavor"), Some("Google"));
        assert_eq!(reply.body, b"");
    }
    let server = Server::answers([answer("200 OK", &["ETag: a"], "there")]);
    let reply = ask(quick(), &Request::new(server.url("/x"))).unwrap();
    assert_eq!((reply.status, &reply.body[..]), (200, &b"there"[..]));
    assert_eq!(header(&reply, "etag"), Some("a"));
}

#[test]
fn put_and_post_send_their_body_with_every_attempt() {
    for (method, name) in [
        (Method::Put, "PUT"),
        (Method::Post, "POST"),
        (Method::Patch, "PATCH"),
    ] {
        for (body, length) in [("", "0"), ("<Health/>", "9")] {
            let server = Server::answers([
                answer("503 S", &[], ""),
                Step::Reset,
                answer("201 Created", &[], "made"),
            ]);
            let request = Request {
                method,
                headers: vec![("X-Token".to_owned(), "t".to_owned())],
                ..put(server.url("/x"), body)
            };
            let reply = ask(quick(), &request).unwrap();
            assert_eq!((reply.status, &reply.body[..]), (201, &b"made"[..]));
            let seen = server.seen();
            assert_eq!(
                seen.len(),
                2,
                "{name}: the reset connection was not read from"
            );
            for seen in seen {
                assert_eq!(seen.line, format!("{name} /x HTTP/1.1"));
                assert_eq!(seen.header("content-length"), Some(length));
                assert_eq!(seen.header("x-token"), Some("t"));
                assert_eq!(seen.body, body.as_bytes());
            }
        }
    }
}

#[test]
fn what_is_sent_is_not_redirected_and_not_resumed() {
    let server = Server::answers([answer("307 T", &["Location: /y"], "")]);
    let reply = ask(quick(), &put(server.url("/x"), "")).unwrap();
    assert_eq!(reply.status, 307);
    assert_eq!(header(&reply, "location"), Some("/y"));

    let broken = raw_answer("200 OK", &["ETag: \"v1\"", "Content-Length: 9"], "half");
    let server = Server::answers([broken, answer("200 OK", &[], "in one go")]);
    let reply = ask(quick(), &put(server.url("/x"), "")).unwrap();
    assert_eq!(reply.body, b"in one go");
    assert_eq!(server.seen()[1].header("range"), None);
}

#[test]
fn a_status_is_forgiven_for_its_time_and_then_it_is_the_answer() {
    let server = Server::answers((0..1000).map(|_| answer("410 G", &[], "")));
    let request = Request {
        retry_statuses: vec![(410, Duration::from_millis(100))],
        ..Request::new(server.url("/"))
    };
    let reply = ask(quick(), &request).unwrap();
    assert_eq!(reply.status, 410);
    assert!(server.seen().len() > 1);
}

#[test]
fn a_bound_of_the_request_ends_what_never_is_an_answer() {
    for status in ["503 Service Unavailable", "429 Too Many Requests"] {
        let server = Server::answers((0..1000).map(|_| answer(status, &[], "")));
        let request = Request {
            total_timeout: Some(Duration::from_millis(200)),
            ..Request::new(server.url("/x"))
        };
        let error = ask(quick(), &request).err().unwrap();
        assert!(matches!(error.cause, Cause::Timeout { .. }));
        assert_eq!(
            error.to_string(),
            format!(
                "while fetching {}: gave up after 0.2 s; last: the server answered {status}",
                server.url("/x")
            )
        );
    }
}

#[test]
fn a_direct_request_passes_no_proxy() {
    let proxy = Server::answers([answer("200 OK", &[], "by proxy")]);
    let server = Server::answers([answer("200 OK", &[], "directly")]);
    let config = ClientConfig {
        proxy: Proxy {
            http: Some(proxy.url("")),
            ..Proxy::default()
        },
        ..quick()
    };
    let client = Client::new(config);
    // Not a loopback address, which no proxy is asked for in any case.
    let mut request = Request::new(format!("http://0.0.0.0:{}/", server.port()));
    let (first, second) = blocking(async {
        let first = client.ask(&request, 1000, &Silent).await;
        request.direct = true;
        (first, client.ask(&request, 1000, &Silent).await)
    })
    .unwrap();
    assert_eq!(first.unwrap().body, b"by proxy");
    assert_eq!(second.unwrap().body, b"directly");
}

#[test]
fn the_answer_is_bounded() {
    let server = Server::answers([answer("200 OK", &[], vec![b'x'; 1001])]);
    let error = ask(quick(), &Request::new(server.url("/"))).err().unwrap();
    assert!(matches!(error.cause, Cause::TooLarge { limit: 1000 }));
}
