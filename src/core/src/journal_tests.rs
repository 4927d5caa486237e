use super::*;
use crate::facts::disks::{Block, Detail, Superblock, TableState};

fn lines(records: &[Record]) -> String {
    let line = |record: &Record| record.to_line() + "\n";
    records.iter().map(line).collect()
}

fn run(config: &str) -> Record {
    Record::Run {
        version: VERSION,
        config: config.into(),
    }
}

fn begun(op: &str, what: Begun) -> Record {
    Record::Begun {
        op: op.into(),
        line: format!("do {op}"),
        what,
    }
}

fn done(op: &str) -> Record {
    Record::Done { op: op.into() }
}

fn path(text: &str) -> SysPath {
    SysPath::parse(text).unwrap()
}

#[test]
fn what_was_begun_and_not_done_is_interrupted() {
    let journal = Journal::parse(
        lines(&[
            run("c1"),
            begun("z", Begun::Evident),
            begun("a", Begun::Evident),
            begun("m", Begun::Evident),
            done("a"),
            done("never begun"),
        ])
        .as_bytes(),
    );
    assert_eq!(journal.config.as_deref(), Some("c1"));
    assert_eq!(journal.interrupted(), ["do z", "do m"]);
}

#[test]
fn what_was_begun_again_is_open_again() {
    let records = [
        run("c1"),
        begun("a", Begun::Evident),
        done("a"),
        run("c1"),
        begun("a", Begun::Evident),
    ];
    assert_eq!(
        Journal::parse(lines(&records).as_bytes()).interrupted(),
        ["do a"]
    );
}

#[test]
fn every_record_comes_back_as_it_was_written() {
    let what = [
        Begun::Evident,
        Begun::Contents {
            path: path("/etc/motd"),
            before: None,
            after: "ab".into(),
        },
        Begun::Filesystem {
            format: Format::Vfat,
            uuid: "12AB-34CD".into(),
        },
        Begun::Paths {
            paths: vec![path("/boot/x")],
        },
        Begun::Directories {
            paths: vec![path("/etc"), path("/")],
        },
        Begun::Accounts(Before {
            files: [
                ("shadow".into(), Some("7a".into())),
                ("gshadow".into(), None),
            ]
            .into(),
            users: ["core".into()].into(),
            absent: vec!["/home/core".into()],
            ..Before::default()
        }),
    ];
    for what in what {
        let record = begun("x", what);
        let text = record.to_line();
        assert_eq!(Record::of_line(text.as_bytes()).unwrap(), record, "{text}");
    }
}

#[test]
fn torn_foreign_and_newer_lines_count_as_not_written() {
    let whole = lines(&[run("c1"), begun("a", Begun::Evident), done("a")]);
    // A cut after every byte: what is there of it is as if the rest had not happened.
    for cut in 0..whole.len() {
        let mut torn = whole.as_bytes()[..cut].to_vec();
        torn.extend(format!("\n{}", lines(&[run("c2"), begun("b", Begun::Evident)])).bytes());
        let journal = Journal::parse(&torn);
        assert_eq!(journal.config.as_deref(), Some("c2"));
        let open = journal.interrupted();
        assert!(
            open.ends_with(&["do b"]) && open.len() <= 2,
            "{cut}: {open:?}"
        );
    }
    for foreign in [
        "{}",
        "[]",
        "{\"record\":\"begun\",\"op\":\"x\"}",
        "\u{0}\u{0}",
        "{\"record\":\"done\"}",
    ] {
        let journal = Journal::parse(format!("{}{foreign}\n", lines(&[run("c1")])).as_bytes());
        assert!(journal.interrupted().is_empty(), "{foreign}");
    }
    let newer = r#"{"record":"run","version":2,"config":"c9"}"#;
    let text = format!("{newer}\n{}", lines(&[begun("a", Begun::Evident)]));
    assert_eq!(Journal::parse(text.as_bytes()), Journal::default());
    // Without a run's beginning nobody knows whose lines they are.
    let text = lines(&[begun("a", Begun::Evident)]);
    assert_eq!(Journal::parse(text.as_bytes()), Journal::default());
}

#[test]
fn a_path_that_is_none_spoils_its_own_line_only() {
    let text = r#"{"record":"begun","op":"a","line":"l","what":"contents","path":"../etc","before":null,"after":"x"}"#;
    let text = format!(
        "{}{text}\n{}",
        lines(&[run("c")]),
        lines(&[begun("b", Begun::Evident)])
    );
    assert_eq!(Journal::parse(text.as_bytes()).interrupted(), ["do b"]);
}

fn disks(kind: &str, uuid: &str) -> Disks {
    let found = Superblock {
        kind: kind.into(),
        uuid: Some(uuid.into()),
        label: String::new(),
        detail: Detail::None,
    };
    let block = Block {
        size: 1 << 20,
        sector: 512,
        table: TableState::None,
        signature: Signature::Found(found),
        used: None,
    };
    Disks {
        blocks: [("/dev/a".to_string(), block)].into(),
        ..Disks::default()
    }
}

#[test]
fn only_the_very_file_system_whose_making_was_cut_off_is_nothing() {
    let unfinished = |end: &[Record]| {
        let what = Begun::Filesystem {
            format: Format::Vfat,
            uuid: "12ab34cd".into(),
        };
        let mut records = vec![run("c"), begun("a", what)];
        records.extend(end.iter().cloned());
        Journal::parse(lines(&records).as_bytes())
    };
    let table: &[(&str, &str, &[Record], bool)] = &[
        ("vfat", "12AB-34CD", &[], true),
        ("vfat", "12AB-34CE", &[], false),
        ("ext4", "12AB-34CD", &[], false),
        ("vfat", "12AB-34CD", &[done("a")], false),
        ("vfat", "12AB-34CD", &[run("other")], true),
    ];
    for (kind, uuid, end, nothing) in table {
        let mut seen = disks(kind, uuid);
        unfinished(end).forget_unfinished(&mut seen);
        let blank = seen.blocks["/dev/a"].signature == Signature::Blank;
        assert_eq!(blank, *nothing, "{kind} {uuid} {end:?}");
    }
}

#[test]
fn another_config_is_said_with_both_digests() {
    let journal = |records: &[Record]| Journal::parse(lines(records).as_bytes());
    assert_eq!(notice(&Journal::default(), "c1"), None);
    assert_eq!(notice(&journal(&[run("c1")]), "c1"), None);
    assert_eq!(
        notice(&journal(&[run("c1"), begun("a", Begun::Evident)]), "c1")
            .unwrap()
            .message,
        "an earlier run of this first boot was cut off while it was to do a; it goes on from there"
    );
    let said = notice(
        &journal(&[
            run("c1"),
            begun("a", Begun::Evident),
            begun("b", Begun::Evident),
        ]),
        "c2",
    )
    .unwrap()
    .message;
    for words in [
        "do a (and 1 more)",
        "SHA-256 c1",
        "of now (c2)",
        "install the machine anew",
    ] {
        assert!(said.contains(words), "{said}");
    }
    let said = notice(
        &journal(&[run("c1"), begun("a", Begun::Evident), done("a")]),
        "c2",
    )
    .unwrap()
    .message;
    assert!(
        said.starts_with(
            "an earlier run of this first boot did not come to its end, with another config"
        ),
        "{said}"
    );
}

#[test]
fn contents_are_done_where_the_file_has_them_and_nowhere_else() {
    let contents = |after: &str| Begun::Contents {
        path: path("/etc/motd"),
        before: Some("old".into()),
        after: after.into(),
    };
    let records = [
        run("c"),
        begun("a", contents("new")),
        done("a"),
        begun("b", contents("newer")),
    ];
    let journal = Journal::parse(lines(&records).as_bytes());
    for (there, finished) in [("old", vec![]), ("new", vec!["a"]), ("newer", vec!["b"])] {
        let seen = [(path("/etc/motd"), there.to_string())];
        let done: Vec<String> = journal.finished(&seen).into_iter().collect();
        assert_eq!(done, finished, "{there}");
    }
    assert!(journal.finished(&[]).is_empty());
    let sealed = Journal::parse(lines(&journal.sealed()).as_bytes());
    assert!(sealed.interrupted().is_empty() && sealed.contents().count() == 2);
    let nothing = Journal::parse(lines(&[run("c"), begun("a", Begun::Evident)]).as_bytes());
    assert_eq!(nothing.sealed(), []);
}

#[test]
fn a_journal_does_not_lie_where_an_operation_does_away_with_it() {
    let disk = || "/dev/vda".to_string();
    let delete = |number| DiskOp::DeletePartition {
        disk: disk(),
        number,
        label: String::new(),
    };
    let wipe = |device: &str| DiskOp::WipeSignatures {
        device: device.into(),
        destroys: String::new(),
    };
    let table: &[(DiskOp, bool)] = &[
        (
            DiskOp::CreateTable {
                disk: disk(),
                destroys: None,
            },
            true,
        ),
        (
            DiskOp::CreateTable {
                disk: "/dev/vdb".into(),
                destroys: None,
            },
            false,
        ),
        (delete(1), true),
        (delete(11), false),
        (wipe("/dev/vda1"), true),
        (wipe("/dev/vda9"), false),
    ];
    for (op, endangered) in table {
        assert_eq!(
            endangers(&Op::Disk(op.clone()), "/dev/vda1"),
            *endangered,
            "{op}"
        );
    }
}
