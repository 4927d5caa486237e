//! A journal that anybody may have written, and an account file that is put back by it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pilotlight_core::facts::disks::{Block, Detail, Disks, Signature, Superblock, TableState};
use pilotlight_core::facts::unfinished_accounts::FILES;
use pilotlight_core::journal::{Begun, Journal, notice};

/// A file system with data in it.
const PRECIOUS: &str = "11111111-2222-4333-8444-555555555555";

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let journal = Journal::parse(parts.next().unwrap_or_default());
    let file = parts.next();

    // Nothing is done that the machine does not show, nor a file system nothing that has another UUID.
    assert!(journal.finished(&[]).is_empty());
    let found = Superblock {
        kind: "ext4".into(),
        uuid: Some(PRECIOUS.into()),
        label: String::new(),
        detail: Detail::None,
    };
    let block = Block {
        size: 1 << 30,
        sector: 512,
        table: TableState::None,
        signature: Signature::Found(found),
        used: None,
    };
    let mut disks = Disks {
        blocks: [("/dev/a".to_string(), block)].into(),
        ..Disks::default()
    };
    let before = disks.clone();
    journal.forget_unfinished(&mut disks);
    let names_it = journal.entries().any(|(_, entry)| match &entry.what {
        Begun::Filesystem { uuid, .. } => uuid.eq_ignore_ascii_case(PRECIOUS),
        _ => false,
    });
    assert!(disks == before || names_it);

    // What is sealed is read again, and leaves nothing open.
    let records = journal.sealed();
    let text: Vec<String> = (records.iter()).map(|record| record.to_line()).collect();
    let again = Journal::parse(text.join("\n").as_bytes());
    assert!(again.interrupted().is_empty());
    let _ = (notice(&journal, "x"), notice(&again, "x"));

    // Lines of names that the journal does not have stay, whatever it says.
    if let Some(accounts) = journal.accounts() {
        for name in FILES {
            let restored = accounts.restored(name, file);
            // What ends a file that has no more lines is no line.
            let lines = |text: Option<&[u8]>| -> Vec<Vec<u8>> {
                let text = text.unwrap_or_default();
                match text.strip_suffix(b"\n").unwrap_or(text) {
                    [] => Vec::new(),
                    text => text.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect(),
                }
            };
            let now = lines(restored.as_deref());
            for line in lines(file) {
                let key = line.split(|byte| *byte == b':').next().unwrap_or_default();
                let key = String::from_utf8_lossy(key).into_owned();
                let named = accounts.users.contains(&key) || accounts.groups.contains(&key);
                // Of groups the members that are named come and go.
                let is_group = name.contains("group") || name.contains("gshadow");
                assert!(named || is_group || now.contains(&line));
            }
        }
    }
});
