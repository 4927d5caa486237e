//! File systems through the program's own disks stage, in a guest: what matches is kept with its files, what
//! does not is refused and whole, options reach mkfs, and devices are formatted side by side.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use pilotlight_tests::uml::Guest;
use pilotlight_tests::{Answer, FirstBoot, tool};
use serde_json::{Value, json};

/// The stages up to the disks of a config with these file systems.
fn disks(filesystems: Value, variables: &[(&str, &str)]) -> Answer {
    let config =
        json!({ "ignition": { "version": "3.3.0" }, "storage": { "filesystems": filesystems } });
    let _ = fs::remove_dir_all("/run/boot");
    let directory = Path::new("/run/boot");
    let mut boot = FirstBoot::new(
        directory,
        Path::new("/run/root"),
        config.to_string().as_bytes(),
    );
    for (name, value) in variables {
        boot = boot.with(name, value);
    }
    boot.stages(&["fetch-offline", "disks"])
}

/// Of swap space. mkfs.btrfs takes no UUID that another device has, so each has its own.
const UUID: &str = "11111111-2222-4333-8444-555555555555";
/// Format, its UUID, and another UUID.
const FORMATS: [(&str, &str, &str); 4] = [
    (
        "ext4",
        "a1111111-2222-4333-8444-555555555555",
        "a9999999-2222-4333-8444-555555555555",
    ),
    (
        "xfs",
        "b1111111-2222-4333-8444-555555555555",
        "b9999999-2222-4333-8444-555555555555",
    ),
    (
        "btrfs",
        "c1111111-2222-4333-8444-555555555555",
        "c9999999-2222-4333-8444-555555555555",
    ),
    ("vfat", "1234-ABCD", "1234-ABCE"),
];

#[test]
fn a_file_system_is_kept_with_its_files_or_refused_with_its_files() {
    let mut guest = Guest::new();
    let devices = [
        guest.disk(64),
        guest.disk(320),
        guest.disk(160),
        guest.disk(40),
    ];
    guest.boot(|| {
        let asked = |more: &dyn Fn(usize) -> Value| {
            let list = (0..FORMATS.len()).map(|n| {
                let (format, uuid, _) = FORMATS[n];
                let mut one = json!({ "device": devices[n], "format": format, "label": "DATA", "uuid": uuid });
                one.as_object_mut().unwrap().extend(more(n).as_object().unwrap().clone());
                one
            });
            Value::Array(list.collect())
        };
        let plain = |_: usize| json!({});
        let answer = disks(asked(&plain), &[]);
        assert_eq!(answer.code, Some(0), "{}{}", answer.out, answer.err);
        for device in &devices {
            tool(&format!("mount {device} /mnt"));
            fs::write("/mnt/data", "years of work").unwrap();
            tool("umount /mnt");
        }
        let files_are_there = |after: &str| {
            for device in &devices {
                tool(&format!("mount {device} /mnt"));
                let text = fs::read_to_string("/mnt/data");
                assert_eq!(text.unwrap_or_default(), "years of work", "{device} after {after}");
                tool("umount /mnt");
            }
        };
        // Kept: the same, without label, without UUID, with a UUID in another spelling.
        let spelled = |n: usize| json!({ "uuid": FORMATS[n].1.to_lowercase() });
        let kept: [(&str, &dyn Fn(usize) -> Value); 4] = [
            ("the same", &plain),
            ("no label", &|_| json!({ "label": null })),
            ("no UUID", &|_| json!({ "uuid": null })),
            ("lower case", &spelled),
        ];
        for (what, more) in kept {
            let answer = disks(asked(more), &[]);
            assert_eq!(answer.code, Some(0), "{what}: {}{}", answer.out, answer.err);
            assert!(answer.out.contains("nothing to do"), "{what}: {}", answer.out);
            files_are_there(what);
        }
        // Refused, each device by name: another label, UUID or format, and none at all.
        let refused: [(&str, &dyn Fn(usize) -> Value); 5] = [
            ("other label", &|_| json!({ "label": "OTHER" })),
            ("other UUID", &|n| json!({ "uuid": FORMATS[n].2 })),
            ("other format", &|n| json!({ "format": FORMATS[(n + 1) % 4].0, "uuid": null })),
            ("swap", &|_| json!({ "format": "swap", "uuid": null })),
            ("none", &|_| json!({ "format": "none", "uuid": null, "label": null })),
        ];
        for (what, more) in refused {
            let answer = disks(asked(more), &[]);
            assert_eq!(answer.code, Some(1), "{what}: {}", answer.out);
            for (device, (format, _, _)) in devices.iter().zip(FORMATS) {
                let words = format!("{device} holds {format} with the label \"DATA\"");
                assert!((answer.out.clone() + &answer.err).contains(&words), "{what}: {}", answer.out);
            }
            files_are_there(what);
        }
        // One that is refused keeps the others from being wiped as well.
        let answer = disks(asked(&|n| json!({ "label": "OTHER", "wipeFilesystem": n > 0 })), &[]);
        assert_eq!(answer.code, Some(1), "{}", answer.out);
        files_are_there("a refusal beside permission");
        let answer = disks(asked(&|_| json!({ "wipeFilesystem": true })), &[]);
        assert_eq!(answer.code, Some(0), "{}{}", answer.out, answer.err);
        tool(&format!("mount {} /mnt", devices[0]));
        assert!(!Path::new("/mnt/data").exists());
    });
}

#[test]
fn swap_and_nothing_are_kept_or_refused_too() {
    let mut guest = Guest::new();
    let device = guest.disk(32);
    guest.boot(|| {
        let asked = |more: Value| {
            let mut one = json!({ "device": device, "format": "swap", "label": "SWAP" });
            one.as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            json!([one])
        };
        let none = || json!([{ "device": device, "format": "none" }]);
        assert_eq!(disks(none(), &[]).code, Some(0));
        assert_eq!(disks(asked(json!({})), &[]).code, Some(0));
        let uuid = tool(&format!("blkid -p -s UUID -o value {device}"));
        assert_eq!(disks(asked(json!({})), &[]).code, Some(0));
        for more in [
            json!({ "label": "OTHER" }),
            json!({ "uuid": UUID }),
            json!({ "format": "ext4" }),
        ] {
            assert_eq!(disks(asked(more), &[]).code, Some(1));
        }
        assert_eq!(disks(none(), &[]).code, Some(1));
        assert_eq!(tool(&format!("blkid -p -s UUID -o value {device}")), uuid);
        tool(&format!("swapon {device}"));
        let answer = disks(
            json!([{ "device": device, "format": "ext4", "wipeFilesystem": true }]),
            &[],
        );
        assert_eq!(answer.code, Some(1));
        assert!((answer.out + &answer.err).contains("a swap device in use"));
        tool(&format!("swapoff {device}"));
        let answer = disks(
            json!([{ "device": device, "format": "none", "wipeFilesystem": true }]),
            &[],
        );
        assert_eq!(answer.code, Some(0));
        assert_eq!(
            Command::new("blkid")
                .args(["-p", &device])
                .status()
                .unwrap()
                .code(),
            Some(2)
        );
    });
}

#[test]
fn options_reach_mkfs() {
    let mut guest = Guest::new();
    let devices = [
        guest.disk(64),
        guest.disk(320),
        guest.disk(160),
        guest.disk(64),
    ];
    guest.boot(|| {
        let answer = disks(
            json!([
                { "device": devices[0], "format": "ext4", "options": ["-O", "^has_journal", "-m", "0"] },
                { "device": devices[1], "format": "xfs", "options": ["-i", "size=1024"] },
                { "device": devices[2], "format": "btrfs", "options": ["--nodesize", "4096"] },
                { "device": devices[3], "format": "vfat", "options": ["-F", "32", "-s", "1"] },
            ]),
            &[],
        );
        assert_eq!(answer.code, Some(0), "{}{}", answer.out, answer.err);
        let ext4 = tool(&format!("dumpe2fs -h {}", devices[0]));
        assert!(!ext4.contains("has_journal") && ext4.contains("Reserved block count:     0"), "{ext4}");
        let xfs = tool(&format!("xfs_db -r -c sb -c p {}", devices[1]));
        assert!(xfs.contains("inodesize = 1024"), "{xfs}");
        let btrfs = tool(&format!("btrfs inspect-internal dump-super {}", devices[2]));
        assert!(btrfs.lines().any(|line| line.split_whitespace().eq(["nodesize", "4096"])), "{btrfs}");
        let vfat = tool(&format!("fsck.vfat -vn {}", devices[3]));
        assert!(vfat.contains("32 bit entries"), "{vfat}");
    });
}

/// Each mkfs ends only when the other one has begun: one after the other they would not come to an end.
const MEETING: &str = "#!/bin/sh
touch /run/begun-$$
for try in $(seq 600); do
    [ $(ls /run | grep -c begun-) = 2 ] && exec /sbin/mkfs.ext4 \"$@\"
    sleep 0.1
done
echo 'the other device is not being formatted' >&2
exit 1
";

#[test]
fn devices_are_wiped_and_formatted_side_by_side() {
    let mut guest = Guest::new();
    let devices = [guest.disk(32), guest.disk(32)];
    guest.boot(|| {
        fs::create_dir("/run/bin").unwrap();
        fs::write("/run/bin/mkfs.ext4", MEETING).unwrap();
        fs::set_permissions("/run/bin/mkfs.ext4", fs::Permissions::from_mode(0o755)).unwrap();
        for device in &devices {
            tool(&format!("mkswap {device}"));
        }
        let list = devices
            .iter()
            .map(|device| json!({ "device": device, "format": "ext4", "wipeFilesystem": true }));
        let path = format!("/run/bin:{}", std::env::var("PATH").unwrap());
        let answer = disks(list.collect(), &[("PATH", &path)]);
        assert_eq!(answer.code, Some(0), "{}{}", answer.out, answer.err);
        for device in &devices {
            assert_eq!(tool(&format!("blkid -p -s TYPE -o value {device}")), "ext4");
        }
    });
}
