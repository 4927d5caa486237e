use super::*;
use crate::config;
use crate::diag::{Report, Sources, Style};
use crate::facts::Facts;
use crate::facts::disks::{Block, Entry, Signature, Superblock, Table, TableState, partition_node};
use crate::model::{Config, Guid};
use crate::plan::{Plan, disks, filesystems, luks, raid};
use crate::validate;

const MIB: u64 = 1 << 20;
pub(super) const GIB: u64 = 1 << 30;

pub(super) fn block(size: u64, table: TableState, signature: Signature) -> Block {
    Block {
        size,
        sector: 512,
        table,
        signature,
        used: None,
    }
}

pub(super) fn found(kind: &str, label: &str) -> Signature {
    Signature::Found(Superblock {
        kind: kind.into(),
        label: label.into(),
        ..Superblock::default()
    })
}

/// Number, label, first sector, sectors, what is there.
type Part<'a> = (u32, &'a str, u64, u64, Signature);

pub(super) fn add_disk(facts: &mut Facts, node: &str, size: u64, parts: &[Part<'_>]) {
    let mut table = Table::empty(size, 512);
    table.guid = Some(Guid([1; 16]));
    for (number, label, start, sectors, signature) in parts {
        let entry = Entry {
            start: *start,
            end: start + sectors - 1,
            type_guid: Guid([2; 16]),
            guid: Some(Guid([3; 16])),
            label: (*label).into(),
            attributes: 0,
        };
        let part = block(sectors * 512, TableState::None, signature.clone());
        (facts.disks.blocks).insert(partition_node(node, *number), part);
        table.partitions.insert(*number, entry);
    }
    let disk = block(size, TableState::Gpt(table), Signature::Blank);
    facts.disks.blocks.insert(node.into(), disk);
}

pub(super) fn add_blank(facts: &mut Facts, node: &str, size: u64) {
    let disk = block(size, TableState::None, Signature::Blank);
    facts.disks.blocks.insert(node.into(), disk);
}

/// The table of a fresh Flatcar image on a disk of this size, aligned to 4096 sectors.
fn flatcar(facts: &mut Facts, node: &str, size: u64) {
    let parts = [
        (1, "EFI-SYSTEM", 2_097_152, found("vfat", "EFI-SYSTEM")),
        (2, "BIOS-BOOT", 4096, Signature::Blank),
        (3, "USR-A", 4_194_304, found("btrfs", "USR-A")),
        (4, "USR-B", 4_194_304, Signature::Blank),
        (6, "OEM", 2_097_152, found("btrfs", "OEM")),
        (7, "OEM-CONFIG", 131_072, Signature::Blank),
        (9, "ROOT", 4_427_776, found("ext4", "ROOT")),
    ];
    let mut start = 4096;
    let mut list = Vec::new();
    for (number, label, sectors, signature) in parts {
        list.push((number, label, start, sectors, signature));
        start += sectors;
    }
    add_disk(facts, node, size, &list);
}

fn model(text: &str) -> Config {
    let mut sources = Sources::default();
    let parsed = config::read(&mut sources, "test.ign", text.as_bytes());
    let wire = parsed.config.unwrap();
    let mut report = Report::default();
    let model = validate::lower(&wire, validate::Stage::Merged, &mut report);
    assert!(!report.has_errors(), "{}", report.render(&sources));
    model.unwrap()
}

/// What a storage section makes of the facts, by the plans that a boot makes.
pub(super) fn picture(storage: &str, facts: &Facts) -> Picture {
    let config = model(&format!(
        r#"{{"ignition": {{"version": "3.5.0"}}, "storage": {storage}}}"#
    ));
    let mut now = facts.clone();
    let mut whole = Plan::default();
    let parts: [&dyn Fn(&Facts) -> crate::plan::Planned; 4] = [
        &|facts| disks::plan(&config.disks, facts),
        &|facts| raid::plan(&config, facts),
        &|facts| luks::plan(&config, facts),
        &|facts| filesystems::plan(&config.filesystems, facts),
    ];
    for part in parts {
        let plan =
            part(&now).unwrap_or_else(|report| panic!("{}", report.render(&Sources::default())));
        now = plan.predict(now);
        whole.steps.extend(plan.steps);
    }
    let operations = whole.steps.iter().map(|step| &step.op);
    Picture::new(&facts.disks, operations, &now.disks)
}

/// The table, after checking what holds for every picture.
pub(super) fn shown(picture: &Picture) -> String {
    let plain = table(picture, Style::Plain);
    for line in plain.lines() {
        assert!(columns(line) <= 100, "{line}");
    }
    let mut coloured = table(picture, Style::Coloured);
    for code in [
        "\x1b[1m",
        "\x1b[1;31m",
        "\x1b[32m",
        "\x1b[33m",
        "\x1b[2m",
        "\x1b[0m",
    ] {
        coloured = coloured.replace(code, "");
    }
    assert_eq!(coloured, plain);
    let drawn = svg(picture);
    assert_eq!(drawn, svg(picture));
    // Every segment of every bar is drawn, inside the drawing.
    let bars = (picture.devices())
        .flat_map(Device::sides)
        .map(|(_, side)| side.segments.len());
    assert_eq!(groups(&drawn), bars.sum::<usize>());
    plain
}

/// Reads a document with a parser that checks it, and answers how many groups it has.
fn groups(svg: &str) -> usize {
    use quick_xml::events::Event;
    let mut reader = quick_xml::Reader::from_str(svg);
    reader.config_mut().check_comments = true;
    let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    assert!(svg.chars().all(allowed), "{svg}");
    let mut groups = 0;
    loop {
        match reader.read_event().unwrap() {
            Event::Start(tag) | Event::Empty(tag) if check(&tag) => {
                groups += usize::from(tag.name().as_ref() == b"g");
            }
            Event::Text(text) => {
                text.decode().unwrap();
            }
            Event::GeneralRef(name) => {
                let name = name.decode().unwrap();
                assert!(["amp", "lt", "gt", "quot"].contains(&&*name), "&{name};");
            }
            Event::Eof => break,
            _ => {}
        }
    }
    groups
}

/// Elements are those that are meant, and all that is drawn lies on the drawing.
fn check(tag: &quick_xml::events::BytesStart<'_>) -> bool {
    let known = [
        "svg", "title", "defs", "pattern", "rect", "circle", "g", "text",
    ];
    let name = String::from_utf8(tag.name().as_ref().to_vec()).unwrap();
    assert!(known.contains(&name.as_str()), "{name}");
    let mut numbers = std::collections::BTreeMap::new();
    for attribute in tag.attributes() {
        let attribute = attribute.unwrap();
        let value = attribute
            .normalized_value(quick_xml::XmlVersion::default())
            .unwrap()
            .into_owned();
        if let Ok(number) = value.parse::<u64>() {
            numbers.insert(attribute.key.as_ref().to_vec(), number);
        }
    }
    let number = |key: &str| numbers.get(key.as_bytes()).copied().unwrap_or(0);
    assert!(number("x") + number("width") <= 1100, "{tag:?}");
    true
}

const ROOT_AND_MORE: &str = r#"{
    "disks": [{"device": "/dev/vda", "partitions": [
        {"number": 9, "label": "ROOT", "sizeMiB": 3072, "resize": true},
        {"label": "var"}
    ]}],
    "filesystems": [
        {"device": "/dev/disk/by-partlabel/ROOT", "format": "btrfs", "label": "ROOT", "wipeFilesystem": true},
        {"device": "/dev/disk/by-partlabel/var", "format": "xfs", "path": "/var"}
    ]
}"#;

#[test]
fn a_partition_is_added_to_flatcar_and_root_made_anew() {
    let mut facts = Facts::default();
    flatcar(&mut facts, "/dev/vda", 16 * GIB);
    let picture = picture(ROOT_AND_MORE, &facts);
    insta::assert_snapshot!(shown(&picture), @r##"
    /dev/vda, 16 GiB
           label          start        size  content
      before: GPT
                         17 KiB    2031 KiB  free
        1  EFI-SYSTEM     2 MiB       1 GiB  vfat "EFI-SYSTEM"  kept
        2  BIOS-BOOT   1026 MiB       2 MiB  blank              kept
        3  USR-A       1028 MiB       2 GiB  btrfs "USR-A"      kept
        4  USR-B       3076 MiB       2 GiB  blank              kept
        6  OEM         5124 MiB       1 GiB  btrfs "OEM"        kept
        7  OEM-CONFIG  6148 MiB      64 MiB  blank              kept
      ! 9  ROOT        6212 MiB    2162 MiB  ext4 "ROOT"        grown, reformatted
                       8374 MiB  8010.0 MiB  free
      after: GPT
                         17 KiB    2031 KiB  free
        1  EFI-SYSTEM     2 MiB       1 GiB  vfat "EFI-SYSTEM"  kept
        2  BIOS-BOOT   1026 MiB       2 MiB  blank              kept
        3  USR-A       1028 MiB       2 GiB  btrfs "USR-A"      kept
        4  USR-B       3076 MiB       2 GiB  blank              kept
        6  OEM         5124 MiB       1 GiB  btrfs "OEM"        kept
        7  OEM-CONFIG  6148 MiB      64 MiB  blank              kept
      ~ 9  ROOT        6212 MiB       3 GiB  btrfs "ROOT"       grown, reformatted
      + 5  var         9284 MiB  7100.0 MiB  xfs                new
    "##);
    insta::assert_snapshot!("flatcar.svg", svg(&picture));
    let json = serde_json::to_string(&picture.disks[0].before.segments[6]).unwrap();
    insta::assert_snapshot!(json, @r##"{"number":7,"label":"OEM-CONFIG","start":6446645248,"size":67108864,"content":{"is":"blank"},"fate":"kept","data":"none"}"##);
}

#[test]
fn what_nothing_happens_to_is_shown_once() {
    let mut facts = Facts::default();
    flatcar(&mut facts, "/dev/vda", 8 * GIB);
    let nothing = picture(r#"{"disks": [{"device": "/dev/vda"}]}"#, &facts);
    insta::assert_snapshot!(shown(&nothing), @r##"
    /dev/vda, 8 GiB
           label          start      size  content
      unchanged: GPT
                         17 KiB  2031 KiB  free
        1  EFI-SYSTEM     2 MiB     1 GiB  vfat "EFI-SYSTEM"  kept
        2  BIOS-BOOT   1026 MiB     2 MiB  blank              kept
        3  USR-A       1028 MiB     2 GiB  btrfs "USR-A"      kept
        4  USR-B       3076 MiB     2 GiB  blank              kept
        6  OEM         5124 MiB     1 GiB  btrfs "OEM"        kept
        7  OEM-CONFIG  6148 MiB    64 MiB  blank              kept
        9  ROOT        6212 MiB  2162 MiB  ext4 "ROOT"        kept
    "##);
    assert_eq!(nothing.disks[0].before, nothing.disks[0].after);
}

#[test]
fn a_wiped_disk_loses_all_its_partitions() {
    let mut facts = Facts::default();
    let data = found("ext4", "precious");
    add_disk(
        &mut facts,
        "/dev/vdb",
        2 * GIB,
        &[(1, "data", 2048, 2_097_152, data)],
    );
    let replaced = picture(
        r#"{"disks": [{"device": "/dev/vdb", "wipeTable": true, "partitions": [{"label": "swap", "sizeMiB": 512}]}],
            "filesystems": [{"device": "/dev/disk/by-partlabel/swap", "format": "swap"}]}"#,
        &facts,
    );
    insta::assert_snapshot!(shown(&replaced), @r##"
    /dev/vdb, 2 GiB
           label     start        size  content
      before: GPT
      ! 1  data      1 MiB       1 GiB  ext4 "precious"  deleted
                  1025 MiB  1022.9 MiB  free
      after: GPT
      + 1  swap      1 MiB     512 MiB  swap             new
                   513 MiB  1534.9 MiB  free
    "##);
    let bare = picture(
        r#"{"disks": [{"device": "/dev/vdb", "wipeTable": true}]}"#,
        &facts,
    );
    insta::assert_snapshot!(shown(&bare), @r##"
    /dev/vdb, 2 GiB
           label     start        size  content
      before: GPT
      ! 1  data      1 MiB       1 GiB  ext4 "precious"  deleted
                  1025 MiB  1022.9 MiB  free
      after: no partition table
      ~                  0       2 GiB  blank            wiped
    "##);
}

#[test]
fn a_file_system_on_a_whole_disk_is_data_as_well() {
    let mut facts = Facts::default();
    let disk = block(GIB, TableState::None, found("xfs", "media"));
    facts.disks.blocks.insert("/dev/vdc".into(), disk);
    let mbr = TableState::Other("an MBR partition table".into());
    (facts.disks.blocks).insert("/dev/vdd".into(), block(GIB, mbr, Signature::Blank));
    let both = picture(
        r#"{"disks": [{"device": "/dev/vdd", "wipeTable": true, "partitions": [{"label": "a"}]}],
            "filesystems": [{"device": "/dev/vdc", "format": "ext4", "wipeFilesystem": true}]}"#,
        &facts,
    );
    insta::assert_snapshot!(shown(&both), @r##"
    /dev/vdc, 1 GiB
          label  start   size  content
      before: no partition table
      !              0  1 GiB  xfs "media"  reformatted
      after: no partition table
      ~              0  1 GiB  ext4         reformatted
    /dev/vdd, 1 GiB
           label  start        size  content
      before: an MBR partition table
      !               0       1 GiB  an MBR partition table  wiped
      after: GPT
      + 1  a      1 MiB  1022.9 MiB  not known yet           new
    "##);
}

#[test]
fn a_partition_that_shrinks_loses_its_tail() {
    let mut facts = Facts::default();
    let parts = [
        (1, "a", 2048, 1_048_576, found("ext4", "")),
        (2, "b", 2 * 1_048_576, 524_288, Signature::Blank),
    ];
    add_disk(&mut facts, "/dev/vdb", 2 * GIB, &parts);
    let resized = picture(
        r#"{"disks": [{"device": "/dev/vdb", "partitions": [
            {"number": 1, "sizeMiB": 256, "resize": true}, {"number": 2, "sizeMiB": 512, "resize": true}]}]}"#,
        &facts,
    );
    insta::assert_snapshot!(shown(&resized), @r##"
    /dev/vdb, 2 GiB
           label     start       size  content
      before: GPT
      ! 1  a         1 MiB    512 MiB  ext4     shrunk
                   513 MiB    511 MiB  free
      ~ 2  b         1 GiB    256 MiB  blank    grown
                  1280 MiB  767.9 MiB  free
      after: GPT
      ~ 1  a         1 MiB    256 MiB  ext4     shrunk
                   257 MiB    767 MiB  free
      ~ 2  b         1 GiB    512 MiB  blank    grown
                  1536 MiB  511.9 MiB  free
    "##);
    insta::assert_snapshot!("resized.svg", svg(&resized));
}

#[test]
fn labels_stay_labels() {
    let mut facts = Facts::default();
    let evil = [
        "a\n! wipe /dev/sda\r\x1b[31m",
        "</title><script>alert(1)</script>&\"'",
        "\u{202e}txet\u{fffe}\u{ffff}\u{0}",
        "]]> <!-- --> &amp; 電源電源電源電源電源電源電源電源電源",
    ];
    let parts: Vec<Part<'_>> = (1..)
        .zip(evil)
        .map(|(number, label)| {
            let start = u64::from(number) * 262_144;
            (number, label, start, 262_144, found("ext4", label))
        })
        .collect();
    add_disk(&mut facts, "/dev/vdb", GIB, &parts);
    let same = picture(r#"{"disks": [{"device": "/dev/vdb"}]}"#, &facts);
    insta::assert_snapshot!(shown(&same), @r##"
    /dev/vdb, 1 GiB
           label                 start        size  content
      unchanged: GPT
                                17 KiB  131055 KiB  free
        1  a\n! wipe /dev/sd…  128 MiB     128 MiB  ext4 "a\n! wipe /dev/sd…  kept
        2  </title><script>a…  256 MiB     128 MiB  ext4 "</title><script>a…  kept
        3  \u{202e}txet￾￿\…  384 MiB     128 MiB  ext4 "\u{202e}txet\u{ff…  kept
        4  ]]> <!-- --> &amp…  512 MiB     128 MiB  ext4 "]]> <!-- --> &amp…  kept
                               640 MiB   383.9 MiB  free
    "##);
    insta::assert_snapshot!("hostile.svg", svg(&same));
}

#[test]
fn a_table_may_say_anything() {
    let mut facts = Facts::default();
    add_disk(&mut facts, "/dev/vdb", 100 * MIB, &[]);
    let disk = facts.disks.blocks.get_mut("/dev/vdb").unwrap();
    let TableState::Gpt(table) = &mut disk.table else {
        panic!("no table");
    };
    let places = [
        (0, u64::MAX),
        (u64::MAX, 0),
        (5, 5),
        (u64::MAX, u64::MAX),
        (34, 1 << 60),
    ];
    for (number, (start, end)) in (1..).zip(places) {
        let entry = Entry {
            start,
            end,
            type_guid: Guid::ZERO,
            guid: None,
            label: "x".repeat(36),
            attributes: 0,
        };
        table.partitions.insert(number, entry);
    }
    insta::assert_snapshot!(shown(&Picture::new(&facts.disks, [].iter(), &facts.disks)), @r##"
    /dev/vdb, 100 MiB
           label                           start               size  content
      unchanged: GPT
        1  xxxxxxxxxxxxxxxxx…                  0  17179869248.0 GiB  not known yet  kept
        3  xxxxxxxxxxxxxxxxx…         2560 bytes          512 bytes  not known yet  kept
        5  xxxxxxxxxxxxxxxxx…             17 KiB  17179869248.0 GiB  not known yet  kept
        2  xxxxxxxxxxxxxxxxx…  17179869248.0 GiB          512 bytes  not known yet  kept
        4  xxxxxxxxxxxxxxxxx…  17179869248.0 GiB          512 bytes  not known yet  kept
    "##);
}

#[test]
fn a_blank_disk_gets_what_the_config_asks_for() {
    let mut facts = Facts::default();
    add_blank(&mut facts, "/dev/nvme0n1", 4 * GIB);
    let made = picture(
        r#"{"disks": [{"device": "/dev/nvme0n1", "partitions": [{"number": 1, "label": "a", "sizeMiB": 1}, {"number": 5, "label": "b"}]}],
            "filesystems": [{"device": "/dev/nvme0n1p5", "format": "ext4"}]}"#,
        &facts,
    );
    insta::assert_snapshot!(shown(&made), @r##"
    /dev/nvme0n1, 4 GiB
           label  start        size  content
      before: no partition table
                      0       4 GiB  blank
      after: GPT
      + 1  a      1 MiB       1 MiB  not known yet  new
      + 5  b      2 MiB  4094.0 MiB  ext4           new
    "##);
}

#[test]
fn where_no_disk_is_concerned_that_is_said() {
    let empty = picture("{}", &Facts::default());
    assert!(empty.is_empty());
    assert_eq!(shown(&empty), "");
    assert!(svg(&empty).contains(">The config names none of the disks.</text>"));
}

#[test]
fn a_grown_disk_is_repaired_first() {
    let mut facts = Facts::default();
    flatcar(&mut facts, "/dev/vda", 20 * GIB);
    let disk = facts.disks.blocks.get_mut("/dev/vda").unwrap();
    if let TableState::Gpt(table) = &mut disk.table {
        let problem = "the backup of the table is not at the end of the disk, which has grown since; \
                       the partitions themselves are as they were";
        table.repair = Some(problem.into());
    }
    let grown = picture(
        r#"{"disks": [{"device": "/dev/vda", "partitions": [{"number": 9, "sizeMiB": 0, "resize": true}]}]}"#,
        &facts,
    );
    insta::assert_snapshot!(shown(&grown), @r##"
    /dev/vda, 20 GiB
           label          start      size  content
      before: GPT, to be repaired: the backup of the table is not at the end of the disk, which has
          grown since; the partitions themselves are as they were
                         17 KiB  2031 KiB  free
        1  EFI-SYSTEM     2 MiB     1 GiB  vfat "EFI-SYSTEM"  kept
        2  BIOS-BOOT   1026 MiB     2 MiB  blank              kept
        3  USR-A       1028 MiB     2 GiB  btrfs "USR-A"      kept
        4  USR-B       3076 MiB     2 GiB  blank              kept
        6  OEM         5124 MiB     1 GiB  btrfs "OEM"        kept
        7  OEM-CONFIG  6148 MiB    64 MiB  blank              kept
      ~ 9  ROOT        6212 MiB  2162 MiB  ext4 "ROOT"        grown
                       8374 MiB  11.8 GiB  free
      after: GPT
                         17 KiB  2031 KiB  free
        1  EFI-SYSTEM     2 MiB     1 GiB  vfat "EFI-SYSTEM"  kept
        2  BIOS-BOOT   1026 MiB     2 MiB  blank              kept
        3  USR-A       1028 MiB     2 GiB  btrfs "USR-A"      kept
        4  USR-B       3076 MiB     2 GiB  blank              kept
        6  OEM         5124 MiB     1 GiB  btrfs "OEM"        kept
        7  OEM-CONFIG  6148 MiB    64 MiB  blank              kept
      ~ 9  ROOT        6212 MiB  13.9 GiB  ext4 "ROOT"        grown
    "##);
}
