use super::*;
use crate::dataurl;
use crate::facts::Usage;
use crate::facts::disks::{Disks, ENCRYPTED, TableState};
use crate::model::{Compression, Resource, Scheme, SysPath, Tang};
use crate::op::ContentSource;
use crate::plan::crypttab;
use crate::plan::want::{Blobs, Kind};

const UUID: &str = "11111111-2222-4333-8444-555555555555";

fn device(signature: Signature) -> Block {
    Block {
        size: 1 << 30,
        sector: 512,
        table: TableState::None,
        signature,
        used: None,
    }
}

fn encrypted(version: u8, being_made: bool, clevis: bool) -> Block {
    device(Signature::Found(Superblock {
        kind: ENCRYPTED.into(),
        label: "lab".into(),
        uuid: Some(UUID.into()),
        detail: Detail::Luks(LuksHeader {
            version,
            being_made,
            clevis,
        }),
    }))
}

fn machine(block: Block) -> Facts {
    Facts {
        disks: Disks {
            blocks: [("/dev/a".to_string(), block)].into(),
            ..Disks::default()
        },
        ..Facts::default()
    }
}

fn volume() -> Luks {
    Luks {
        at: None,
        name: "v".into(),
        device: SysPath::parse("/dev/a").unwrap(),
        key_file: None,
        label: None,
        uuid: None,
        options: Vec::new(),
        open_options: Vec::new(),
        discard: false,
        wipe_volume: false,
        clevis: None,
        cex: false,
    }
}

fn with_key() -> Luks {
    Luks {
        key_file: Some(Resource {
            at: None,
            url: "data:,top%20secret".into(),
            scheme: Scheme::Data,
            compression: Compression::None,
            headers: Vec::new(),
            digest: None,
        }),
        ..volume()
    }
}

fn bound(tang: &[(&str, Option<&str>)], tpm2: bool, threshold: u32) -> Luks {
    let server = |(url, advertisement): &(&str, Option<&str>)| Tang {
        url: url.to_string(),
        thumbprint: "thumb".to_string(),
        advertisement: advertisement.map(Into::into),
    };
    Luks {
        clevis: Some(Clevis {
            tang: tang.iter().map(server).collect(),
            tpm2,
            threshold,
            custom: None,
        }),
        ..volume()
    }
}

fn config(luks: Luks) -> Config {
    Config {
        luks: vec![luks],
        ..Config::default()
    }
}

fn shown(luks: &Luks, facts: &Facts) -> String {
    match plan(&config(luks.clone()), facts) {
        Ok(plan) => {
            // Every step finds what it needs.
            assert!(
                plan.lint(facts.clone()).is_ok(),
                "{:?}",
                plan.lint(facts.clone())
            );
            plan.steps.iter().map(|step| step.line() + "\n").collect()
        }
        Err(report) => report
            .items
            .iter()
            .map(|item| item.message.clone() + "\n")
            .collect(),
    }
}

const MAKE: &str = "  make an encrypted volume (LUKS2) on /dev/a with a generated key\n";
const OPEN: &str = "  open the encrypted volume /dev/a as /dev/mapper/v\n";
const FINISH: &str = "  mark the encrypted volume /dev/a as finished\n";

#[test]
fn a_generated_key_stays_marked_until_the_root_has_it() {
    let facts = machine(device(Signature::Blank));
    assert_eq!(shown(&volume(), &facts), format!("{MAKE}{OPEN}"));
    let config = config(volume());
    let after = plan(&config, &facts).unwrap().predict(facts);
    // The same stage once more, with the key still there.
    assert_eq!(shown(&volume(), &after), "");
    // Power was cut: the key is gone, the volume is not open, and the mark says that nothing is lost.
    let cut = machine(encrypted(2, true, false));
    assert!(shown(&volume(), &cut).ends_with(&format!("{MAKE}{OPEN}")));
    let lines: String = finish(&after)
        .steps
        .iter()
        .map(|step| step.line() + "\n")
        .collect();
    assert_eq!(lines, FINISH);
    assert!(finish(&finish(&after).predict(after)).is_empty());
}

#[test]
fn with_the_configs_key_a_volume_is_finished_at_once_and_kept() {
    let facts = machine(device(Signature::Blank));
    let made = MAKE.replace("a generated", "the config's");
    assert_eq!(shown(&with_key(), &facts), format!("{made}{OPEN}{FINISH}"));
    let after = plan(&config(with_key()), &facts).unwrap().predict(facts);
    assert_eq!(shown(&with_key(), &after), "");
    assert_eq!(
        shown(&with_key(), &machine(encrypted(2, false, false))),
        OPEN
    );
}

#[test]
fn what_is_not_the_configs_volume_is_refused() {
    let xfs = device(Signature::Found(Superblock {
        kind: "xfs".into(),
        ..Superblock::default()
    }));
    let luks = |change: fn(&mut Luks)| {
        let mut luks = with_key();
        change(&mut luks);
        luks
    };
    let other = "22222222-2222-4333-8444-555555555555";
    let rows: Vec<(Luks, Block, &str)> = vec![
        (
            with_key(),
            xfs.clone(),
            "holds xfs, not the encrypted volume",
        ),
        (with_key(), encrypted(1, false, false), "of version 1"),
        (
            volume(),
            encrypted(2, false, false),
            "whose key the config does not give",
        ),
        (
            luks(|luks| luks.label = Some("x".into())),
            encrypted(2, false, false),
            "with the label \"x\"",
        ),
        (
            luks(|luks| luks.uuid = Some("22222222-2222-4333-8444-555555555555".into())),
            encrypted(2, false, false),
            other,
        ),
        (
            with_key(),
            encrypted(2, false, true),
            "which clevis unlocks",
        ),
        (
            bound(&[], true, 1),
            encrypted(2, false, false),
            "which clevis does not unlock",
        ),
        (
            luks(|luks| luks.cex = true),
            device(Signature::Blank),
            "IBM CEX",
        ),
    ];
    for (luks, block, expected) in rows {
        let words = shown(&luks, &machine(block));
        assert!(words.contains(expected), "{expected}: {words}");
    }
    // All of that may be lost where the config says so.
    for block in [xfs, encrypted(1, false, false), encrypted(2, false, true)] {
        let lines = shown(&luks(|luks| luks.wipe_volume = true), &machine(block));
        assert!(lines.starts_with("! wipe "), "{lines}");
    }
    assert_eq!(
        shown(
            &luks(|luks| {
                luks.label = Some("lab".into());
                luks.uuid = Some("11111111-2222-4333-8444-555555555555".to_uppercase());
            }),
            &machine(encrypted(2, false, false))
        ),
        OPEN
    );
}

#[test]
fn a_volume_in_use_is_neither_made_nor_opened() {
    let mut facts = machine(encrypted(2, false, false));
    facts.disks.blocks.get_mut("/dev/a").unwrap().used =
        Some(Usage::PartOf("/dev/mapper/other".into()));
    assert!(shown(&with_key(), &facts).contains("it is part of mapper/other"));
    let wiping = Luks {
        wipe_volume: true,
        ..with_key()
    };
    assert!(shown(&wiping, &facts).contains("it is part of mapper/other"));
    // Open under its own name, and mounted.
    facts.disks.blocks.get_mut("/dev/a").unwrap().used =
        Some(Usage::PartOf("/dev/mapper/v".into()));
    let mut open = device(Signature::Unknown);
    facts
        .disks
        .blocks
        .insert("/dev/mapper/v".into(), open.clone());
    assert_eq!(shown(&with_key(), &facts), "");
    assert!(
        shown(&wiping, &facts).starts_with("  close the encrypted volume /dev/mapper/v\n! wipe")
    );
    open.used = Some(Usage::MountedAt("/srv".into()));
    facts.disks.blocks.insert("/dev/mapper/v".into(), open);
    assert!(shown(&wiping, &facts).contains("/dev/mapper/v is mounted at /srv"));
    // The name belongs to another device.
    facts.disks.blocks.get_mut("/dev/a").unwrap().used = None;
    assert!(shown(&wiping, &facts).contains("which is open on another device"));
}

#[test]
fn clevis_is_tried_before_the_key_is_taken_out() {
    let blank = machine(device(Signature::Blank));
    let lines = shown(
        &bound(&[("http://user:pw@tang.example:80/x?y", None)], true, 2),
        &blank,
    );
    assert_eq!(
        lines,
        format!(
            "{MAKE}  let 2 of 2 pins (the tang server http://tang.example:80/x, the TPM) unlock /dev/a (clevis)\n  \
             open the encrypted volume /dev/a as /dev/mapper/v by clevis\n  \
             remove the generated key from /dev/a\n{FINISH}"
        )
    );
    // A server that need not be in reach: opened with the key, and marked until the first boot is done.
    let far = bound(
        &[("http://tang.example", Some("{\"payload\":\"x\"}"))],
        false,
        1,
    );
    let lines = shown(&far, &blank);
    assert!(lines.contains(OPEN) && !lines.contains(FINISH), "{lines}");
    // One of two is enough, and the TPM is here.
    let either = bound(&[("http://tang.example", Some("{}"))], true, 1);
    assert!(shown(&either, &blank).contains("by clevis"));
    assert_eq!(
        shown(&either, &machine(encrypted(2, false, true))),
        "  open the encrypted volume /dev/a as /dev/mapper/v by clevis\n"
    );
}

#[test]
fn the_pins_config_is_what_clevis_reads() {
    let both = bound(
        &[("http://t", Some("{\"a\":1}")), ("http://u", None)],
        true,
        2,
    );
    let (pin, _, text) = pin(both.clevis.as_ref().unwrap());
    assert_eq!(pin, "sss");
    assert_eq!(
        text,
        r#"{"pins":{"tang":[{"adv":{"a":1},"thp":"thumb","url":"http://t"},{"thp":"thumb","url":"http://u"}],"tpm2":{}},"t":2}"#
    );
    // The config of a pin may hold secrets: it is in no output.
    let op = VolumeOp::BindVolume {
        name: "v".into(),
        device: "/dev/a".into(),
        pin: "sss".into(),
        shown: "x".into(),
        config: "hidden".into(),
    };
    assert!(!format!("{op}{}", serde_json::to_string(&op).unwrap()).contains("hidden"));
}

fn contents(config: &Config, facts: &Facts, path: &str) -> Option<String> {
    let wants = crypttab::wants(config, facts, &Blobs::default());
    let want = wants.iter().find(|want| want.path.as_str() == path)?;
    match &want.kind {
        Kind::File {
            contents: Some(content),
            ..
        } => match &content.source {
            ContentSource::Fetched { key } => Some(format!("<{key}>")),
            known => Some(String::from_utf8_lossy(&known.known().unwrap()).into_owned()),
        },
        _ => None,
    }
}

#[test]
fn the_table_keeps_other_lines_and_replaces_its_own() {
    let mut facts = machine(encrypted(2, true, false));
    facts.keys.insert("v".into(), None);
    let table_of_root = SysPath::parse(crypttab::PATH).unwrap();
    let text = "# mine\nv UUID=old none luks\nother /dev/z none luks";
    facts.texts.insert(table_of_root, text.into());
    let table = |luks: Luks, facts: &Facts| contents(&config(luks), facts, crypttab::PATH).unwrap();
    assert_eq!(
        table(volume(), &facts),
        format!("# mine\nother /dev/z none luks\nv UUID={UUID} /etc/luks/v luks,x-initrd.attach\n")
    );
    facts.texts.clear();
    let line = |luks| table(luks, &facts);
    assert_eq!(
        line(bound(&[], true, 1)),
        format!("v UUID={UUID} none luks,x-initrd.attach\n")
    );
    assert_eq!(
        line(bound(&[("http://t", None)], false, 1)),
        format!("v UUID={UUID} none luks,_netdev,x-initrd.attach\n")
    );
    let key = |luks, facts: &Facts| contents(&config(luks), facts, "/etc/luks/v");
    assert_eq!(key(volume(), &facts).unwrap(), "<luks-key:v>");
    assert_eq!(key(with_key(), &facts).unwrap(), "top secret");
    assert_eq!(key(bound(&[], true, 1), &facts), None);
    let list = |facts: &Facts| contents(&config(volume()), facts, crypttab::UNFINISHED);
    assert_eq!(list(&facts).unwrap(), format!("{UUID}\n"));
    facts.keys.clear();
    assert_eq!(key(volume(), &facts), None);
    assert_eq!(list(&machine(encrypted(2, false, false))), None);
}

#[test]
fn a_config_that_writes_the_table_itself_gets_the_lines_at_its_end() {
    let facts = machine(encrypted(2, false, false));
    let mut config = config(with_key());
    assert_eq!(crypttab::amended(&config, &facts), None);
    config.files.push(crate::model::File {
        inode: crate::model::Inode {
            at: None,
            path: SysPath::parse(crypttab::PATH).unwrap(),
            user: None,
            group: None,
            overwrite: true,
        },
        mode: None,
        contents: None,
        append: Vec::new(),
    });
    let amended = crypttab::amended(&config, &facts).unwrap();
    let appended = dataurl::decode(&amended.files[0].append[0].url).unwrap();
    let line = format!("v UUID={UUID} /etc/luks/v luks,x-initrd.attach\n");
    assert_eq!(String::from_utf8_lossy(&appended), line);
    assert_eq!(contents(&config, &facts, crypttab::PATH), None);
}
