//! Attributes and what they want, one situation each.

use super::super::line::tests::{ED25519 as K, numbered};
use super::*;

/// 2026-11-29T00:00:00Z.
const NOW: u64 = 1_795_910_400;

/// Each key as `USER KEY [END]`, with the names of test keys in place of themselves.
fn keys(desired: &Desired) -> Vec<String> {
    let mut all = Vec::new();
    for user in desired.users() {
        for wanted in desired.keys_of(user) {
            let text = wanted.key.as_str().replace(K, "K");
            let text = text.replace(&numbered(1), "ONE");
            let end = wanted.expires.map(|end| format!(" {end}"));
            all.push(format!("{user} {text}{}", end.unwrap_or_default()));
        }
    }
    all
}

fn told(left_out: &[LeftOut]) -> Vec<String> {
    left_out.iter().map(ToString::to_string).collect()
}

fn one(text: &str) -> (Vec<String>, Vec<String>) {
    let instance = Attributes {
        ssh_keys: Some(text),
        ..Attributes::default()
    };
    let (desired, left_out) = of_attributes(&instance, &Attributes::default(), Heard::Whole);
    (keys(&desired), told(&left_out))
}

#[test]
fn every_form_of_a_line() {
    let note = |end: &str| format!(r#"google-ssh {{"userName":"u@x.org","expireOn":"{end}"}}"#);
    let cut = &K[..K.len() - 4];
    let place = "instance/attributes/ssh-keys, line 1";
    let unread_end = format!(
        "{place}, for \"u\", ssh-ed25519 … google-ssh: left out: when it ends cannot be read"
    );
    for (line, expected, why) in [
        (format!("u:{K} me"), "u K me", ""),
        (format!("u:{K}"), "u K", ""),
        (format!("  u:{K} me \r\n"), "u K me", ""),
        (format!("u: {K}"), "u K", ""),
        (
            format!("u:no-pty,from=\"a:b\" {K} c"),
            "u no-pty,from=\"a:b\" K c",
            "",
        ),
        (
            format!("u:{K} {}", note("2030-01-02T03:04:05+0000")),
            "u K 1893553445",
            "",
        ),
        (
            format!("u:{K} {}", note("2030-01-02T03:04:05Z")),
            "u K 1893553445",
            "",
        ),
        (
            format!("u:{K} {}", note("2030-01-02T03:04:05+01:00")),
            "u K 1893549845",
            "",
        ),
        (
            format!("u:{K} {}", note("2030-01-02T03:04:05.25-0100")),
            "u K 1893557045",
            "",
        ),
        (
            format!("u:{K} {}\r", note("2030-01-02T03:04:05Z")),
            "u K 1893553445",
            "",
        ),
        (
            format!("u:{K}\t{}", note("2030-01-02T03:04:05Z")),
            "u K 1893553445",
            "",
        ),
        (
            format!("u:no-pty {K} {}", note("2030-01-02T03:04:05Z")),
            "u no-pty K 1893553445",
            "",
        ),
        (
            format!(r#"u:{K} google-ssh {{"expireOn": "2030-01-02T03:04:05Z", "x": [1]}}"#),
            "u K 1893553445",
            "",
        ),
        // A comment that only begins so.
        (format!("u:{K} google-sshd x"), "u K google-sshd x", ""),
        (format!("u:{K} {}", note("soon")), "", &unread_end),
        (
            format!("u:{K} {}", note("2030-13-02T03:04:05Z")),
            "",
            &unread_end,
        ),
        (format!("u:{K} {}", note("2030-01-02")), "", &unread_end),
        (format!("u:{K} google-ssh"), "", &unread_end),
        (format!("u:{K} google-ssh {{"), "", &unread_end),
        (
            format!(r#"u:{K} google-ssh {{"userName":"u"}}"#),
            "",
            &unread_end,
        ),
        (
            format!(r#"u:{K} google-ssh {{"expireOn":5}}"#),
            "",
            &unread_end,
        ),
        (String::new(), "", ""),
        ("\r\n \t\r\n".into(), "", ""),
        (format!("# u:{K}"), "", ""),
        (
            K.into(),
            "",
            &format!("{place}: left out: no user stands before the key"),
        ),
        (
            format!(":{K}"),
            "",
            &format!("{place}: left out: no user can have the name before the key"),
        ),
        (
            format!("../u:{K}"),
            "",
            &format!("{place}: left out: no user can have the name before the key"),
        ),
        (
            format!("-u:{K}"),
            "",
            &format!("{place}: left out: no user can have the name before the key"),
        ),
        (
            format!("{K}:x"),
            "",
            &format!("{place}: left out: no user can have the name before the key"),
        ),
        (
            format!("u u:{K}"),
            "",
            &format!("{place}: left out: no user can have the name before the key"),
        ),
        (
            "u:".into(),
            "",
            &format!("{place}, for \"u\": left out: there is no key in it"),
        ),
        (
            format!("u:{cut} me"),
            "",
            &format!("{place}, for \"u\", ssh-ed25519 … me: left out: the key was cut off"),
        ),
        (
            format!("u:u:{K}"),
            "",
            &format!("{place}, for \"u\": left out: its options cannot be read"),
        ),
        (
            format!("u:\"x {K}"),
            "",
            &format!("{place}, for \"u\": left out: a quote of its options does not end"),
        ),
    ] {
        let (found, left_out) = one(&line);
        assert_eq!(found.join("|"), expected, "{line}");
        assert_eq!(left_out.join("|"), why, "{line}");
    }
}

#[test]
fn which_lists_count() {
    let (i, p) = (format!("i:{K} x"), format!("p:{K} x"));
    let (j, q) = (format!("j:{K}"), format!("q:{K}"));
    let project = Attributes {
        ssh_keys: Some(&p),
        old_ssh_keys: Some(&q),
        ..Attributes::default()
    };
    let all = ["i K x", "p K x", "q K"];
    for (old, block, expected) in [
        (None, None, &all[..]),
        (Some(""), None, &all),
        (Some(j.as_str()), None, &["i K x", "j K"]),
        (Some(" "), None, &all[..1]),
        (None, Some("1"), &all[..1]),
        (None, Some("t"), &all[..1]),
        (None, Some("T"), &all[..1]),
        (None, Some("TRUE"), &all[..1]),
        (None, Some("true"), &all[..1]),
        (None, Some("True"), &all[..1]),
        (None, Some("tRUE"), &all),
        (None, Some(" true"), &all),
        (None, Some("yes"), &all),
        (None, Some("0"), &all),
        (None, Some("False"), &all),
        (None, Some(""), &all),
    ] {
        let instance = Attributes {
            ssh_keys: Some(&i),
            old_ssh_keys: old,
            block_project: block,
            ..Attributes::default()
        };
        let (desired, left_out) = of_attributes(&instance, &project, Heard::Whole);
        assert_eq!(keys(&desired), expected, "{old:?} {block:?}");
        assert_eq!(left_out, []);
    }
}

#[test]
fn the_switches_leave_the_keys_to_others() {
    let os_login = Some("OS Login, which the metadata switch on");
    let nobody = Some("others: the metadata switch the account manager off");
    for (instance, project, off, expected) in [
        (None, None, None, None),
        (Some("TRUE"), None, None, os_login),
        (None, Some("true"), None, os_login),
        (Some("false"), Some("true"), None, None),
        (Some("TRUE"), Some("false"), None, os_login),
        (Some("maybe"), Some("1"), None, os_login),
        (Some(""), None, None, None),
        (None, None, Some("true"), nobody),
        (Some("0"), None, Some("0"), None),
        (Some("1"), None, Some("1"), os_login),
    ] {
        let of = |os_login, disabled| Attributes {
            os_login,
            disabled,
            ..Attributes::default()
        };
        let (desired, _) = of_attributes(&of(instance, off), &of(project, None), Heard::Whole);
        assert_eq!(
            desired.left_to(),
            expected,
            "{instance:?} {project:?} {off:?}"
        );
    }
}

#[test]
fn ends_are_known_and_the_longer_one_counts() {
    let note = |end: &str| format!(r#"google-ssh {{"expireOn":"{end}"}}"#);
    let text = [
        format!("u:{K} {}", note("2026-11-29T01:00:00Z")),
        format!("u:{} {}", numbered(1), note("2026-11-29T00:00:00Z")),
        format!("v:{} {}", numbered(1), note("2026-11-30T00:00:00Z")),
        format!("w:{} {}", numbered(1), note("2026-11-28T00:00:00Z")),
        format!("w:{}", numbered(1)),
    ];
    let project = format!("u:{K} {}", note("2026-11-29T02:00:00Z"));
    let text = text.join("\n");
    let instance = Attributes {
        ssh_keys: Some(&text),
        ..Attributes::default()
    };
    let project = Attributes {
        ssh_keys: Some(&project),
        ..Attributes::default()
    };
    let (desired, left_out) = of_attributes(&instance, &project, Heard::Whole);
    assert_eq!(left_out, []);
    let (two, day) = (NOW + 7200, NOW + 86400);
    assert_eq!(
        keys(&desired),
        [
            format!("u K {two}"),
            format!("u ONE {NOW}"),
            format!("v ONE {day}"),
            "w ONE".into()
        ]
    );
    for (now, next) in [
        (NOW - 1, Some(NOW)),
        (NOW, Some(two)),
        (two, Some(day)),
        (day, None),
    ] {
        assert_eq!(desired.next_expiry(now), next);
    }
}

#[test]
fn attributes_are_members_of_an_object() {
    let json = serde_json::json!({
        "ssh-keys": "a", "sshKeys": "b", "block-project-ssh-keys": "c", "enable-oslogin": "d",
        "disable-account-manager": 1,
    });
    let all = Attributes::of_json(&json);
    assert_eq!(
        [
            all.ssh_keys,
            all.old_ssh_keys,
            all.block_project,
            all.os_login,
            all.disabled
        ],
        [Some("a"), Some("b"), Some("c"), Some("d"), None]
    );
}

#[test]
fn the_agents_list_holds_names() {
    let list = users("ann\r\n\n# c\nbob \n../x\n-y\n12\nann\n");
    assert_eq!(list.into_iter().collect::<Vec<_>>(), ["ann", "bob"]);
}
