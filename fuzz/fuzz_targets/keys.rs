//! SSH keys of a platform: the first byte chooses how they are heard and kept, then come, with NUL between them, the
//! instance's and the project's attributes, the files of two users, and sshd's configuration.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use pilotlight_core::facts::accounts::{Accounts, Texts};
use pilotlight_core::keys::{
    Attributes, Change, Contents, Customs, Desired, File, Found, Heard, Key, KeyOp, Layout,
    LayoutFacts, MAX_FILE, Observed, State, Wishes, difference, includes, of_attributes,
};

const NOW: u64 = 1_900_000_000;

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, rest)) = bytes.split_first() else {
        return;
    };
    let mut parts = rest.split(|byte| *byte == 0);
    let mut part = || parts.next().unwrap_or_default();
    let (instance, project) = (text(part()), text(part()));
    let (ann, core) = (part(), part());
    let config = text(part());
    includes(&config);
    let facts = LayoutFacts {
        update_ssh_keys: choice & 1 != 0,
        sshd_config: vec![config],
    };
    let (layout, _) = Layout::detect(&facts);
    let desired = desired(*choice, &instance, &project);
    let mut observed = observed(*choice, layout, ann, core);
    let before = observed.clone();
    let found = difference(&desired, &observed, NOW);
    for op in &found.ops {
        check(op, &instance, &project);
        op.predict(&mut observed);
    }
    for unmet in &found.unmet {
        one_line(&unmet.to_string());
    }
    let again = difference(&desired, &observed, NOW);
    assert!(
        again.ops.is_empty(),
        "{:?} after {:?}",
        again.ops,
        found.ops
    );
    // Others' lines stay, as far as no rule takes any over.
    if layout == Layout::Block && desired.customs() == Customs::Afterburn {
        for (user, files) in &before.files {
            kept(&files.file, &observed.files[user].file);
        }
    }
    let state = State::parse(&observed.state.text()).expect("a state is read as it was written");
    assert_eq!(state, observed.state);
});

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn desired(choice: u8, instance: &str, project: &str) -> Desired {
    let heard = match choice & 2 {
        0 => Heard::Whole,
        _ => Heard::Partly,
    };
    let (desired, left_out) = if choice & 4 == 0 {
        let attributes = |text: &'_ str| {
            let mut fields = text.split('\u{1}').map(String::from);
            let mut field = || fields.next();
            [field(), field(), field(), field(), field()]
        };
        let (own, shared) = (attributes(instance), attributes(project));
        of_attributes(&borrowed(&own), &borrowed(&shared), heard)
    } else {
        let mut wishes = Wishes::new(Customs::Afterburn);
        wishes.text("ann", instance, "one");
        wishes.text("core", project, "two");
        wishes.end(heard)
    };
    for left_out in left_out {
        one_line(&left_out.to_string());
    }
    for user in desired.users() {
        for wanted in desired.keys_of(user) {
            let line = wanted.key.as_str();
            assert_eq!(Key::parse(line).as_ref(), Ok(&wanted.key), "{line}");
        }
    }
    desired
}

fn borrowed(fields: &[Option<String>; 5]) -> Attributes<'_> {
    let [ssh_keys, old_ssh_keys, block_project, os_login, disabled] =
        fields.each_ref().map(Option::as_deref);
    Attributes {
        ssh_keys,
        old_ssh_keys,
        block_project,
        os_login,
        disabled,
    }
}

fn observed(choice: u8, layout: Layout, ann: &[u8], core: &[u8]) -> Observed {
    let mut files = BTreeMap::new();
    for (user, bytes) in [("ann", ann), ("core", core)] {
        let file = match bytes {
            b"-" => File::Absent,
            bytes => File::Text(Contents(bytes.into())),
        };
        let former = match layout.former() {
            Some(_) if choice & 8 != 0 => file.clone(),
            _ => File::Absent,
        };
        files.insert(user.into(), Found { file, former });
    }
    let mut state = State::default();
    for (user, bit) in [("ann", 16), ("core", 32)] {
        if choice & bit != 0 {
            state.known.insert(user.into());
            state.made.insert(user.into());
        }
    }
    Observed {
        layout,
        accounts: Accounts::parse(&Texts {
            passwd: Some(b"ann:x:1:1::/a:/x\ncore:x:2:2::/c:/x\n"),
            group: Some(b"google-sudoers:x:4:core\nvideo:x:5:\n"),
            ..Texts::default()
        }),
        files,
        state,
        has_sudoers: choice & 64 != 0,
    }
}

/// What is told and kept of an operation holds no key.
fn check(op: &KeyOp, instance: &str, project: &str) {
    let line = op.to_string();
    one_line(&line);
    let json = serde_json::to_string(op).expect("an operation is JSON");
    let words = instance
        .split_whitespace()
        .chain(project.split_whitespace());
    for word in words.filter(|word| word.len() > 40 && word.starts_with("AAAA")) {
        assert!(!line.contains(word) && !json.contains(word), "{line}");
    }
    if let Change::WriteFile { text, .. } = &op.change {
        assert!(!text.bytes().is_empty() && text.bytes().len() as u64 <= MAX_FILE);
    }
}

fn one_line(text: &str) {
    assert!(!text.chars().any(char::is_control), "{text:?}");
}

/// Lines that are neither keys nor comments are nobody's but the user's, unless they stand between marks.
fn kept(before: &File, after: &File) {
    let lines = |file: &File| -> Vec<Vec<u8>> {
        let File::Text(Contents(text)) = file else {
            return Vec::new();
        };
        let is_key = |line: &[u8]| Key::parse(&String::from_utf8_lossy(line)).is_ok();
        let is_own = |line: &&[u8]| line.starts_with(b"own ") && !is_key(line);
        let lines = text.split(|byte| *byte == b'\n').filter(is_own);
        lines.map(<[u8]>::to_vec).collect()
    };
    let has_marks = |file: &File| match file {
        File::Text(Contents(text)) => text.windows(12).any(|part| part == b"# BEGIN pilo"),
        _ => false,
    };
    if !has_marks(before) {
        assert_eq!(lines(before), lines(after));
    }
}
