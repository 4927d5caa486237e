use proptest::prelude::*;
use proptest::sample::select;

use super::*;

fn before(name: &str, text: Option<&str>, users: &[&str], groups: &[&str]) -> Before {
    let set = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    let mut before = Before {
        users: set(users),
        groups: set(groups),
        ..Before::default()
    };
    before.note(name, text.map(str::as_bytes));
    before
}

/// File, before, now, what it has to be.
type Case = (
    &'static str,
    Option<&'static str>,
    Option<&'static str>,
    Option<&'static str>,
);

#[test]
fn named_lines_go_back_and_others_stay() {
    // The users "u" and "v" and the group "u" are named.
    let table: &[Case] = &[
        ("passwd", Some("a:1\n"), Some("a:1\nu:2\n"), Some("a:1\n")),
        (
            "passwd",
            Some("u:2\na:1\n"),
            Some("a:1\n"),
            Some("u:2\na:1\n"),
        ),
        (
            "passwd",
            Some("u:2\na:1\nv:3\n"),
            Some("u:9\na:7\nb:4\n"),
            Some("u:2\na:7\nv:3\nb:4\n"),
        ),
        // Somebody else has removed a line, and comments and twins are lines as well.
        (
            "shadow",
            Some("a:1\nb:1\n"),
            Some("b:1\nu:!\n"),
            Some("b:1\n"),
        ),
        (
            "passwd",
            Some("# x\n\na:1\na:2\n# x\n"),
            Some("# x\n\na:1\na:2\n# x\nu:1\n"),
            Some("# x\n\na:1\na:2\n# x\n"),
        ),
        // Without a final line feed, and what looks the same is the same.
        (
            "subuid",
            Some("a:1:5"),
            Some("a:1:5\nu:6:5\n"),
            Some("a:1:5"),
        ),
        // What the tools have made goes; what else came stays.
        ("subgid", None, Some("u:6:5\n"), None),
        ("subgid", None, Some("b:6:5\n"), Some("b:6:5\n")),
        ("subgid", Some(""), Some("u:6:5\n"), Some("")),
        ("shadow", Some("a:1\n"), None, Some("a:1\n")),
        ("shadow", None, None, None),
        // Of other groups only the named members.
        (
            "group",
            Some("w:x:1:a,u,b\nu:x:2:\n"),
            Some("w:x:1:a,b,v,c\n"),
            Some("w:x:1:a,u,b,c\nu:x:2:\n"),
        ),
        (
            "group",
            Some("w:x:1:a\n"),
            Some("w:x:7:u\nx:x:8:u\n"),
            Some("w:x:7:\nx:x:8:u\n"),
        ),
        (
            "group",
            Some("w:x:1:,a,,\n"),
            Some("w:x:1:a,u\n"),
            Some("w:x:1:,a,,\n"),
        ),
        (
            "gshadow",
            Some("w:!:u:a,u\nx:!::\n"),
            Some("w:*:c:a\nx:!:v:v\nu:!::\n"),
            Some("w:*:u,c:a,u\nx:!::\n"),
        ),
        // Lines with fewer fields.
        (
            "group",
            Some("w\nw:x\n"),
            Some("w\nw:x\nu\n"),
            Some("w\nw:x\n"),
        ),
        // Nothing else is a file of accounts.
        ("../shadow", Some("a"), Some("b"), Some("b")),
    ];
    for (name, was, now, expected) in table {
        let before = before(name, *was, &["u", "v"], &["u"]);
        let restored = before.restored(name, now.map(str::as_bytes));
        let text = restored.map(|text| String::from_utf8(text).unwrap());
        assert_eq!(text.as_deref(), *expected, "{name}: {was:?} {now:?}");
    }
}

#[test]
fn what_is_not_noted_or_no_text_stays() {
    let mut noted = before("passwd", Some("u:1\n"), &["u"], &[]);
    assert_eq!(
        noted.restored("shadow", Some(b"u:2\n")),
        Some(b"u:2\n".to_vec())
    );
    for digits in ["7", "7x", "é7", "+1"] {
        noted.files.insert("passwd".into(), Some(digits.into()));
        assert_eq!(
            noted.restored("passwd", Some(b"u:2\n")),
            Some(b"u:2\n".to_vec())
        );
        assert_eq!(noted.restored("passwd", None), None);
    }
}

#[test]
fn contents_are_not_shown() {
    let shown = format!("{:?}", before("shadow", Some("u:$6$secret:"), &["u"], &[]));
    assert!(
        shown.contains("shadow") && shown.contains("\"u\""),
        "{shown}"
    );
    assert!(!shown.contains(&hex::encode(b"secret")), "{shown}");
}

/// Accounts as they may stand in passwd or group, by a few names: a list of (name, number, members).
type Entries = Vec<(&'static str, u8, Vec<&'static str>)>;

const NAMES: [&str; 6] = ["a", "b", "c", "u", "v", "#"];

fn entries() -> impl Strategy<Value = Entries> {
    let members = prop::collection::vec(select(NAMES.to_vec()), 0..4);
    let entry = (select(NAMES.to_vec()), any::<u8>(), members);
    prop::collection::vec(entry, 0..8)
}

fn text(entries: &Entries) -> String {
    let line = |(name, number, members): &(&str, u8, Vec<&str>)| {
        format!("{name}:x:{number}:{}\n", members.join(","))
    };
    entries.iter().map(line).collect()
}

fn is_named(line: &[u8]) -> bool {
    matches!(name(line), b"u" | b"v")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// A run replaces one file after the other, each as a whole: some are as before, some as after. Whichever they
    /// are, all named lines are as before; nothing of the others is lost or comes back.
    #[test]
    fn after_any_prefix_of_replacements_the_named_are_as_before(
        was in prop::collection::vec(entries(), FILES.len()),
        changed in prop::collection::vec(entries(), FILES.len()),
        // What somebody else changes: entries that are added to all files.
        foreign in any::<bool>(),
        replaced in 0..=FILES.len(),
    ) {
        let mut noted = before("passwd", None, &["u", "v"], &["u", "v"]);
        for (file, entries) in FILES.iter().zip(&was) {
            noted.note(file, Some(text(entries).as_bytes()));
        }
        for (index, file) in FILES.iter().enumerate() {
            // The run changes named lines only.
            let old = text(&was[index]);
            let others = |text: &str| -> String {
                text.lines().filter(|line| !is_named(line.as_bytes())).map(|line| format!("{line}\n")).collect()
            };
            let named: String = text(&changed[index]).lines().filter(|line| is_named(line.as_bytes()))
                .map(|line| format!("{line}\n")).collect();
            let mut now = match index < replaced {
                true => others(&old) + &named,
                false => old.clone(),
            };
            let added = if foreign { "new:x:9:a,b\n" } else { "" };
            now += added;
            let restored = noted.restored(file, Some(now.as_bytes())).unwrap();
            let restored = String::from_utf8(restored).unwrap();
            prop_assert_eq!(&restored, &(old + added));
            // Put back twice is put back.
            let again = noted.restored(file, Some(restored.as_bytes())).unwrap();
            prop_assert_eq!(restored.as_bytes(), &again[..]);
        }
    }

    /// Whatever the files hold, of either time: no named line of now is left, none of before is missing.
    #[test]
    fn whatever_else_was_changed_stays(was in entries(), now in entries(), file in select(FILES.to_vec())) {
        let noted = before(file, Some(&text(&was)), &["u", "v"], &["u", "v"]);
        let (was, now) = (text(&was), text(&now));
        let restored = noted.restored(file, Some(now.as_bytes())).unwrap();
        let named = |text: &[u8]| -> Vec<Vec<u8>> {
            lines(text).into_iter().filter(|line| is_named(line)).map(<[u8]>::to_vec).collect()
        };
        let others = |text: &[u8]| -> Vec<Vec<u8>> {
            let mut names: Vec<Vec<u8>> =
                lines(text).into_iter().filter(|line| !is_named(line)).map(|line| name(line).to_vec()).collect();
            names.sort();
            names
        };
        prop_assert_eq!(named(&restored), named(was.as_bytes()));
        prop_assert_eq!(others(&restored), others(now.as_bytes()));
    }

    #[test]
    fn no_bytes_make_it_fail(was in any::<Vec<u8>>(), now in any::<Vec<u8>>(), file in select(FILES.to_vec())) {
        let mut noted = before(file, None, &["u"], &["u", ""]);
        noted.note(file, Some(&was));
        let _ = noted.restored(file, Some(&now));
    }
}
