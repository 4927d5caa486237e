//! Whole installations on disks and files, and what does not become one.

use std::fs;

use pilotlight_tests::{pilotlight, tool};

use crate::image::{SIZE, image, sign};
use crate::{Disk, install, text};

const BUTANE: &str = "variant: flatcar\nversion: 1.0.0\npasswd:\n  users:\n    - name: core\n      ssh_authorized_keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f]\n";

#[test]
fn a_signed_image_is_installed_with_its_config_and_not_twice() {
    let image = image();
    let disk = Disk::new(SIZE + 60);
    let config = image.directory.join("node.bu");
    fs::write(&config, BUTANE).unwrap();
    let line = format!(
        "-d {} -f {} -k {} -i {} --append-karg quiet --delete-karg one --console ttyS1,57600n8 --read-back",
        disk.node(),
        image.packed.display(),
        image.key.display(),
        config.display()
    );
    // A blank disk has nothing that could be lost: nobody is asked.
    let shown = install(&format!("{line} --dry-run"));
    assert_eq!(shown.code, Some(0), "{}", text(&shown));
    assert!(
        disk.bytes().iter().all(|byte| *byte == 0),
        "the dry run wrote"
    );
    let answer = install(&line);
    assert_eq!(answer.code, Some(0), "{}", text(&answer));
    // What was planned is what was done, line by line.
    for planned in shown
        .out
        .lines()
        .take_while(|line| !line.starts_with("disks before"))
    {
        assert!(
            answer.err.contains(planned[2..].trim()),
            "{planned}\n{}",
            answer.err
        );
    }
    disk.has_table_of(image);
    let config = disk.read(6, "config.ign").unwrap();
    assert!(
        config.starts_with("{\"ignition\":{\"version\":\"3.0.0\"}"),
        "{config}"
    );
    let grub = disk.read(6, "grub.cfg").unwrap();
    let block = "set linux_console=\"console=ttyS1,57600n8\"\nset linux_append=\"two quiet\"\n";
    assert!(
        grub.starts_with("set oem_id=\"metal\"\n") && grub.contains(block),
        "{grub}"
    );

    let before = disk.bytes();
    let again = install(&line);
    assert_eq!(again.code, Some(77), "{}", text(&again));
    assert!(disk.bytes() == before, "a second run changed something");
    // With another config it is another installation, about which somebody has to be asked.
    let other = install(&line.replace("quiet", "loud"));
    assert_eq!(other.code, Some(2), "{}", text(&other));
    assert!(other.err.contains("add --yes"), "{}", other.err);
    assert!(disk.bytes() == before);
    let yes = install(&format!("{} --yes", line.replace("quiet", "loud")));
    assert_eq!(yes.code, Some(0), "{}", text(&yes));
    assert!(yes.out.contains("! wipe"), "{}", yes.out);
    assert!(disk.read(6, "grub.cfg").unwrap().contains("two loud"));
}

#[test]
fn nothing_boots_that_nobody_vouches_for() {
    let image = image();
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("image.bin.bz2");
    let place = |bytes: &[u8]| fs::write(&copy, bytes).unwrap();
    let good = fs::read(&image.packed).unwrap();
    let signature = fs::read(format!("{}.sig", image.packed.display())).unwrap();
    let beside = directory.path().join("image.bin.bz2.sig");
    place(&good);
    let disk = Disk::new(SIZE + 10);
    let line = |key: &std::path::Path| {
        format!(
            "-d {} -f {} -k {} --yes",
            disk.node(),
            copy.display(),
            key.display()
        )
    };
    // Before anything is written: no signature, another key's, none at all.
    let none = install(&line(&image.key));
    assert_eq!(none.code, Some(1), "{}", text(&none));
    assert!(
        none.err.contains("nobody vouches for") && none.err.contains("--insecure"),
        "{}",
        none.err
    );
    fs::write(&beside, &signature).unwrap();
    let other = install(&line(&image.other_key));
    assert_eq!(other.code, Some(1), "{}", text(&other));
    assert!(
        other.err.contains("nothing has been written"),
        "{}",
        other.err
    );
    assert!(disk.bytes().iter().all(|byte| *byte == 0));
    // While it is written: one bit is another one, or the end is missing.
    let mut wrong = good.clone();
    let end = wrong.len() - 8;
    wrong[end] ^= 1;
    for bytes in [&wrong[..], &good[..good.len() - 100]] {
        place(bytes);
        let answer = install(&line(&image.key));
        assert_eq!(answer.code, Some(1), "{}", text(&answer));
        assert!(answer.err.contains("nothing that boots"), "{}", answer.err);
        disk.boots_nothing();
    }
    // Said loudly, it is taken.
    place(&good);
    fs::remove_file(&beside).unwrap();
    let answer = install(&format!("{} --insecure", line(&image.key)));
    assert_eq!(answer.code, Some(0), "{}", text(&answer));
    assert!(answer.err.contains("IS NOT VERIFIED"), "{}", answer.err);
    disk.has_table_of(image);
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_written() {
    let image = image();
    let disk = Disk::new(SIZE - 20);
    let common = format!("-k {} --yes", image.key.display());
    let image_line = format!("-f {} {common}", image.packed.display());
    let refused = |line: &str, words: &str| {
        let before = disk.bytes();
        let answer = install(line);
        assert_ne!(answer.code, Some(0), "{}", text(&answer));
        assert!(answer.err.contains(words), "{line}\n{}", answer.err);
        assert!(disk.bytes() == before, "{line}");
    };
    refused(
        &format!("-d {} {image_line}", disk.node()),
        "choose a larger disk",
    );
    refused("-f x -d /dev/no-such-disk", "/dev/no-such-disk");
    refused(&image_line, "which disk?");
    // What is no image is refused by what it is.
    let iso = image.directory.join("x.iso");
    let mut bytes = vec![0; 40 << 10];
    bytes[(32 << 10) + 1..(32 << 10) + 6].copy_from_slice(b"CD001");
    fs::write(&iso, bytes).unwrap();
    sign(&image.directory, "release", &iso);
    refused(
        &format!("-d {} -f {} {common}", disk.node(), iso.display()),
        "this is no disk image",
    );
    // A config that no node could use.
    let config = image.directory.join("wrong.ign");
    fs::write(
        &config,
        "{ \"ignition\": { \"version\": \"3.4.0\" }, \"storage\": 1 }",
    )
    .unwrap();
    refused(
        &format!("-d {} {image_line} -i {}", disk.node(), config.display()),
        "wrong.ign:1:",
    );
    // Arguments that no boot loader passes on.
    refused(
        &format!("-d {} {image_line} --append-karg a\"b", disk.node()),
        "a quotation mark",
    );
    tool(&format!("blockdev --setro {}", disk.node()));
    refused(
        &format!("-d {} {image_line}", disk.node()),
        "write-protected",
    );
    tool(&format!("blockdev --setrw {}", disk.node()));
}

#[test]
fn a_file_stands_for_a_disk() {
    let image = image();
    let directory = tempfile::tempdir().unwrap();
    let card = directory.path().join("card.img");
    let config = directory.path().join("c.ign");
    fs::write(&config, "{ \"ignition\": { \"version\": \"3.4.0\" } }").unwrap();
    let line = format!(
        "-d {} -f {} -k {} -i {}",
        card.display(),
        image.packed.display(),
        image.key.display(),
        config.display()
    );
    let answer = install(&line);
    assert_eq!(answer.code, Some(0), "{}", text(&answer));
    assert_eq!(fs::metadata(&card).unwrap().len(), SIZE << 20);
    let said = tool(&format!("sgdisk --verify {}", card.display()));
    assert!(said.contains("No problems found"), "{said}");
    assert_eq!(install(&line).code, Some(77));
    // What is left of the disk's bytes is the image's, but for OEM.
    let (made, raw) = (fs::read(&card).unwrap(), fs::read(&image.raw).unwrap());
    let oem = (16 << 20)..(64 << 20);
    let same = |range: std::ops::Range<usize>| assert!(made[range.clone()] == raw[range]);
    same(EDGE_OF_TABLE..oem.start);
    same(oem.end..made.len() - EDGE_OF_TABLE);

    // What lies in it can be looked at and changed.
    let inspect = || {
        let answer = pilotlight(&["image", "inspect", "--json", card.to_str().unwrap()]);
        assert_eq!(answer.code, Some(0), "{}", text(&answer));
        serde_json::from_str::<serde_json::Value>(&answer.out).unwrap()
    };
    let files = |seen: &serde_json::Value| {
        let files = seen["files"].as_array().unwrap().iter();
        let files = files.map(|file| {
            (
                file["path"].as_str().unwrap().to_string(),
                file["size"].as_u64().unwrap(),
            )
        });
        files.collect::<std::collections::BTreeMap<String, u64>>()
    };
    let before = inspect();
    assert_eq!(before["packed"], false);
    let segments = before["picture"]["disks"][0]["before"]["segments"]
        .as_array()
        .unwrap();
    assert!(
        segments
            .iter()
            .any(|segment| segment["label"] == "OEM" && segment["content"]["format"] == "btrfs")
    );
    assert_eq!(files(&before)["/config.ign"], 38);
    let answer = pilotlight(&[
        "image",
        "customize",
        card.to_str().unwrap(),
        "--append-karg",
        "quiet",
    ]);
    assert_eq!(answer.code, Some(0), "{}", text(&answer));
    let after = inspect();
    assert!(files(&after)["/grub.cfg"] > files(&before)["/grub.cfg"]);
    assert_eq!(files(&after)["/config.ign"], 38);
    let packed = pilotlight(&["image", "inspect", image.packed.to_str().unwrap()]);
    assert!(
        packed.out.contains("EFI-SYSTEM") && packed.out.contains("note: it is packed"),
        "{}",
        packed.out
    );
}

/// Header and entries of a table.
const EDGE_OF_TABLE: usize = 34 * 512;
