//! Disks that are in use: by mounts, and by devices that stand on them, which a guest's kernel has.

use std::fs;

use pilotlight_tests::tool;
use pilotlight_tests::uml::Guest;

use crate::image::{SIZE, image};
use crate::{Disk, install, text};

#[test]
fn a_mounted_disk_is_left_alone() {
    let image = image();
    let disk = Disk::new(SIZE + 10);
    tool(&format!(
        "sgdisk --new=1:2048:+40M --change-name=1:data {}",
        disk.node()
    ));
    tool(&format!("partx --add {}", disk.node()));
    tool(&format!("mkfs.ext4 -q -L precious {}", disk.partition(1)));
    let line = format!(
        "-f {} -k {} --yes",
        image.packed.display(),
        image.key.display()
    );
    let answer = install(&format!("-d {} {line}", disk.partition(1)));
    assert_eq!(answer.code, Some(1), "{}", text(&answer));
    let words = format!("{} is a partition of {}", disk.partition(1), disk.node());
    assert!(answer.err.contains(&words), "{}", answer.err);

    tool(&format!(
        "mount {} {}",
        disk.partition(1),
        disk.mounts.display()
    ));
    fs::write(disk.mounts.join("file"), "precious").unwrap();
    let answer = install(&format!("-d {} {line} --release", disk.node()));
    assert_eq!(answer.code, Some(1), "{}", text(&answer));
    let words = format!(
        "{} is mounted at {}",
        disk.partition(1),
        disk.mounts.display()
    );
    assert!(answer.err.contains(&words), "{}", answer.err);
    assert_eq!(
        fs::read_to_string(disk.mounts.join("file")).unwrap(),
        "precious"
    );
    tool(&format!("umount {}", disk.mounts.display()));

    // What is lost is shown, with the picture; and it is gone.
    let answer = install(&format!("-d {} {line}", disk.node()));
    assert_eq!(answer.code, Some(0), "{}", text(&answer));
    let wipe = format!("! wipe ext4 \"precious\" from {}", disk.partition(1));
    assert!(answer.out.contains(&wipe), "{}", answer.out);
    assert!(
        answer.out.contains("! 1  data") && answer.out.contains("+ 9  ROOT"),
        "{}",
        answer.out
    );
    disk.has_table_of(image);
}

#[test]
fn what_stands_on_a_disk_is_named_and_taken_down() {
    let mut guest = Guest::new();
    let node = guest.disk(64);
    guest.boot(|| {
        tool(&format!("sgdisk --new=1:2048:+20M {node}"));
        let part = format!("{node}1");
        tool(&format!("partx --update {node}"));
        let out = std::process::Command::new("dmsetup")
            .args([
                "create",
                "held",
                "--table",
                &format!("0 20480 linear {part} 0"),
            ])
            .output()
            .unwrap();
        assert!(out.status.success(), "{out:?}");
        // Whatever the image is: it is not even looked at.
        let line = format!("-d {node} -f /dev/zero --insecure --yes");
        let answer = install(&line);
        assert_eq!(answer.code, Some(1), "{}", text(&answer));
        // Without udev it may have the kernel's name alone.
        let words = format!("{part} is held by /dev/");
        assert!(answer.err.contains(&words), "{}", answer.err);
        let words = ", a mapped device; --release takes it down";
        assert!(answer.err.contains(words), "{}", answer.err);

        let raw = "/run/image.bin";
        fs::File::create(raw).unwrap().set_len(8 << 20).unwrap();
        tool(&format!(
            "sgdisk --new=1:4096:+1M --change-name=1:USR-A {raw}"
        ));
        let line = format!("-d {node} -f {raw} --insecure --yes --release");
        let answer = install(&line);
        assert_eq!(answer.code, Some(0), "{}", text(&answer));
        assert!(answer.out.contains("  take down /dev/"), "{}", answer.out);
        assert!(!tool("dmsetup ls").contains("held"));
        let said = tool(&format!("sgdisk --print {node}"));
        assert!(said.contains("USR-A"), "{said}");
    });
}
