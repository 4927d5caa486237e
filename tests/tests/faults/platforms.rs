//! Metadata services of platforms, on their own addresses, that fail as they do.

use pilotlight_tests::Answer;
use pilotlight_tests::faults::{Act, Asked, Console, Web, isolated, say};

use crate::{Node, config};

const LINK: &str = "169.254.169.254/32";
const HTTP: &str = "169.254.169.254:80";

/// Boots on a platform whose service follows a script. Gives the machine, what the fetch stage said, and the
/// requests as `METHOD /path`.
fn boot(
    platform: &str,
    line: &str,
    script: impl FnMut(&Asked) -> Act + Send + 'static,
) -> (Node, Answer, Vec<Asked>) {
    isolated(&[LINK], || {
        let web = Web::start(HTTP, script);
        let node = Node::on(platform, line);
        let answer = node.fetch().ends();
        (node, answer, web.asked())
    })
}

fn provisioned(outcome: &(Node, Answer, Vec<Asked>)) {
    let (node, answer, _) = outcome;
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert!(node.cached().contains("/etc/there"), "{answer:?}");
}

fn failed(outcome: &(Node, Answer, Vec<Asked>), words: &str) {
    let (node, answer, _) = outcome;
    assert_eq!(answer.code, Some(1), "{answer:?}");
    let said = format!("error: {words}");
    assert!(
        answer.out.contains(&said),
        "{said:?} is not in:\n{}",
        answer.out
    );
    assert!(!node.has_config());
}

fn without_user_data(outcome: &(Node, Answer, Vec<Asked>)) {
    let (node, answer, _) = outcome;
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert!(
        answer.out.contains("there is no user config"),
        "{}",
        answer.out
    );
    assert!(node.has_config());
}

const TOKEN: &str = "/latest/api/token";
const USER_DATA: &str = "/2019-10-01/user-data";

/// Amazon's service: tokens have numbers, and only those that `valid` likes are taken.
fn imds(
    mut valid: impl FnMut(usize) -> bool + Send + 'static,
    user_data: impl Fn() -> Act + Send + 'static,
) -> impl FnMut(&Asked) -> Act + Send + 'static {
    let mut tokens = 0;
    move |asked| match (asked.method.as_str(), asked.path.as_str()) {
        ("PUT", TOKEN) => {
            assert_eq!(
                asked.header("x-aws-ec2-metadata-token-ttl-seconds"),
                Some("21600")
            );
            assert_eq!(asked.header("content-length"), Some("0"));
            tokens += 1;
            say("200 OK", &[], format!("QzxToken{tokens}"))
        }
        ("GET", USER_DATA) => {
            let token = asked.header("x-aws-ec2-metadata-token").unwrap_or_default();
            let number = token.trim_start_matches("QzxToken").parse().unwrap_or(0);
            if valid(number) {
                user_data()
            } else {
                say("401 Unauthorized", &[], "")
            }
        }
        // The machine's metadata, of which there is none here.
        ("GET", path)
            if path.starts_with("/2021-01-03/") || path.starts_with("/latest/dynamic/") =>
        {
            say("404 Not Found", &[], "")
        }
        other => panic!("{other:?}"),
    }
}

fn there() -> Act {
    say("200 OK", &[], config("there"))
}

#[test]
fn aws_a_token_that_has_expired_is_renewed() {
    let outcome = boot("aws", "", imds(|number| number == 2, there));
    provisioned(&outcome);
    let asked: Vec<String> = outcome
        .2
        .iter()
        .map(|asked| format!("{} {}", asked.method, asked.path))
        .collect();
    let (token, data) = (format!("PUT {TOKEN}"), format!("GET {USER_DATA}"));
    assert_eq!(asked[..4], [&*token, &*data, &*token, &*data]);
    // Nobody reads the token.
    assert!(!outcome.1.out.contains("QzxToken"), "{}", outcome.1.out);
}

#[test]
fn aws_no_token_is_good_enough() {
    let outcome = boot("aws", "", imds(|_| false, there));
    failed(
        &outcome,
        "http://169.254.169.254/2019-10-01/user-data answers 401",
    );
    assert_eq!(outcome.2.len(), 4);
}

#[test]
fn aws_a_service_that_is_switched_off() {
    let outcome = boot("aws", "", |_| say("403 Forbidden", &[], ""));
    failed(
        &outcome,
        "http://169.254.169.254/latest/api/token: the instance metadata service is switched off for this instance",
    );
}

#[test]
fn aws_no_user_data() {
    without_user_data(&boot(
        "aws",
        "",
        imds(|_| true, || say("404 Not Found", &[], "")),
    ));
    for status in ["403 Forbidden", "410 Gone"] {
        let outcome = boot("aws", "", imds(|_| true, move || say(status, &[], "")));
        let words = format!("http://169.254.169.254{USER_DATA} answers {}", &status[..3]);
        failed(&outcome, &words);
    }
}

#[test]
fn aws_a_throttled_service_is_asked_again() {
    let mut service = imds(|_| true, there);
    let outcome = boot("aws", "", move |asked| match asked.number {
        0 => say("503 Service Unavailable", &[], ""),
        1 => Act::Reset,
        3 => say("429 Too Many Requests", &["Retry-After: 1"], ""),
        _ => service(asked),
    });
    provisioned(&outcome);
    let words = "waiting for http://169.254.169.254/latest/api/token: the server answered 503 Service Unavailable since 0 s";
    assert!(outcome.1.out.contains(words), "{}", outcome.1.out);
}

#[test]
fn aws_metadata_that_is_refused_is_not_worth_a_boot() {
    let mut service = imds(|_| true, there);
    let outcome = boot("aws", "", move |asked| match asked.path.as_str() {
        path if path.starts_with("/2021-01-03/") => say("403 Forbidden", &[], "QzxBody"),
        _ => service(asked),
    });
    provisioned(&outcome);
    let words = "http://169.254.169.254/2021-01-03/meta-data/instance-id answers 403";
    assert!(outcome.1.out.contains(words), "{}", outcome.1.out);
    assert!(!outcome.1.out.contains("Qzx"), "{}", outcome.1.out);
}

#[test]
fn aws_ipv6_only() {
    isolated(&["fd00:ec2::254/128"], || {
        Web::start("[fd00:ec2::254]:80", imds(|_| true, there));
        let node = Node::on("aws", "");
        let mut run = node.fetch();
        run.says(&[
            "waiting for http://169.254.169.254/latest/api/token",
            "Network is unreachable",
        ]);
        let answer = run.ends();
        assert_eq!(answer.code, Some(0), "{answer:?}");
        assert!(node.cached().contains("/etc/there"));
    });
}

#[test]
fn a_silent_platform_is_waited_for_and_told_since_when() {
    isolated(&[LINK], || {
        let node = Node::on("aws", "pilotlight.fetch_timeout=7");
        let shown = Console::new(node.directory.path());
        let mut run = node.fetch();
        run.says(&["waiting for http://169.254.169.254/latest/api/token: cannot connect: Connection refused", "since 0 s"]);
        // By now it has begun anew, at the other address.
        let line = run.says(&["waiting for http://", "/latest/api/token"]);
        let since = line.split(" since ").nth(1).unwrap();
        let seconds: u32 = since.split(' ').next().unwrap().parse().unwrap();
        assert!(seconds >= 5, "{line}");
        let answer = run.ends();
        assert_eq!(answer.code, Some(1));
        assert!(
            answer.out.contains("/latest/api/token: gave up after "),
            "{}",
            answer.out
        );
        let text = shown.text();
        assert!(text.contains(&format!("pilotlight: {line}\r\n")), "{text}");
    });
}

#[test]
fn gcp_another_server_is_not_believed() {
    for (status, header) in [
        ("200 OK", "Server: nginx"),
        ("404 Not Found", "Server: nginx"),
        ("200 OK", "Metadata-Flavor: other"),
    ] {
        let outcome = boot("gcp", "", move |_| say(status, &[header], config("there")));
        let words = format!(
            "http://169.254.169.254/computeMetadata/v1/instance/attributes/user-data answers {} without \"Metadata-Flavor: Google\"",
            &status[..3]
        );
        failed(&outcome, &words);
    }
}

#[test]
fn gcp_statuses() {
    let google = ["Metadata-Flavor: Google"];
    let outcome = boot("gcp", "", move |asked| {
        assert_eq!(asked.header("metadata-flavor"), Some("Google"));
        match asked.number {
            0 => say("503 Service Unavailable", &google, ""),
            1 => say("429 Too Many Requests", &google, ""),
            _ => say("200 OK", &google, config("there")),
        }
    });
    provisioned(&outcome);
    without_user_data(&boot("gcp", "", move |_| say("404 Not Found", &google, "")));
    let outcome = boot("gcp", "", move |_| say("403 Forbidden", &google, ""));
    failed(
        &outcome,
        "http://169.254.169.254/computeMetadata/v1/instance/attributes/user-data answers 403",
    );
}

#[test]
fn azure_a_service_that_is_being_updated_is_asked_again() {
    let outcome = boot("azure", "", |asked| {
        assert_eq!(asked.header("metadata"), Some("true"));
        if asked.path.starts_with("/metadata/instance?") {
            // A version that this service does not know.
            return say("400 Bad Request", &[], "");
        }
        match asked.number {
            0 | 1 => say("410 Gone", &[], ""),
            2 => say("404 Not Found", &[], ""),
            3 => say("429 Too Many Requests", &["Retry-After: 1"], ""),
            4 => say("500 Internal Server Error", &[], ""),
            _ => say("200 OK", &[], base64(config("there").as_bytes())),
        }
    });
    provisioned(&outcome);
    let asked = outcome
        .2
        .iter()
        .filter(|asked| asked.path.contains("/userData?"));
    assert_eq!(asked.count(), 6);
    assert!(
        outcome
            .1
            .out
            .contains("/userData: the server answered 410 Gone since 0 s"),
        "{}",
        outcome.1.out
    );
}

#[test]
fn azure_user_data_that_is_not_base64() {
    let outcome = boot("azure", "", |_| say("200 OK", &[], "{}"));
    failed(
        &outcome,
        "while reading the user data of http://169.254.169.254/metadata/instance/compute/userData",
    );
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for part in bytes.chunks(3) {
        let bits = part
            .iter()
            .fold(0, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - part.len()));
        for digit in 0..4 {
            match digit <= part.len() {
                true => text.push(char::from(DIGITS[(bits >> (18 - 6 * digit) & 63) as usize])),
                false => text.push('='),
            }
        }
    }
    text
}
