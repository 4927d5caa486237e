//! Differences, one situation each.

use std::collections::BTreeSet;

use super::line::tests::{ED25519, numbered};
use super::{
    Attributes, BEGIN, Contents, Customs, Desired, Difference, END, File, Found, Heard, Layout,
    Observed, State, Wishes, difference, looked_at, of_attributes,
};
use crate::facts::accounts::{Accounts, Texts};

const NOW: u64 = 1_795_910_400;

fn accounts() -> Accounts {
    let passwd = b"root:x:0:0::/root:/bin/sh\ncore:x:500:500::/home/core:/bin/bash\n\
        ann:x:1000:1000::/home/ann:/bin/bash\n";
    let group = b"adm:x:4:\nvideo:x:44:\ndocker:x:233:core\n";
    Accounts::parse(&Texts {
        passwd: Some(passwd),
        group: Some(group),
        ..Texts::default()
    })
}

/// Test keys: `K` and `1` to `9` with a comment where one follows, blanks apart.
fn named(text: &str) -> String {
    let line = |line: &str| {
        let (line, end) = match line.strip_suffix('\r') {
            Some(line) => (line, "\r"),
            None => (line, ""),
        };
        let (name, comment) = line.split_once(' ').unwrap_or((line, ""));
        let key = match name {
            "K" => ED25519.to_string(),
            _ => match name.parse() {
                Ok(number) => numbered(number),
                Err(_) => return format!("{line}{end}"),
            },
        };
        let key = format!("{key} {comment}");
        format!("{}{end}", key.trim_end())
    };
    let text = text.replace("[b]", BEGIN).replace("[e]", END);
    let lines: Vec<String> = text.split('\n').map(line).collect();
    lines.join("\n")
}

fn text(text: &str) -> File {
    File::Text(Contents(named(text).into_bytes()))
}

fn afterburn(user: &str, keys: &str, heard: Heard) -> Desired {
    let mut wishes = Wishes::new(Customs::Afterburn);
    wishes.text(user, &named(keys), "keys");
    wishes.end(heard).0
}

fn google(keys: &str, heard: Heard) -> Desired {
    let keys: Vec<String> = keys
        .lines()
        .map(|line| {
            let (user, key) = line.split_once(':').unwrap();
            format!("{user}:{}", named(key))
        })
        .collect();
    let keys = keys.join("\n");
    let instance = Attributes {
        ssh_keys: Some(&keys),
        ..Attributes::default()
    };
    of_attributes(&instance, &Attributes::default(), heard).0
}

fn observed(layout: Layout, files: &[(&str, File)]) -> Observed {
    let found = |file: &File| Found {
        file: file.clone(),
        former: File::Absent,
    };
    Observed {
        layout,
        accounts: accounts(),
        files: files
            .iter()
            .map(|(user, file)| (user.to_string(), found(file)))
            .collect(),
        state: State::default(),
        has_sudoers: false,
    }
}

fn lines(found: &Difference) -> String {
    let ops = found.ops.iter().map(ToString::to_string);
    let unmet = found.unmet.iter().map(ToString::to_string);
    ops.chain(unmet).collect::<Vec<_>>().join("\n")
}

/// The lines of a difference, and the user's file after it.
fn after(desired: &Desired, mut observed: Observed, user: &str) -> (String, File) {
    let found = difference(desired, &observed, NOW);
    for op in &found.ops {
        op.predict(&mut observed);
    }
    assert_eq!(difference(desired, &observed, NOW).ops, [], "{found:?}");
    let file = observed.files.get(user).cloned().unwrap_or_default().file;
    (lines(&found), file)
}

#[test]
fn a_fragment_is_the_platforms() {
    const WRITE: &str = "write ~core/.ssh/authorized_keys.d/afterburn: ";
    const REMOVE: &str = "remove ~core/.ssh/authorized_keys.d/afterburn: ";
    let (whole, partly) = (Heard::Whole, Heard::Partly);
    let none = || File::Absent;
    for (keys, heard, there, line, expected) in [
        ("", whole, none(), "", none()),
        ("", partly, none(), "", none()),
        (
            "K\n1",
            whole,
            none(),
            "write +2 −0: the platform lists them",
            text("K\n1\n"),
        ),
        (
            "K\n1",
            partly,
            none(),
            "write +2 −0: the platform lists them",
            text("K\n1\n"),
        ),
        // What the first boot wrote, and Afterburn, is as it is.
        ("K\n1", whole, text("K\n1\n"), "", text("K\n1\n")),
        ("K\n1", whole, text("1\nK"), "", text("1\nK")),
        ("K", whole, text("# c\n\nK\r\n"), "", text("# c\n\nK\r\n")),
        (
            "K",
            whole,
            text("K\n1\n"),
            "write +0 −1: the platform does not list them any more",
            text("K\n"),
        ),
        ("K", partly, text("K\n1\n"), "", text("K\n1\n")),
        (
            "2\nK",
            whole,
            text("K\n1\n"),
            "write +1 −1: the platform lists others",
            text("K\n2\n"),
        ),
        (
            "2\nK",
            partly,
            text("K\n1\n"),
            "write +1 −0: the platform lists them",
            text("K\n1\n2\n"),
        ),
        (
            "",
            whole,
            text("K\n1\n"),
            "remove +0 −2: the platform does not list them any more",
            none(),
        ),
        (
            "",
            whole,
            text(""),
            "remove +0 −0: they are the platform's",
            none(),
        ),
        ("", partly, text("K\n1\n"), "", text("K\n1\n")),
        ("", partly, text(""), "", text("")),
        (
            "K",
            whole,
            text("K\nK\n"),
            "write +0 −1: the platform does not list them any more",
            text("K\n"),
        ),
        // Another comment is another line.
        (
            "K b",
            whole,
            text("K a\n"),
            "write +1 −1: the platform lists others",
            text("K b\n"),
        ),
        (
            "K b",
            partly,
            text("K a\n1\n"),
            "write +1 −1: the platform lists others",
            text("1\nK b\n"),
        ),
        // What cannot be read is not added, and not removed.
        (
            "ssh-new AAAA\nK",
            whole,
            none(),
            "write +1 −0: the platform lists them",
            text("K\n"),
        ),
        (
            "ssh-new AAAA\nK",
            whole,
            text("ssh-new AAAA\nssh-old AAAA\n"),
            "write +1 −1: the platform lists others",
            text("ssh-new AAAA\nK\n"),
        ),
    ] {
        let desired = afterburn("core", keys, heard);
        let line = line.replace("write ", WRITE).replace("remove ", REMOVE);
        let observed = observed(Layout::AFTERBURN, &[("core", there.clone())]);
        assert_eq!(
            after(&desired, observed, "core"),
            (line, expected),
            "{keys:?} {heard:?} {there:?}"
        );
    }
}

#[test]
fn in_a_block_only_our_lines_change() {
    const WRITE: &str = "write ~core/.ssh/authorized_keys: ";
    const REMOVE: &str = "remove ~core/.ssh/authorized_keys: ";
    let (whole, partly) = (Heard::Whole, Heard::Partly);
    let listed = "write +1 −0: the platform lists them";
    let gone = "write +0 −1: the platform does not list them any more";
    let taken = "write +0 −0, 1 taken over: they are the platform's";
    for (keys, heard, known, there, line, expected) in [
        ("", whole, false, File::Absent, "", File::Absent),
        (
            "K",
            whole,
            false,
            File::Absent,
            listed,
            text("[b]\nK\n[e]\n"),
        ),
        (
            "K",
            whole,
            false,
            text("5 mine"),
            listed,
            text("5 mine\n[b]\nK\n[e]\n"),
        ),
        (
            "K",
            whole,
            false,
            text("x\n[b]\nK\n[e]\n y \r\n"),
            "",
            text("x\n[b]\nK\n[e]\n y \r\n"),
        ),
        (
            "K",
            whole,
            true,
            text("x\n[b]\n1\nK\n[e]\n\r\ny"),
            gone,
            text("x\n[b]\nK\n[e]\n\r\ny"),
        ),
        (
            "K",
            partly,
            true,
            text("x\n[b]\n1\nK\n[e]\ny"),
            "",
            text("x\n[b]\n1\nK\n[e]\ny"),
        ),
        (
            "",
            whole,
            true,
            text("x\n[b]\n1\n[e]\ny"),
            gone,
            text("x\ny"),
        ),
        (
            "",
            whole,
            true,
            text("[b]\n1\n[e]\n"),
            "remove +0 −1: the platform does not list them any more",
            File::Absent,
        ),
        (
            "",
            partly,
            true,
            text("[b]\n1\n[e]\n"),
            "",
            text("[b]\n1\n[e]\n"),
        ),
        (
            "",
            whole,
            true,
            text("x\n[b]\n[e]\n"),
            "write +0 −0: they are the platform's",
            text("x\n"),
        ),
        // An empty file is not ours to remove.
        ("", whole, true, text(""), "", text("")),
        ("", whole, true, text("5 mine\n"), "", text("5 mine\n")),
        // The first boot makes no marks: the first time its lines become ours.
        (
            "K\n1",
            whole,
            false,
            text("5\nK\n6\n"),
            "write +1 −0, 1 taken over: the platform lists them",
            text("5\n6\n[b]\nK\n1\n[e]\n"),
        ),
        (
            "K",
            whole,
            false,
            text("5\nK\n"),
            taken,
            text("5\n[b]\nK\n[e]\n"),
        ),
        (
            "K",
            partly,
            false,
            text("5\nK\n"),
            taken,
            text("5\n[b]\nK\n[e]\n"),
        ),
        // Later, they are a person's.
        ("K", whole, true, text("5\nK\n"), "", text("5\nK\n")),
        (
            "K\n1",
            whole,
            true,
            text("5\nK\n"),
            listed,
            text("5\nK\n[b]\n1\n[e]\n"),
        ),
        (
            "",
            whole,
            true,
            text("5\nK\n[b]\nK\n[e]\n"),
            gone,
            text("5\nK\n"),
        ),
        (
            "K",
            whole,
            false,
            text("K\n[b]\nK\n[e]\n"),
            "",
            text("K\n[b]\nK\n[e]\n"),
        ),
        // The platform's marks of Google's agent are comments elsewhere.
        (
            "K",
            whole,
            true,
            text("# Added by Google\n5\n[b]\nK\n[e]\n"),
            "",
            text("# Added by Google\n5\n[b]\nK\n[e]\n"),
        ),
        // A mark that was lost.
        (
            "K",
            whole,
            true,
            text("[b]\nK\n5\n"),
            taken,
            text("[b]\nK\n[e]\n5\n"),
        ),
        (
            "K",
            whole,
            true,
            text("[b]\nK\n[e]\n5\n[b]\n1\n[e]\n"),
            gone,
            text("[b]\nK\n[e]\n5\n"),
        ),
    ] {
        let desired = afterburn("core", keys, heard);
        let line = line.replace("write ", WRITE).replace("remove ", REMOVE);
        let mut observed = observed(Layout::Block, &[("core", there.clone())]);
        if known {
            observed.state.known.insert("core".into());
        }
        assert_eq!(
            after(&desired, observed, "core"),
            (line, expected),
            "{keys:?} {heard:?} {there:?}"
        );
    }
}

#[test]
fn flatcars_program_makes_the_file() {
    let (whole, partly) = (Heard::Whole, Heard::Partly);
    let none = || File::Absent;
    let disabled = "the SSH keys of \"core\" stay as they are: this set of keys is disabled by update-ssh-keys";
    for (keys, heard, there, former, expected) in [
        ("", whole, none(), none(), ""),
        (
            "K",
            whole,
            none(),
            none(),
            "set the keys \"coreos-metadata\" of \"core\": +1 −0: the platform lists them",
        ),
        // It writes them in its own manner.
        ("K a", whole, text("K b\n"), none(), ""),
        (
            "K",
            whole,
            text("K\n1\n"),
            none(),
            "set the keys \"coreos-metadata\" of \"core\": +0 −1: the platform does not list them any more",
        ),
        ("K", partly, text("K\n1\n"), none(), ""),
        (
            "",
            whole,
            text("K\n"),
            none(),
            "remove the keys \"coreos-metadata\" of \"core\": +0 −1: the platform does not list them any more",
        ),
        ("", partly, text("K\n"), none(), ""),
        ("K", whole, text(""), none(), disabled),
        ("", whole, text(""), none(), ""),
        // What the first boot and Afterburn wrote is taken over.
        (
            "K",
            whole,
            none(),
            text("K\n1\n"),
            "set the keys \"coreos-metadata\" of \"core\": +0 −1, 1 taken over: the platform does not list them any more\n\
             remove the keys \"afterburn\" of \"core\": +0 −0: the platform does not list them any more",
        ),
        (
            "K",
            partly,
            text("K\n"),
            text("K\n1\n"),
            "set the keys \"coreos-metadata\" of \"core\": +0 −0, 2 taken over: they are the platform's\n\
             remove the keys \"afterburn\" of \"core\": +0 −0: they are the platform's",
        ),
        (
            "",
            whole,
            none(),
            text("1\n"),
            "remove the keys \"afterburn\" of \"core\": +0 −0: the platform does not list them any more",
        ),
        ("K", whole, text("K\n"), text(""), ""),
    ] {
        let mut observed = observed(Layout::FlatcarFragments, &[("core", there.clone())]);
        observed.files.get_mut("core").unwrap().former = former.clone();
        let (lines, _) = after(&afterburn("core", keys, heard), observed, "core");
        assert_eq!(lines, expected, "{keys:?} {heard:?} {there:?} {former:?}");
    }
}

#[test]
fn keys_end_with_their_time() {
    let end = |seconds: u64| {
        format!(
            "google-ssh {{\"expireOn\":\"{}\"}}",
            crate::calendar::Utc::of_unix(NOW + seconds)
        )
    };
    let keys = format!("ann:1 {}\nann:2 {}\nann:3", end(0), end(60));
    for heard in [Heard::Whole, Heard::Partly] {
        let desired = google(&keys, heard);
        let mut there = observed(Layout::Block, &[("ann", text("[b]\n1\n2\n3\n[e]\n"))]);
        let mut said = Vec::new();
        for now in [NOW - 1, NOW, NOW + 59, NOW + 60] {
            let found = difference(&desired, &there, now);
            for op in &found.ops {
                op.predict(&mut there);
            }
            said.push((lines(&found), found.next_expiry));
        }
        let over = "write ~ann/.ssh/authorized_keys: +0 −1: their time is over";
        assert_eq!(
            said,
            [
                (String::new(), Some(NOW)),
                (over.into(), Some(NOW + 60)),
                (String::new(), Some(NOW + 60)),
                (over.into(), None),
            ]
        );
        assert_eq!(there.files["ann"].file, text("[b]\n3\n[e]\n"));
    }
}

#[test]
fn googles_lines_are_taken_over() {
    let agents =
        "5\n# Added by Google\n1 google-ssh {}\n# Added by Google\n2\n# Added by Google\n3\n6\n";
    let desired = google("ann:1\nann:2", Heard::Whole);
    let found = after(
        &desired,
        observed(Layout::Block, &[("ann", text(agents))]),
        "ann",
    );
    let line = "write ~ann/.ssh/authorized_keys: +1 −2, 2 taken over: the platform lists others";
    assert_eq!(found, (line.into(), text("5\n6\n[b]\n2\n1\n[e]\n")));
    let desired = google("ann:1\nann:2", Heard::Partly);
    let found = after(
        &desired,
        observed(Layout::Block, &[("ann", text(agents))]),
        "ann",
    );
    let line = "write ~ann/.ssh/authorized_keys: +1 −1, 3 taken over: the platform lists others";
    assert_eq!(found, (line.into(), text("5\n6\n[b]\n2\n3\n1\n[e]\n")));
    // A user whom the platform does not name any more.
    let desired = google("core:1", Heard::Whole);
    let there = observed(Layout::Block, &[("ann", text("# Added by Google\n3\n"))]);
    assert_eq!(
        after(&desired, there, "ann"),
        (
            "remove ~ann/.ssh/authorized_keys: +0 −1: the platform does not list them any more\n\
             write ~core/.ssh/authorized_keys: +1 −0: the platform lists them"
                .into(),
            File::Absent
        )
    );
}

#[test]
fn users_come_and_lose_what_they_were_given() {
    let mut there = observed(Layout::Block, &[]);
    let mut told = Vec::new();
    for (keys, heard) in [
        ("bob:1\ncore:2", Heard::Whole),
        ("bob:1\ncore:2", Heard::Whole),
        ("core:2", Heard::Partly),
        ("core:2", Heard::Whole),
        ("core:2", Heard::Whole),
        ("bob:1\ncore:2", Heard::Whole),
        ("", Heard::Whole),
    ] {
        let found = difference(&google(keys, heard), &there, NOW);
        for op in &found.ops {
            op.predict(&mut there);
        }
        told.push(lines(&found));
    }
    assert_eq!(
        told,
        [
            "make the group google-sudoers and /etc/sudoers.d/google_sudoers: users that the platform names are its administrators\n\
             make the user \"bob\" in adm, docker, video, google-sudoers: the platform names a user that there is not\n\
             write ~bob/.ssh/authorized_keys: +1 −0: the platform lists them\n\
             write ~core/.ssh/authorized_keys: +1 −0: the platform lists them",
            "",
            "",
            "remove ~bob/.ssh/authorized_keys: +0 −1: the platform does not list them any more\n\
             remove the user \"bob\" from google-sudoers: the platform does not name the user any more",
            "",
            "add the user \"bob\" to google-sudoers: the platform names the user\n\
             write ~bob/.ssh/authorized_keys: +1 −0: the platform lists them",
            // Core was there, and keeps what it may do.
            "remove ~bob/.ssh/authorized_keys: +0 −1: the platform does not list them any more\n\
             remove ~core/.ssh/authorized_keys: +0 −1: the platform does not list them any more\n\
             remove the user \"bob\" from google-sudoers: the platform does not name the user any more",
        ]
    );
    assert!(there.accounts.user("bob").is_some());
}

#[test]
fn what_cannot_be_is_told() {
    let none = "the SSH keys of \"bob\" stay as they are: there is no such user";
    let desired = afterburn("bob", "K", Heard::Whole);
    let found = difference(&desired, &observed(Layout::AFTERBURN, &[]), NOW);
    assert_eq!(lines(&found), none);
    let refused = || File::Refused("it is a link\nx".into());
    let found = difference(
        &afterburn("core", "K", Heard::Whole),
        &observed(
            Layout::AFTERBURN,
            &[("ann", refused()), ("core", refused())],
        ),
        NOW,
    );
    assert_eq!(
        lines(&found),
        "the SSH keys of \"core\" stay as they are: it is a link\\nx"
    );
    let mut there = observed(Layout::Block, &[("ann", refused())]);
    there.state.known.insert("ann".into());
    let found = difference(&afterburn("core", "", Heard::Whole), &there, NOW);
    assert_eq!(
        lines(&found),
        "the SSH keys of \"ann\" stay as they are: it is a link\\nx"
    );
    let large = "x".repeat(1 << 20);
    let there = observed(Layout::Block, &[("core", text(&large))]);
    let found = difference(&afterburn("core", "K", Heard::Whole), &there, NOW);
    assert_eq!(
        lines(&found),
        "the SSH keys of \"core\" stay as they are: the file would be larger than files of keys are"
    );
}

#[test]
fn of_what_is_left_to_others_nothing_is_done() {
    let keys = format!("bob:{ED25519}");
    let instance = Attributes {
        ssh_keys: Some(&keys),
        os_login: Some("TRUE"),
        ..Attributes::default()
    };
    let (desired, _) = of_attributes(&instance, &Attributes::default(), Heard::Whole);
    let there = observed(
        Layout::Block,
        &[("ann", text("# Added by Google\n3\n[b]\nK\n[e]\n"))],
    );
    assert_eq!(difference(&desired, &there, NOW), Difference::default());
}

#[test]
fn one_user_alone_can_be_asked_for() {
    let files = [
        ("ann", text("[b]\n1\n[e]\n")),
        ("core", text("[b]\n1\n[e]\n")),
    ];
    let desired = afterburn("core", "", Heard::Whole).only("core");
    let found = difference(&desired, &observed(Layout::Block, &files), NOW);
    assert_eq!(
        lines(&found),
        "remove ~core/.ssh/authorized_keys: +0 −1: the platform does not list them any more"
    );
}

#[test]
fn who_is_looked_at() {
    let names = |all: BTreeSet<String>| all.into_iter().collect::<Vec<_>>().join(" ");
    let desired = afterburn("core", "K", Heard::Whole);
    assert_eq!(
        names(looked_at(&desired, None, &accounts())),
        "ann core root"
    );
    let mut state = State::default();
    assert_eq!(
        names(looked_at(&desired, Some(&state), &accounts())),
        "core"
    );
    state.known.insert("gone".into());
    state.made.insert("ann".into());
    assert_eq!(
        names(looked_at(&desired, Some(&state), &accounts())),
        "ann core"
    );
    let only = desired.only("core");
    assert_eq!(names(looked_at(&only, Some(&state), &accounts())), "core");
}

#[test]
fn no_line_and_no_json_holds_a_key() {
    let desired = google("ann:1 secret\nbob:2", Heard::Whole);
    let found = difference(
        &desired,
        &observed(Layout::Block, &[("ann", text("5\n"))]),
        NOW,
    );
    let json = serde_json::to_string(&found.ops).unwrap();
    let all = format!("{json} {found:?} {desired:?}");
    for number in [1, 2, 5] {
        let key = numbered(number);
        assert!(!all.contains(key.split_once(' ').unwrap().1), "{all}");
    }
    assert!(json.contains(r#""op":"write-file","user":"ann""#), "{json}");
    assert!(
        json.contains(r#""added":1,"removed":0,"taken":0"#),
        "{json}"
    );
}
