//! Redirects.

use pilotlight_fetch::{ACCEPT_CONFIG, Cause, ClientConfig, Request, USER_AGENT};

use crate::server::{Server, Step, answer};
use crate::{fetch, get, quick};

fn redirect(status: &str, location: &str) -> Step {
    answer(status, &[&format!("Location: {location}")], "elsewhere")
}

fn with_secrets(url: String) -> Request {
    Request {
        accept: Some(ACCEPT_CONFIG.to_owned()),
        headers: vec![
            ("Authorization".to_owned(), "Bearer t".to_owned()),
            ("X-Token".to_owned(), "t".to_owned()),
        ],
        ..Request::new(url)
    }
}

#[test]
fn every_kind_is_followed() {
    for status in ["301 M", "302 F", "303 S", "307 T", "308 P"] {
        let server =
            Server::answers([redirect(status, "../b?c=d"), answer("200 OK", &[], "there")]);
        assert_eq!(get(server.url("/x/y/a")).contents(), b"there");
        assert_eq!(server.seen()[1].line, "GET /x/b?c=d HTTP/1.1");
    }
}

#[test]
fn to_the_same_origin_only_the_defaults_go() {
    let server = Server::answers([redirect("302 F", "/b"), answer("200 OK", &[], "")]);
    fetch(quick(), &with_secrets(server.url("/a"))).contents();
    let seen = server.seen();
    assert_eq!(seen[0].header("authorization"), Some("Bearer t"));
    assert_eq!(seen[1].header("authorization"), None);
    assert_eq!(seen[1].header("x-token"), None);
    assert_eq!(seen[1].header("accept"), Some(ACCEPT_CONFIG));
}

#[test]
fn to_another_origin_only_the_defaults_go() {
    let other = Server::answers([answer("200 OK", &[], "")]);
    let server = Server::answers([redirect("302 F", &other.url("/b"))]);
    let url = server.url("/a").replace("//", "//me:pw@");
    fetch(quick(), &with_secrets(url)).contents();
    let seen = &other.seen()[0];
    assert_eq!(seen.header("authorization"), None);
    assert_eq!(seen.header("x-token"), None);
    assert_eq!(seen.header("referer"), None);
    assert_eq!(seen.header("accept"), Some(ACCEPT_CONFIG));
    assert_eq!(seen.header("user-agent"), Some(USER_AGENT));
    assert_eq!(seen.header("accept-encoding"), Some("identity"));
}

#[test]
fn circles_are_seen_at_once() {
    let server = Server::answers([redirect("302 F", "/b"), redirect("302 F", "/a")]);
    let outcome = get(server.url("/a"));
    assert!(matches!(outcome.error().cause, Cause::RedirectLoop));
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn there_is_an_end_to_following() {
    let hops = || (0..4).map(|hop| redirect("302 F", &format!("/{hop}")));
    let config = |max_redirects| ClientConfig {
        max_redirects,
        ..quick()
    };
    let server = Server::answers(hops());
    let outcome = fetch(config(3), &Request::new(server.url("/")));
    assert!(matches!(outcome.error().cause, Cause::TooManyRedirects(3)));
    assert_eq!(server.seen().len(), 4);
    let server = Server::answers(hops().chain([answer("200 OK", &[], "there")]));
    let outcome = fetch(config(4), &Request::new(server.url("/")));
    assert_eq!(outcome.contents(), b"there");
}

#[test]
fn failures_name_both_ends_without_secrets() {
    let server = Server::answers([redirect("302 F", "/b?sig=s3cret"), answer("404 N", &[], "")]);
    let error = get(server.url("/a")).error().to_string();
    let (from, to) = (server.url("/a"), server.url("/b"));
    assert_eq!(
        error,
        format!("while fetching {from} (redirected to {to}): the server answered 404 Not Found")
    );
}

#[test]
fn only_http_is_redirected_to() {
    for location in ["file:///etc/shadow", "data:,x", "ftp://a/"] {
        let server = Server::answers([redirect("302 F", location)]);
        let outcome = get(server.url("/"));
        let cause = &outcome.error().cause;
        assert!(matches!(cause, Cause::UnsupportedScheme(_)), "{cause}");
    }
    let server = Server::answers([redirect("302 F", "http://[")]);
    let outcome = get(server.url("/"));
    assert!(matches!(outcome.error().cause, Cause::InvalidUrl(_)));
}
