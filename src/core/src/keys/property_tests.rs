//! What holds of every difference, whatever is wanted and whatever is there.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::line::tests::numbered;
use super::{
    Attributes, BEGIN, Change, Contents, Customs, Desired, END, File, Found, Heard, Layout,
    Observed, State, Wishes, difference, of_attributes,
};
use crate::facts::accounts::{Accounts, Texts};

const NOW: u64 = 1_795_910_400;
const USERS: [&str; 3] = ["ann", "bob", "core"];

/// A line of a file, as a person, an agent or the platform may have written it.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let key = (0..5_u8, select(&["", " c", " # x", "\r"][..]))
        .prop_map(|(number, rest)| format!("{}{rest}", numbered(number)).into_bytes());
    let mark = select(&[BEGIN, END, "# Added by Google", "", "# c", "  "][..]);
    prop_oneof![
        5 => key,
        3 => mark.prop_map(|mark| mark.as_bytes().to_vec()),
        1 => vec(any::<u8>().prop_filter("a line", |byte| *byte != b'\n'), 0..8),
    ]
}

fn file() -> impl Strategy<Value = File> {
    let text = (vec(line(), 0..8), any::<bool>()).prop_map(|(lines, ends)| {
        let mut text = lines.join(&b'\n');
        if ends && !text.is_empty() {
            text.push(b'\n');
        }
        File::Text(Contents(text))
    });
    prop_oneof![1 => Just(File::Absent), 6 => text, 1 => Just(File::Refused("why".into()))]
}

/// User, key, and whether it ends before, after or never.
type Said = Vec<(usize, u8, u8)>;

fn desired(said: &Said, customs: Customs, heard: Heard) -> Desired {
    let mut lines = String::new();
    let mut wishes = Wishes::new(customs);
    for (user, number, end) in said {
        let note = match end {
            0 => " google-ssh {\"expireOn\":\"2020-01-01T00:00:00Z\"}",
            1 => " google-ssh {\"expireOn\":\"2040-01-01T00:00:00+0000\"}",
            _ => " c",
        };
        lines += &format!("{}:{}{note}\n", USERS[*user], numbered(*number));
        wishes.text(USERS[*user], &numbered(*number), "");
    }
    let instance = Attributes {
        ssh_keys: Some(&lines),
        ..Attributes::default()
    };
    match customs {
        Customs::GuestAgent => of_attributes(&instance, &Attributes::default(), heard).0,
        Customs::Afterburn => wishes.end(heard).0,
    }
}

fn observed() -> impl Strategy<Value = Observed> {
    let layouts = [
        Layout::AFTERBURN,
        Layout::FlatcarFragments,
        Layout::Block,
        Layout::Block,
    ];
    let flags = || vec(any::<bool>(), 3);
    (
        select(layouts.to_vec()),
        vec((file(), file()), 3),
        flags(),
        flags(),
        any::<bool>(),
    )
        .prop_map(|(layout, files, known, made, has_sudoers)| {
            let passwd: &[u8] = b"ann:x:1:1::/a:/x\ncore:x:2:2::/c:/x\n";
            let accounts = Accounts::parse(&Texts {
                passwd: Some(passwd),
                group: Some(b"video:x:3:\ngoogle-sudoers:x:4:ann,core\n"),
                ..Texts::default()
            });
            let names = |flags: &[bool]| {
                let set = USERS.iter().zip(flags).filter(|(_, flag)| **flag);
                set.map(|(user, _)| user.to_string()).collect()
            };
            let exists = |user: &&str| accounts.user(user).is_some();
            let files = USERS
                .iter()
                .copied()
                .zip(files)
                .filter(|(user, _)| exists(user));
            let files = files.map(|(user, (file, former))| {
                let former = match layout.former() {
                    Some(_) => former,
                    None => File::Absent,
                };
                (user.to_string(), Found { file, former })
            });
            Observed {
                layout,
                files: files.collect(),
                state: State {
                    known: names(&known),
                    made: names(&made),
                },
                accounts,
                has_sudoers,
            }
        })
}

/// Lines of a file that no rule can take for ours: neither between marks, nor after Google's where these count, nor
/// one of the platform's test keys.
fn foreign(file: &File, google: bool) -> Vec<Vec<u8>> {
    let File::Text(Contents(text)) = file else {
        return Vec::new();
    };
    let (mut inside, mut after_mark) = (false, false);
    let mut found = Vec::new();
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    for (at, line) in lines.iter().enumerate() {
        let bare = line.trim_ascii();
        if bare == BEGIN.as_bytes() {
            let mut marks = lines[at + 1..].iter().map(|line| line.trim_ascii());
            let next = marks.find(|line| [BEGIN.as_bytes(), END.as_bytes()].contains(line));
            inside = next == Some(END.as_bytes());
        } else if bare == END.as_bytes() {
            inside = false;
        } else if google && bare == b"# Added by Google" {
            after_mark = true;
            continue;
        } else if !inside
            && (!after_mark || bare.starts_with(b"#"))
            && !bare.is_empty()
            && !bare.starts_with(b"ssh-ed25519 ")
        {
            found.push(line.to_vec());
        }
        after_mark = false;
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn it_is_done_at_once_and_others_lines_stay(
        said in vec((0..3_usize, 0..4_u8, 0..3_u8), 0..6),
        google in any::<bool>(),
        whole in any::<bool>(),
        before in observed(),
    ) {
        let customs = if google { Customs::GuestAgent } else { Customs::Afterburn };
        let heard = if whole { Heard::Whole } else { Heard::Partly };
        let desired = desired(&said, customs, heard);
        let found = difference(&desired, &before, NOW);
        prop_assert_eq!(&found, &difference(&desired, &before, NOW));
        let mut after = before.clone();
        for op in &found.ops {
            if let Change::WriteFile { user, before: digest, .. } = &op.change {
                let there = after.files.get(user.as_str()).cloned().unwrap_or_default().file;
                let there = match there {
                    File::Text(text) => Some(text.digest()),
                    _ => None,
                };
                prop_assert_eq!(digest, &there);
            }
            op.predict(&mut after);
        }
        let again = difference(&desired, &after, NOW);
        prop_assert_eq!(&again.ops, &[], "after {:?}", found.ops);
        for (user, files) in &after.files {
            let was = before.files.get(user).cloned().unwrap_or_default();
            if before.layout == Layout::Block {
                prop_assert_eq!(foreign(&was.file, google), foreign(&files.file, google));
            }
            // Every key that is wanted is there, unless the file may not be touched.
            let File::Text(Contents(text)) = &files.file else { continue };
            let text = String::from_utf8_lossy(text);
            let disabled = matches!(&was.file, File::Text(_)) && before.layout == Layout::FlatcarFragments;
            for wanted in desired.keys_of(user).iter().filter(|key| !key.is_over(NOW) && !disabled) {
                let (_, _, blob) = wanted.key.identity();
                let is_there = text.contains(blob);
                let refused = matches!(was.former, File::Refused(_));
                prop_assert!(is_there || refused, "{} in {}", wanted.key, text);
            }
        }
        if !whole {
            for op in &found.ops {
                prop_assert!(!matches!(op.change, Change::RevokeSudo { .. }), "{}", op);
            }
        }
    }
}
