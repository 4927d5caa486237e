//! What errors and progress must not show.

use std::time::Duration;

use pilotlight_fetch::{ClientConfig, Request};

use crate::server::{Server, answer};
use crate::{fetch, get, quick};

#[test]
fn passwords_in_urls_are_used_but_not_shown() {
    let server = Server::answers([answer("401 Unauthorized", &[], "")]);
    let url = server.url("/x?sig=s3cret").replace("//", "//me:s3cret@");
    let error = get(url).error().to_string();
    assert!(!error.contains("s3cret"), "{error}");
    assert!(error.contains(&server.url("/x: the server")), "{error}");
    // echo -n me:s3cret | base64
    let seen = server.seen();
    assert_eq!(seen[0].header("authorization"), Some("Basic bWU6czNjcmV0"));
}

#[test]
fn no_failure_shows_a_secret() {
    let headers = |value: &str| vec![("X-Token".to_owned(), value.to_owned())];
    let refused = Server::answers([]).url("/?s3cret=s3cret2");
    let unsupported = "s3://bucket/key?sig=s3cret".to_owned();
    let host = "http://host that is s3cret/?s3cret".to_owned();
    for (url, headers) in [
        (refused.clone(), headers("s3cret")),
        (refused, headers("s3cret\n")),
        (unsupported, vec![]),
        (host, vec![]),
        ("data:text/plain,s3cret s3cret".to_owned(), vec![]),
        ("data:;base64,s3cret!!".to_owned(), vec![]),
    ] {
        let request = Request {
            headers,
            ..Request::new(url)
        };
        let config = ClientConfig {
            total_timeout: Some(Duration::from_millis(500)),
            ..quick()
        };
        let outcome = fetch(config, &request);
        let mut shown = format!("{} {:?}", outcome.error(), outcome.error());
        shown.push_str(&outcome.told.waits.borrow().concat());
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
