use super::*;
use proptest::prelude::{prop_assert, prop_oneof, proptest};

#[test]
fn a_url_is_shown_without_its_secrets() {
    for (given, shown) in [
        ("https://a.example/x", "https://a.example/x"),
        ("http://a/b/c.ign", "http://a/b/c.ign"),
        ("HTTPS://A.example/X", "https://A.example/X"),
        ("http://a", "http://a"),
        ("http://a:8080", "http://a:8080"),
        ("http://a:/", "http://a:/"),
        // Users and passwords.
        ("https://me@a.example/x", "https://a.example/x"),
        ("https://me:pw@a.example/x", "https://a.example/x"),
        ("https://me:p%40w@a.example/x", "https://a.example/x"),
        ("https://me@b@a.example/x", "https://a.example/x"),
        ("https://:pw@a.example", "https://a.example"),
        ("https://me:pw@[fd00::1]:80/x", "https://[fd00::1]:80/x"),
        ("http://u:p@a:8080/b@c?t=x#y", "http://a:8080/b@c"),
        ("tftp://me:pw@a/x", "tftp://a/x"),
        ("//me:pw@a/x?y", "//a/x"),
        // Queries and fragments.
        ("https://a/x?sig=s&t=1#frag", "https://a/x"),
        ("https://a?sig=s", "https://a"),
        ("https://a/x#frag", "https://a/x"),
        ("https://a/x?y=1?z=2", "https://a/x"),
        ("https://a/x%3Fsig=s", "https://a/x"),
        ("https://a/x%3fsig=s", "https://a/x"),
        ("http://[::1]/?x", "http://[::1]/"),
        ("http://[fe80::1%25eth0]/x", "http://[fe80::1%25eth0]/x"),
        ("s3://bucket/key?versionId=v", "s3://bucket/key"),
        ("gs://bucket/a b", "gs://bucket/a%20b"),
        ("oem:///a.ign?x", "oem:///a.ign"),
        ("arn:aws:s3:::b/k@x?versionId=v", "arn:aws:s3:::b/k@x"),
        ("ARN:aws:s3:::b/k", "arn:aws:s3:::b/k"),
        // A URL within a URL.
        ("http://a/http://me:pw@b/", "http://a/http"),
        // What a terminal would not show as it is.
        (
            "http://a/\u{1b}[2J\n\u{202e}",
            "http://a/%1B[2J%0A%E2%80%AE",
        ),
        ("http://b\u{fc}cher.example/", "http://b%C3%BCcher.example/"),
        // What cannot be taken apart.
        ("https://me:pw/s3cret@a/", "https://… (23 bytes of URL)"),
        ("https://me:pw?s3cret@a/", "https://… (23 bytes of URL)"),
        ("https://me?s3cret@a/", "https://… (20 bytes of URL)"),
        ("https://me#s3cret@a/", "https://… (20 bytes of URL)"),
        ("https://me:pw\\s3cret@a/", "https://… (23 bytes of URL)"),
        ("https://me%40a/", "https://… (15 bytes of URL)"),
        ("http://my host/", "http://… (15 bytes of URL)"),
        ("http://[::1/x", "http://… (13 bytes of URL)"),
        ("http://[::1]pw/", "http://… (15 bytes of URL)"),
        ("data:,s3cret", "data:,… (12 bytes of URL)"),
        ("DATA:s3cret", "data:,… (11 bytes of URL)"),
        ("data:text/plain;base64,QQ==", "data:,… (27 bytes of URL)"),
        ("me:pw@a/x", "… (9 bytes of URL)"),
        ("mailto:me@a", "… (11 bytes of URL)"),
        ("not a url", "… (9 bytes of URL)"),
        ("1http://a/", "… (10 bytes of URL)"),
        ("://a/", "… (5 bytes of URL)"),
        ("", "… (0 bytes of URL)"),
        ("//", "//"),
    ] {
        assert_eq!(url(given), shown, "{given}");
    }
    let long = format!("http://a/{}", "x".repeat(2 * LONGEST));
    assert_eq!(url(&long).chars().count(), LONGEST + 1);
}

#[test]
fn urls_within_a_text_are_found() {
    for (given, shown) in [
        ("", ""),
        ("no such host: a.example", "no such host: a.example"),
        ("while reading //x/y: none", "while reading //x/y: none"),
        ("user data: {}", "user data: {}"),
        (
            "error sending request for url (https://me:pw@a/x?sig=s): timed out",
            "error sending request for url (https://a/x): timed out",
        ),
        (
            "from \"http://a/?x=1\", to 'HTTP://b/?y=2'.",
            "from \"http://a/\", to 'http://b/'.",
        ),
        ("http://a/x,http://me:pw@b/", "http://a/x,http"),
        ("url=http://me:pw@a/", "url=http://a/"),
        ("location: //me:pw@a/x?y", "location: //a/x"),
        (
            "{\"u\":\"http:\\/\\/me:pw@a\\/\"}",
            "{\"u\":\"http:\\/\\/a\\/\"}",
        ),
        ("(data:,s3cret)", "(data:,… (12 bytes of URL))"),
        ("é http://é?x é", "é http://%C3%A9 é"),
        (
            "see arn:aws:s3:::b/k?v=1 there",
            "see arn:aws:s3:::b/k there",
        ),
    ] {
        assert_eq!(text(given), shown, "{given}");
    }
}

#[test]
fn a_line_is_cut_before_its_first_secret() {
    for (line, shown) in [
        ("a: http://b/c, d: e", None),
        ("a: http://{{host}}/", Some("a: http://")),
        ("a: http://u:p@b/", Some("a: http://")),
        ("a: http://b/?sig=x", Some("a: http://b/")),
        ("a: http://b/#x", Some("a: http://b/")),
        (
            "a: http://b/, c: http://d?x",
            Some("a: http://b/, c: http://d"),
        ),
        ("a: http://p:w/x@b/", Some("a: http://")),
        ("\"a\":\"http:\\/\\/u@b\\/\"", Some("\"a\":\"http:\\/\\/")),
        ("a: data:,x", Some("a: data:")),
    ] {
        assert_eq!(first_secret(line).map(|at| &line[..at]), shown, "{line}");
    }
}

proptest! {
    #[test]
    fn a_secret_is_shown_nowhere(
        scheme in "[a-zA-Z]{1,5}|s3",
        before in "[a-z:@%!$]{0,5}",
        host in "[a-z0-9.]{1,9}|\\[::1\\]",
        path in "(/[a-z0-9@%]{0,4}){0,3}",
        form in 0..4_u8,
        end in prop_oneof!["[)., ]", ""],
    ) {
        // No other part of the URL has capitals behind the scheme.
        let given = match form {
            0 => format!("{scheme}://{before}SECRET@{host}{path}"),
            1 => format!("{scheme}://{host}{path}?{before}SECRET"),
            2 => format!("{scheme}://{host}{path}#{before}SECRET"),
            _ => format!("{scheme}://{before}:SECRET/{before}@{host}{path}"),
        };
        prop_assert!(!url(&given).contains("SECRET"), "{given}: {}", url(&given));
        let within = format!("asked ({given}{end} and http://b/");
        prop_assert!(!text(&within).contains("SECRET"), "{within}: {}", text(&within));
        let cut = first_secret(&within).map(|at| &within[..at]);
        prop_assert!(cut.is_some_and(|cut| !cut.contains("SECRET")), "{within}: {cut:?}");
    }

    #[test]
    fn any_text_is_shown_in_one_printable_line(given in "\\PC{0,20}|[a-z:/@?#%\\[\\]\\\\. \n\u{1b}é]{0,20}") {
        let shown = url(&given);
        prop_assert!(shown.chars().all(|c| c.is_ascii_graphic() || c == '…' || c == ' '), "{shown}");
        // Nothing that is shown once is shown otherwise the second time.
        let _ = (text(&given), first_secret(&given));
    }
}
