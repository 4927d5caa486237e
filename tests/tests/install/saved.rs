//! Partitions that are saved: theirs is every byte afterwards, and at every moment before.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use pilotlight_tests::tool;

use crate::image::{SIZE, image};
use crate::{Disk, install, text};

/// Where the partition begins, in MiB.
pub const START: u64 = SIZE + 10;

/// A disk with an old system, and behind the place of the image a partition that goes to the end of the disk.
pub fn with_data() -> (Disk, Vec<u8>) {
    let disk = Disk::new(SIZE + 40);
    tool(&format!(
        "sgdisk --new=1:2048:+8M --change-name=1:old --new=9:{}:{} --change-name=9:my-data --attributes=9:set:60 {}",
        START * 2048,
        (SIZE + 40) * 2048 - 34,
        disk.node()
    ));
    let said = tool(&format!("sgdisk --info=9 {}", disk.node()));
    let last = said
        .lines()
        .find_map(|line| line.strip_prefix("Last sector: "));
    let last: u64 = last.unwrap().split(' ').next().unwrap().parse().unwrap();
    // Into the last MiB, which is written as the last of all.
    assert!(last > (SIZE + 39) * 2048, "{said}");
    let end = (last + 1) * 512 - (START << 20);
    let bytes: Vec<u8> = (0..end)
        .map(|place| u8::try_from(place % 251).unwrap())
        .collect();
    let file = File::options().write(true).open(disk.node()).unwrap();
    file.write_all_at(&bytes, START << 20).unwrap();
    file.sync_all().unwrap();
    (disk, bytes)
}

fn is_saved(disk: &Disk, data: &[u8]) {
    let start = usize::try_from(START << 20).unwrap();
    assert!(
        disk.bytes()[start..start + data.len()] == *data,
        "the data are others"
    );
}

#[test]
fn a_saved_partition_keeps_every_byte_and_gets_a_free_number() {
    let image = image();
    let (disk, data) = with_data();
    let line = format!(
        "-d {} -f {} -k {} --save-partlabel my-* --yes",
        disk.node(),
        image.packed.display(),
        image.key.display()
    );
    let answer = install(&line);
    assert_eq!(answer.code, Some(0), "{}", text(&answer));
    is_saved(&disk, &data);
    let said = tool(&format!("sgdisk --verify {}", disk.node()));
    assert!(said.contains("No problems found"), "{said}");
    // The image has a partition 9 itself.
    let said = tool(&format!("sgdisk --info=10 {}", disk.node()));
    assert!(
        said.contains("'my-data'") && said.contains("1000000000000000"),
        "{said}"
    );
    let said = tool(&format!("sgdisk --info=9 {}", disk.node()));
    assert!(said.contains("'ROOT'"), "{said}");
}

#[test]
fn a_failed_installation_keeps_it_and_its_entry() {
    let image = image();
    let (disk, data) = with_data();
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("image.bin.bz2");
    let mut bytes = std::fs::read(&image.packed).unwrap();
    bytes.truncate(bytes.len() - 50);
    std::fs::write(&copy, bytes).unwrap();
    let line = format!(
        "-d {} -f {} -k {} --signature {}.sig --save-partindex 9 --yes",
        disk.node(),
        copy.display(),
        image.key.display(),
        image.packed.display()
    );
    let answer = install(&line);
    assert_eq!(answer.code, Some(1), "{}", text(&answer));
    is_saved(&disk, &data);
    let said = tool(&format!("sgdisk --print {}", disk.node()));
    assert!(
        said.contains("my-data")
            && !said.lines().any(|line| line.ends_with(" old"))
            && !said.contains("ROOT"),
        "{said}"
    );
}

#[test]
fn what_the_image_would_overwrite_cannot_be_saved() {
    let image = image();
    let (disk, _) = with_data();
    let before = disk.bytes();
    let line = format!(
        "-d {} -f {} -k {} --save-partindex 1-9 --yes",
        disk.node(),
        image.packed.display(),
        image.key.display()
    );
    let answer = install(&line);
    assert_eq!(answer.code, Some(1), "{}", text(&answer));
    assert!(
        answer.err.contains("\"old\" begins at sector 2048"),
        "{}",
        answer.err
    );
    assert!(disk.bytes() == before);
}
