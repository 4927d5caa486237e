//! Devices that come late and devices that do not come, with and without udev.
//!
//! The host of these tests has no udev; guests of user-mode Linux have it or not.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use pilotlight_core::facts::disks::Disks;
use pilotlight_core::model::SysPath;
use pilotlight_sys::{DeviceMap, disks};
use pilotlight_tests::uml::Guest;
use pilotlight_tests::{FirstBoot, tool_with};

fn observe(path: &str, seconds: u64) -> Disks {
    let path = SysPath::parse(path).unwrap();
    let images = DeviceMap::new();
    disks::observe(disks::Request {
        required: &[&path],
        optional: &[],
        images: &images,
        wait: Duration::from_secs(seconds),
    })
    .unwrap()
}

/// Attaches an image after a while; detaches it when dropped.
struct Late(Option<std::thread::JoinHandle<String>>);

impl Late {
    fn attach(image: &Path) -> Self {
        let image = image.to_str().unwrap().to_string();
        Self(Some(std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(300));
            tool_with(&["losetup", "--find", "--show", &image])
        })))
    }
}

impl Drop for Late {
    fn drop(&mut self) {
        if let Some(Ok(node)) = self.0.take().map(std::thread::JoinHandle::join) {
            let _ = Command::new("losetup").args(["--detach", &node]).output();
        }
    }
}

#[test]
fn a_disk_that_comes_late_is_found_without_udev() {
    let dir = tempfile::tempdir().unwrap();
    let label = format!("late{}", std::process::id());
    let image = dir.path().join("disk");
    File::create(&image).unwrap().set_len(32 << 20).unwrap();
    tool_with(&["mkfs.ext4", "-q", "-L", &label, image.to_str().unwrap()]);
    let link = format!("/dev/disk/by-label/{label}");
    let late = Late::attach(&image);
    let seen = observe(&link, 60);
    assert!(seen.missing.is_empty(), "{:?}", seen.missing);
    let backing = format!(
        "/sys/class/block/{}/loop/backing_file",
        seen.links[&link].trim_start_matches("/dev/")
    );
    let backing = fs::read_to_string(backing).unwrap();
    drop(late);
    assert_eq!(backing.trim_end(), image.to_str().unwrap());
}

/// A disk of a guest gets a table while another thread waits for its partition by a link.
fn a_partition_comes_late(mut guest: Guest) {
    let disk = guest.disk(64);
    let link = "/dev/disk/by-partlabel/late";
    guest.boot(|| {
        assert!(!observe(link, 0).missing.is_empty());
        let waiting = std::thread::spawn(move || observe(link, 120));
        std::thread::sleep(Duration::from_millis(300));
        tool_with(&["sgdisk", "--new=1:2048:+8M", "--change-name=1:late", &disk]);
        let seen = waiting.join().unwrap();
        assert!(seen.missing.is_empty(), "{:?}", seen.missing);
        assert_eq!(seen.links[link], format!("{disk}1"));
        let udev = Path::new("/run/udev/control").exists();
        if udev {
            // sgdisk's closing of the disk has udev scan it again: the link is gone for a moment.
            tool_with(&["udevadm", "settle"]);
        }
        assert_eq!(Path::new(link).exists(), udev);
    });
}

#[test]
fn a_partition_that_comes_late_is_found_in_a_guest_without_udev() {
    a_partition_comes_late(Guest::new());
}

#[test]
fn a_partition_that_comes_late_is_found_by_its_link_of_udev() {
    a_partition_comes_late(Guest::with_udev());
}

#[test]
fn a_device_that_does_not_come_is_reported_with_what_is_there_instead() {
    let mut guest = Guest::new();
    let disk = guest.disk(64);
    guest.boot(|| {
        tool_with(&[
            "sgdisk",
            "--new=1:2048:+8M",
            "--change-name=1:da\"ta",
            &disk,
        ]);
        tool_with(&["mkfs.ext4", "-q", "-L", "LOGS", &format!("{disk}1")]);
        let said = |path: &str| observe(path, 1).missing[path].clone();
        assert_eq!(
            said("/dev/disk/by-partlabel/data"),
            "it did not appear within 1 s; the disks here are /dev/ubda; \
             each partition label here: \"da\\\"ta\" (/dev/ubda1)"
        );
        assert_eq!(
            said("/dev/disk/by-label/DATA"),
            "it did not appear within 1 s; the disks here are /dev/ubda; \
             each file system label here: \"LOGS\" (/dev/ubda1)"
        );
        assert_eq!(
            said("/dev/vdb"),
            "it did not appear within 1 s; the disks here are /dev/ubda"
        );
    });
}

#[test]
fn udev_decides_what_a_link_means() {
    let mut guest = Guest::with_udev();
    let disk = guest.disk(64);
    guest.boot(|| {
        tool_with(&["sgdisk", "--new=1:2048:+8M", "--change-name=1:data", &disk]);
        tool_with(&["udevadm", "settle"]);
        let link = "/dev/disk/by-partlabel/data";
        assert_eq!(observe(link, 0).links[link], format!("{disk}1"));
        // Whoever looked for itself would find the partition.
        tool_with(&["udevadm", "control", "--stop-exec-queue"]);
        fs::remove_file(link).unwrap();
        assert_eq!(
            observe(link, 1).missing[link],
            format!(
                "it did not appear within 1 s: udev, which runs here, made no such link, though {disk}1 is \
                 of that name; the disks here are {disk}; each partition label here: \"data\" ({disk}1)"
            )
        );
    });
}

#[test]
fn udev_has_seen_what_was_made_when_the_stage_ends() {
    let mut guest = Guest::with_udev();
    let disk = guest.disk(64);
    guest.boot(|| {
        tool_with(&["mkfs.ext4", "-q", "-L", "ROOT", &disk]);
        // While it takes its time with an event of the disk, udev does not notice that the disk is written.
        let slow = r#"ACTION=="change", SUBSYSTEM=="block", PROGRAM=="/bin/sleep 2""#;
        fs::create_dir_all("/run/udev/rules.d").unwrap();
        fs::write("/run/udev/rules.d/99-slow.rules", slow).unwrap();
        tool_with(&["udevadm", "control", "--reload"]);
        let config = format!(
            r#"{{"ignition": {{"version": "3.4.0"}}, "storage": {{"filesystems": [{{"device": "{disk}",
            "format": "ext4", "label": "NEW", "wipeFilesystem": true}}]}}}}"#
        );
        let boot = FirstBoot::new(Path::new("/run/boot"), Path::new("/run/newroot"), config.as_bytes());
        let answer = boot.stages(&["fetch-offline", "disks"]);
        assert_eq!(answer.code, Some(0), "{answer:?}");
        let link = Path::new("/dev/disk/by-label/NEW");
        assert_eq!(fs::canonicalize(link).unwrap(), Path::new(&disk));
    });
}

#[test]
fn udev_that_is_busy_with_another_device_is_not_waited_for() {
    let mut guest = Guest::with_udev();
    let (disk, other) = (guest.disk(64), guest.disk(8));
    guest.boot(|| {
        let slow = r#"ACTION=="change", KERNEL=="ubdb", PROGRAM=="/bin/sleep 150""#;
        fs::create_dir_all("/run/udev/rules.d").unwrap();
        fs::write("/run/udev/rules.d/99-slow.rules", slow).unwrap();
        tool_with(&["udevadm", "control", "--reload"]);
        tool_with(&["udevadm", "trigger", "--action=change", &other]);
        let config = format!(
            r#"{{"ignition": {{"version": "3.4.0"}}, "storage": {{
            "disks": [{{"device": "{disk}", "partitions": [{{"number": 1, "label": "new"}}]}}],
            "filesystems": [{{"device": "/dev/disk/by-partlabel/new", "format": "swap", "label": "NEW"}}]}}}}"#
        );
        let boot = FirstBoot::new(Path::new("/run/boot"), Path::new("/run/newroot"), config.as_bytes());
        let answer = boot.stages(&["fetch-offline", "disks"]);
        assert_eq!(answer.code, Some(0), "{answer:?}");
        // Nor was it left alone because a bound was over.
        assert!(Path::new("/run/udev/queue").exists(), "{answer:?}");
        let link = Path::new("/dev/disk/by-label/NEW");
        assert_eq!(fs::canonicalize(link).unwrap(), Path::new(&format!("{disk}1")));
    });
}

/// A program of this name that first has the kernel read the table of a disk again, and notes whether it could.
fn rereading(program: &str, disk: &str) {
    let real = tool_with(&["which", program]);
    let script = format!(
        "#!/bin/sh\nblockdev --rereadpt {disk} >>/run/reread 2>&1 && echo \"done before {program} $*\" >>/run/reread\nexec {real} \"$@\"\n"
    );
    fs::create_dir_all("/run/bin").unwrap();
    let path = format!("/run/bin/{program}");
    fs::write(&path, script).unwrap();
    tool_with(&["chmod", "755", &path]);
}

#[test]
fn nobody_takes_a_partition_away_while_a_program_works_on_it() {
    let mut guest = Guest::new();
    let disk = guest.disk(96);
    guest.boot(|| {
        tool_with(&[
            "sgdisk",
            "--new=1:0:+8M",
            "--new=2:0:+32M",
            "--new=3:0:+8M",
            "--new=4:0:+8M",
            &disk,
        ]);
        for program in ["mkswap", "wipefs", "cryptsetup", "mdadm"] {
            rereading(program, &disk);
        }
        tool_with(&["mkswap", &format!("{disk}1")]);
        let config = format!(
            r#"{{"ignition": {{"version": "3.4.0"}}, "storage": {{
            "luks": [{{"name": "v", "device": "{disk}2", "options": ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]}}],
            "raid": [{{"name": "r", "level": "raid0", "devices": ["{disk}3", "{disk}4"]}}],
            "filesystems": [{{"device": "{disk}1", "format": "swap", "label": "NEW", "wipeFilesystem": true}}]}}}}"#
        );
        let path = format!("/run/bin:{}", std::env::var("PATH").unwrap());
        let boot = FirstBoot::new(Path::new("/run/boot"), Path::new("/run/newroot"), config.as_bytes())
            .with("PATH", &path)
            .with("PILOTLIGHT_DEVICE_WAIT", "0");
        let answer = boot.stage("fetch-offline");
        assert_eq!(answer.code, Some(0), "{answer:?}");
        let _ = fs::remove_file("/run/reread");
        let answer = boot.stage("disks");
        assert_eq!(answer.code, Some(0), "{answer:?}");
        let said = fs::read_to_string("/run/reread").unwrap();
        assert!(said.contains("busy"), "{said}");
        let could = |line: &&str| line.contains("done before") && !line.ends_with(" trial");
        assert_eq!(said.lines().find(could), None, "{said}; {answer:?}");
    });
}

#[test]
fn the_log_says_what_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let config = r#"{"ignition": {"version": "3.4.0"}, "storage": {"disks": [
        {"device": "/dev/pilotlight-none", "wipeTable": true}]}}"#;
    let boot = FirstBoot::new(dir.path(), &dir.path().join("root"), config.as_bytes())
        .with("PILOTLIGHT_DEVICE_WAIT", "6");
    // The rehearsal waits as the disks stage would.
    let answer = boot.stage("fetch-offline");
    assert_eq!(answer.code, Some(1), "{answer:?}");
    assert!(
        answer
            .out
            .contains("\nwaiting for the device /dev/pilotlight-none since 5 s\n"),
        "{answer:?}"
    );
    assert!(
        answer.out.contains("it did not appear within 6 s"),
        "{answer:?}"
    );
}
