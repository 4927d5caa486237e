//! Proxies. Their targets must not be loopback addresses, which are never asked through one: names that
//! nobody resolves, and 0.0.0.0, which Linux connects to itself.

use std::time::Duration;

use pilotlight_fetch::{Cause, ClientConfig, Proxy, Request};

use crate::server::{Server, Step, answer, raw_answer};
use crate::tls::{Authority, server_config};
use crate::{fetch, quick};

fn through(proxy: &Server, no_proxy: &[&str]) -> ClientConfig {
    ClientConfig {
        proxy: Proxy {
            http: Some(proxy.url("").replace("//", "//me:s3cret@")),
            https: None,
            no_proxy: no_proxy.iter().map(|&entry| entry.to_owned()).collect(),
        },
        ..quick()
    }
}

#[test]
fn http_goes_through_the_proxy() {
    let proxy = Server::answers([answer("200 OK", &[], "by proxy")]);
    let request = Request::new("http://config.invalid/x");
    let outcome = fetch(through(&proxy, &["other.invalid"]), &request);
    assert_eq!(outcome.contents(), b"by proxy");
    let seen = &proxy.seen()[0];
    assert_eq!(seen.line, "GET http://config.invalid/x HTTP/1.1");
    assert_eq!(seen.header("host"), Some("config.invalid"));
    // echo -n me:s3cret | base64
    assert_eq!(
        seen.header("proxy-authorization"),
        Some("Basic bWU6czNjcmV0")
    );
}

#[test]
fn https_goes_through_a_tunnel() {
    let authority = Authority::new();
    let tls = server_config(&authority.issue(&["config.invalid"]));
    let proxy = Server::start(vec![vec![
        raw_answer("200 Connected", &[], ""),
        Step::StartTls(tls),
        answer("200 OK", &[], "by tunnel"),
    ]]);
    let config = ClientConfig {
        extra_ca_pem: vec![authority.pem()],
        ..through(&proxy, &[])
    };
    let request = Request {
        headers: vec![("X-Token".to_owned(), "t".to_owned())],
        ..Request::new("https://config.invalid/x")
    };
    let outcome = fetch(config, &request);
    assert_eq!(outcome.contents(), b"by tunnel");
    let seen = proxy.seen();
    assert_eq!(seen[0].line, "CONNECT config.invalid:443 HTTP/1.1");
    assert_eq!(seen[0].header("x-token"), None);
    assert_eq!(seen[1].line, "GET /x HTTP/1.1");
    assert_eq!(seen[1].header("x-token"), Some("t"));
    assert_eq!(seen[1].header("proxy-authorization"), None);
}

#[test]
fn exceptions_are_asked_directly() {
    let server = || Server::answers([answer("200 OK", &[], "directly")]);
    let proxy = Server::answers([answer("200 OK", &[], "by proxy")]);
    for no_proxy in ["0.0.0.0", "0.0.0.0/8", "*"] {
        let server = server();
        let url = format!("http://0.0.0.0:{}/", server.port());
        let outcome = fetch(through(&proxy, &[no_proxy]), &Request::new(url));
        assert_eq!(outcome.contents(), b"directly");
    }
    let server = server();
    let outcome = fetch(through(&proxy, &[]), &Request::new(server.url("/")));
    assert_eq!(outcome.contents(), b"directly");
    assert_eq!(proxy.seen().len(), 0);
}

#[test]
fn a_dead_proxy_is_named_without_its_password() {
    let proxy = Server::answers([]);
    let config = ClientConfig {
        total_timeout: Some(Duration::from_secs(1)),
        ..through(&proxy, &[])
    };
    let outcome = fetch(config, &Request::new("http://config.invalid/x"));
    let error = outcome.error().to_string();
    let named = format!("through the proxy 127.0.0.1:{}: ", proxy.port());
    assert!(error.contains(&named), "{error}");
    assert!(!error.contains("s3cret"), "{error}");
}

#[test]
fn a_proxy_that_is_no_url_fails_at_once() {
    let config = ClientConfig {
        proxy: Proxy {
            http: Some("socks5://me:s3cret@a:1".to_owned()),
            ..Proxy::default()
        },
        ..quick()
    };
    let outcome = fetch(config, &Request::new("http://config.invalid/"));
    let error = outcome.error();
    assert!(matches!(error.cause, Cause::InvalidSetting(_)), "{error}");
    assert!(!error.to_string().contains("s3cret"), "{error}");
}
