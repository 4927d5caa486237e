//! Stores at their real names, which a proxy leads to servers of the test. That signatures are right is
//! shown by a server that checks them (tests/resources.rs) and by the published ones.

use std::cell::{Cell, RefCell};
use std::future::ready;
use std::rc::Rc;

use pilotlight_fetch::{Asked, AwsKeys, Cause, ClientConfig, Credentials, Proxy, Request, Token};

use crate::server::{Seen, Server, Step, answer, raw_answer};
use crate::tls::{Authority, server_config};
use crate::{Outcome, fetch, quick};

/// Planted in all that is secret.
const SECRET: &str = "s3cret";

/// A machine in any cloud. Each time that it is asked for keys or tokens, they are others.
#[derive(Default)]
struct Machine {
    aws: bool,
    region: Option<&'static str>,
    google: bool,
    azure: bool,
    broken: bool,
    asked: Cell<u32>,
    resources: RefCell<Vec<&'static str>>,
}

impl Machine {
    fn answer<T: 'static>(&self, has: bool, make: impl Fn(u32) -> T) -> Asked<'_, T> {
        self.asked.set(self.asked.get() + 1);
        Box::pin(ready(match self.broken {
            true => Err("the metadata service answered 500".into()),
            false => Ok(has.then(|| make(self.asked.get()))),
        }))
    }
}

impl Credentials for Machine {
    fn aws(&self) -> Asked<'_, AwsKeys> {
        self.answer(self.aws, |times| AwsKeys {
            id: format!("ID{times}"),
            secret: SECRET.into(),
            token: Some(format!("{SECRET}{times}")),
        })
    }

    fn aws_region(&self) -> Asked<'_, String> {
        Box::pin(ready(Ok(self.region.map(Into::into))))
    }

    fn gcp(&self) -> Asked<'_, Token> {
        self.answer(self.google, |times| Token(format!("{SECRET}{times}")))
    }

    fn azure(&self, resource: &'static str) -> Asked<'_, Token> {
        self.resources.borrow_mut().push(resource);
        self.answer(self.azure, |times| Token(format!("{SECRET}{times}")))
    }
}

/// Fetches `url` on a machine, where the servers of the stores give these answers.
fn fetch_from(url: &str, machine: &Rc<Machine>, answers: Vec<Step>) -> (Outcome, Vec<Seen>) {
    let authority = Authority::new();
    let identity = authority.issue(&[
        "storage.googleapis.com",
        "*.blob.core.windows.net",
        "*.s3.dualstack.us-east-1.amazonaws.com",
        "*.s3.us-east-1.amazonaws.com",
        "*.s3.dualstack.eu-west-1.amazonaws.com",
        "s3.dualstack.eu-west-1.amazonaws.com",
        "*.s3.dualstack.cn-north-1.amazonaws.com.cn",
        "*.s3-accesspoint.dualstack.us-west-2.amazonaws.com",
        "elsewhere.invalid",
    ]);
    let tls = server_config(&identity);
    let connections = answers.into_iter().map(|answer| match answer {
        Step::Reset => vec![Step::Reset],
        answer => vec![
            raw_answer("200 Connected", &[], ""),
            Step::StartTls(tls.clone()),
            answer,
        ],
    });
    let proxy = Server::start(connections.collect());
    let config = ClientConfig {
        extra_ca_pem: vec![authority.pem()],
        proxy: Proxy {
            https: Some(proxy.url("")),
            ..Proxy::default()
        },
        credentials: Some(machine.clone()),
        ..quick()
    };
    let outcome = fetch(config, &Request::new(url));
    for said in outcome.told.waits.borrow().iter() {
        assert!(!said.contains(SECRET), "{said}");
    }
    if let Err(error) = &outcome.result {
        assert!(!format!("{error} {error:?}").contains(SECRET), "{error}");
    }
    (outcome, proxy.seen())
}

/// Hosts and request lines of what the stores' servers saw.
fn requests(seen: &[Seen]) -> Vec<String> {
    seen.iter()
        .filter(|seen| !seen.line.starts_with("CONNECT"))
        .map(|seen| format!("{} {}", seen.header("host").unwrap_or(""), seen.line))
        .collect()
}

/// The values of a header in all requests to the stores' servers.
fn sent<'s>(seen: &'s [Seen], name: &str) -> Vec<Option<&'s str>> {
    seen.iter()
        .filter(|seen| !seen.line.starts_with("CONNECT"))
        .map(|seen| seen.header(name))
        .collect()
}

fn refusal(status: &str, headers: &[&str], code: &str) -> Step {
    let body = format!(
        "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{SECRET}</Message></Error>"
    );
    answer(status, headers, body)
}

fn on_aws() -> Rc<Machine> {
    Rc::new(Machine {
        aws: true,
        ..Machine::default()
    })
}

#[test]
fn an_object_is_signed_for_and_asked_for_where_the_machine_is() {
    for (machine, url, request) in [
        (
            Machine::default(),
            "s3://bucket/a%20b?versionId=v%2B1",
            "bucket.s3.dualstack.us-east-1.amazonaws.com GET /a%20b?versionId=v%2B1 HTTP/1.1",
        ),
        (
            Machine {
                region: Some("cn-north-1"),
                ..Machine::default()
            },
            "s3://bucket/key",
            "bucket.s3.dualstack.cn-north-1.amazonaws.com.cn GET /key HTTP/1.1",
        ),
        (
            Machine {
                region: Some("eu-west-1"),
                ..Machine::default()
            },
            "s3://with.dots/key",
            "s3.dualstack.eu-west-1.amazonaws.com GET /with.dots/key HTTP/1.1",
        ),
        (
            Machine {
                region: Some("eu-west-1"),
                ..Machine::default()
            },
            "arn:aws-cn:s3:::bucket/key",
            "bucket.s3.dualstack.cn-north-1.amazonaws.com.cn GET /key HTTP/1.1",
        ),
        (
            Machine::default(),
            "arn:aws:s3:us-west-2:123456789012:accesspoint/node/a/b",
            "node-123456789012.s3-accesspoint.dualstack.us-west-2.amazonaws.com GET /a/b HTTP/1.1",
        ),
    ] {
        let machine = Rc::new(Machine {
            aws: true,
            ..machine
        });
        let (outcome, seen) = fetch_from(url, &machine, vec![answer("200 OK", &[], "it")]);
        assert_eq!(outcome.contents(), b"it");
        assert_eq!(requests(&seen), [request], "{url}");
        let signed = sent(&seen, "authorization")[0].unwrap();
        assert!(
            signed.starts_with("AWS4-HMAC-SHA256 Credential=ID1/"),
            "{signed}"
        );
        assert_eq!(sent(&seen, "x-amz-security-token"), [Some("s3cret1")]);
    }
}

#[test]
fn a_bucket_says_where_it_is() {
    let there = [
        "bucket.s3.dualstack.us-east-1.amazonaws.com GET /key HTTP/1.1",
        "bucket.s3.dualstack.eu-west-1.amazonaws.com GET /key HTTP/1.1",
    ];
    let region = ["x-amz-bucket-region: eu-west-1"];
    let location = ["Location: https://elsewhere.invalid/key"];
    let told = |code: &str, element: &str| format!("<Error><Code>{code}</Code>{element}</Error>");
    for refusal in [
        refusal("301 Moved Permanently", &region, "PermanentRedirect"),
        refusal(
            "400 Bad Request",
            &region,
            "IllegalLocationConstraintException",
        ),
        answer(
            "400 Bad Request",
            &[],
            told("AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>"),
        ),
        answer(
            "307 Temporary Redirect",
            &location,
            told(
                "TemporaryRedirect",
                "<Endpoint>bucket.s3-eu-west-1.amazonaws.com</Endpoint>",
            ),
        ),
    ] {
        let answers = vec![refusal, answer("200 OK", &[], "it")];
        let (outcome, seen) = fetch_from("s3://bucket/key", &on_aws(), answers);
        assert_eq!(outcome.contents(), b"it");
        assert_eq!(requests(&seen), there);
        let signed = sent(&seen, "authorization");
        assert!(signed[0].unwrap().contains("/us-east-1/s3/"));
        assert!(signed[1].unwrap().contains("/eu-west-1/s3/"));
        // What was moved is not what was waited for.
        assert_eq!(outcome.told.waits.borrow().len(), 0);
    }
    // One that does not say is asked for nothing else.
    let answers = vec![
        refusal("301 Moved Permanently", &[], "PermanentRedirect"),
        raw_answer("403 Forbidden", &[region[0], "Connection: close"], ""),
        answer("200 OK", &[], "it"),
    ];
    let (outcome, seen) = fetch_from("s3://bucket/key", &on_aws(), answers);
    assert_eq!(outcome.contents(), b"it");
    let asked = "bucket.s3.dualstack.us-east-1.amazonaws.com HEAD / HTTP/1.1";
    assert_eq!(requests(&seen), [there[0], asked, there[1]]);
    assert_eq!(sent(&seen, "authorization")[1], None);
    // Nobody is sent from place to place for ever, nor to a host of the server's choice.
    let away = |region: &str| {
        refusal(
            "301 Moved Permanently",
            &[&format!("x-amz-bucket-region: {region}")],
            "PermanentRedirect",
        )
    };
    let circle = ["eu-west-1", "us-east-1", "eu-west-1", "us-east-1"].map(away);
    let (outcome, _) = fetch_from("s3://bucket/key", &on_aws(), circle.to_vec());
    let said = outcome.error().to_string();
    assert!(said.contains("301 PermanentRedirect"), "{said}");
    let answers = vec![away("elsewhere.invalid/x")];
    let (outcome, _) = fetch_from("s3://bucket/key", &on_aws(), answers);
    outcome.error();
}

#[test]
fn expired_keys_and_a_wrong_clock_are_set_right_once() {
    let expired = || refusal("400 Bad Request", &[], "ExpiredToken");
    let machine = on_aws();
    let answers = vec![expired(), answer("200 OK", &[], "it")];
    let (outcome, seen) = fetch_from("s3://bucket/key", &machine, answers);
    assert_eq!(outcome.contents(), b"it");
    let tokens = [Some("s3cret1"), Some("s3cret2")];
    assert_eq!(sent(&seen, "x-amz-security-token"), tokens);
    let (outcome, _) = fetch_from("s3://bucket/key", &on_aws(), vec![expired(), expired()]);
    let said = outcome.error().to_string();
    assert!(said.contains("400 ExpiredToken"), "{said}");

    let skewed = || {
        let date = ["Date: Fri, 24 May 2013 00:00:00 GMT"];
        refusal("403 Forbidden", &date, "RequestTimeTooSkewed")
    };
    let answers = vec![skewed(), answer("200 OK", &[], "it")];
    let (outcome, seen) = fetch_from("s3://bucket/key", &on_aws(), answers);
    assert_eq!(outcome.contents(), b"it");
    let dates = sent(&seen, "x-amz-date");
    assert!(dates[1].unwrap().starts_with("20130524T0000"), "{dates:?}");
    let answers = vec![skewed(), skewed()];
    let (outcome, _) = fetch_from("s3://bucket/key", &on_aws(), answers);
    let said = outcome.error().to_string();
    assert!(said.contains("is this machine's clock right?"), "{said}");
}

#[test]
fn what_everybody_may_read_needs_no_keys() {
    let machine = Rc::new(Machine::default());
    let (outcome, seen) = fetch_from(
        "s3://bucket/key",
        &machine,
        vec![answer("200 OK", &[], "it")],
    );
    assert_eq!(outcome.contents(), b"it");
    assert_eq!(sent(&seen, "authorization"), [None]);
    let denied = || refusal("403 Forbidden", &[], "AccessDenied");
    // Nor does it on a machine whose role has no rights.
    let answers = vec![denied(), answer("200 OK", &[], "it")];
    let (outcome, seen) = fetch_from("s3://bucket/key", &on_aws(), answers);
    assert_eq!(outcome.contents(), b"it");
    assert_eq!(sent(&seen, "authorization")[1], None);
    assert_eq!(sent(&seen, "x-amz-security-token")[1], None);
    // If nothing helps, the first refusal says what to do.
    let (outcome, _) = fetch_from("s3://bucket/key", &on_aws(), vec![denied(), denied()]);
    let said = outcome.error().to_string();
    assert!(
        said.contains("s3://bucket/key: S3 refuses the machine's keys (403 AccessDenied)"),
        "{said}"
    );
    assert!(said.contains("s3:GetObject"), "{said}");
    let (outcome, _) = fetch_from("s3://bucket/key", &machine, vec![denied()]);
    let said = outcome.error().to_string();
    assert!(said.contains("give the machine an IAM role"), "{said}");
}

#[test]
fn refusals_of_s3_are_told_in_words() {
    for (status, code, words, absent) in [
        (
            "404 Not Found",
            "NoSuchKey",
            "no such object (404 NoSuchKey)",
            true,
        ),
        (
            "404 Not Found",
            "NoSuchBucket",
            "no such bucket (404 NoSuchBucket)",
            true,
        ),
        (
            "404 Not Found",
            "NoSuchVersion",
            "no such version in S3",
            true,
        ),
        (
            "403 Forbidden",
            "SignatureDoesNotMatch",
            "are they right?",
            false,
        ),
        (
            "403 Forbidden",
            "InvalidAccessKeyId",
            "are they right?",
            false,
        ),
        (
            "405 Method Not Allowed",
            "MethodNotAllowed",
            "refuses the request (405",
            false,
        ),
    ] {
        let (outcome, _) = fetch_from(
            "s3://bucket/key",
            &on_aws(),
            vec![refusal(status, &[], code)],
        );
        let error = outcome.error();
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(error.cause.is_not_found(), absent, "{error}");
        assert!(!error.is_retryable());
    }
    // What heals is waited for, and signed anew.
    let answers = vec![
        refusal("503 Slow Down", &[], "SlowDown"),
        answer("200 OK", &[], "it"),
    ];
    let (outcome, _) = fetch_from("s3://bucket/key", &on_aws(), answers);
    assert_eq!(outcome.contents(), b"it");
    // Where keys could not be had, that is what is said.
    let broken = Rc::new(Machine {
        broken: true,
        ..Machine::default()
    });
    let (outcome, seen) = fetch_from("s3://bucket/key", &broken, vec![]);
    let error = outcome.error();
    assert!(matches!(error.cause, Cause::Credentials(_)), "{error}");
    assert_eq!(requests(&seen), [""; 0]);
}

#[test]
fn a_network_without_the_dualstack_names_is_no_hindrance() {
    let answers = vec![Step::Reset, answer("200 OK", &[], "it")];
    let (outcome, seen) = fetch_from("s3://bucket/key", &on_aws(), answers);
    assert_eq!(outcome.contents(), b"it");
    let there = "bucket.s3.us-east-1.amazonaws.com GET /key HTTP/1.1";
    assert_eq!(requests(&seen), [there]);
}

#[test]
fn googles_storage_takes_the_service_accounts_token() {
    let get = "storage.googleapis.com GET /bucket/a%20b HTTP/1.1";
    let with = Rc::new(Machine {
        google: true,
        ..Machine::default()
    });
    let without = Rc::new(Machine::default());
    let ok = || answer("200 OK", &[], "it");
    let denied = || refusal("403 Forbidden", &[], "AccessDenied");
    let expired = || refusal("401 Unauthorized", &[], "");
    for (machine, answers, tokens) in [
        (&with, vec![ok()], vec![Some(())]),
        (&without, vec![ok()], vec![None]),
        (&with, vec![denied(), ok()], vec![Some(()), None]),
        (&with, vec![expired(), ok()], vec![Some(()), Some(())]),
        (
            &with,
            vec![expired(), expired(), ok()],
            vec![Some(()), Some(()), None],
        ),
    ] {
        let (outcome, seen) = fetch_from("gs://bucket/a%20b", machine, answers);
        assert_eq!(outcome.contents(), b"it");
        assert!(requests(&seen).iter().all(|request| request == get));
        let sent = sent(&seen, "authorization");
        let shown: Vec<_> = sent.iter().map(|token| token.map(|_| ())).collect();
        assert_eq!(shown, tokens);
        for token in sent.into_iter().flatten() {
            assert!(token.starts_with("Bearer s3cret"), "{token}");
        }
    }
    let (outcome, _) = fetch_from("gs://bucket/x", &with, vec![denied(), denied()]);
    let said = outcome.error().to_string();
    assert!(
        said.contains("gs://bucket/x: Google Cloud Storage refuses access (403 AccessDenied)"),
        "{said}"
    );
    let (outcome, _) = fetch_from(
        "gs://bucket/x",
        &without,
        vec![refusal("404 Not Found", &[], "NoSuchKey")],
    );
    assert!(outcome.error().cause.is_not_found());
    for (url, words) in [
        ("gs://bucket", "no object"),
        ("gs://bucket/", "no object"),
        ("gs://bu@cket/x", "no bucket"),
        ("gs://bucket/../x", "\"..\""),
    ] {
        let (outcome, _) = fetch_from(url, &without, vec![]);
        let said = outcome.error().to_string();
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn azures_storage_is_shown_a_token_when_it_wants_one() {
    let url = "https://account.blob.core.windows.net/container/blob";
    let machine = |azure| {
        Rc::new(Machine {
            azure,
            ..Machine::default()
        })
    };
    let ok = || answer("200 OK", &[], "it");
    let closed = |status| refusal(status, &["x-ms-error-code: PublicAccessNotPermitted"], "");
    let (outcome, seen) = fetch_from(url, &machine(true), vec![ok()]);
    assert_eq!(outcome.contents(), b"it");
    assert_eq!(sent(&seen, "authorization"), [None]);
    for status in [
        "401 Unauthorized",
        "403 Forbidden",
        "404 Not Found",
        "409 Conflict",
    ] {
        let machine = machine(true);
        let (outcome, seen) = fetch_from(url, &machine, vec![closed(status), ok()]);
        assert_eq!(outcome.contents(), b"it");
        assert_eq!(sent(&seen, "authorization"), [None, Some("Bearer s3cret1")]);
        assert_eq!(sent(&seen, "x-ms-version"), [None, Some("2020-10-02")]);
        assert_eq!(*machine.resources.borrow(), ["https://storage.azure.com/"]);
    }
    let (outcome, _) = fetch_from(url, &machine(false), vec![closed("409 Conflict")]);
    let said = outcome.error().to_string();
    assert!(said.contains("409 PublicAccessNotPermitted"), "{said}");
    assert!(said.contains("managed identity"), "{said}");
    let (outcome, _) = fetch_from(url, &machine(true), vec![closed("404"), closed("404")]);
    assert!(outcome.error().cause.is_not_found());
    // A URL that is signed, or not of a blob, is asked for as it is.
    for url in [
        "https://account.blob.core.windows.net/container/blob?sv=1&sig=s3cret",
        "https://elsewhere.invalid/x",
    ] {
        let machine = machine(true);
        let (outcome, _) = fetch_from(url, &machine, vec![closed("403 Forbidden")]);
        assert!(matches!(outcome.error().cause, Cause::Status { code: 403 }));
        assert_eq!(machine.asked.get(), 0);
    }
}

#[test]
fn a_redirect_carries_nothing_away() {
    let away = || answer("302 Found", &["Location: https://elsewhere.invalid/x"], "");
    let machine = Rc::new(Machine {
        aws: true,
        google: true,
        azure: true,
        ..Machine::default()
    });
    let closed = refusal("403 Forbidden", &[], "");
    for (url, before) in [
        ("gs://bucket/x", vec![]),
        ("https://account.blob.core.windows.net/c/x", vec![closed]),
    ] {
        let answers = [before, vec![away(), answer("200 OK", &[], "it")]].concat();
        let (outcome, seen) = fetch_from(url, &machine, answers);
        assert_eq!(outcome.contents(), b"it");
        let tokens = sent(&seen, "authorization");
        assert!(tokens[tokens.len() - 2].is_some(), "{url}");
        assert_eq!(tokens.last(), Some(&None), "{url}");
        assert_eq!(sent(&seen, "x-ms-version").last(), Some(&None), "{url}");
    }
    // S3's are not followed at all.
    let (outcome, seen) = fetch_from("s3://bucket/x", &machine, vec![away()]);
    outcome.error();
    assert_eq!(requests(&seen).len(), 1);
}
