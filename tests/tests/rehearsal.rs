//! Everything that config and machine show beforehand is found before the first write: on each of these cases
//! the first boot ends, the disks are bit for bit what they were, and the words say what, where and what else
//! is in the way. The configs wipe a disk, so that whatever is found too late would be found on a wiped disk.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use pilotlight_tests::{Answer, FirstBoot, tool};

const UNTOUCHED: &str = "nothing has been changed on this machine's disks or in its root";

/// A machine with disks, which are loop devices, and a root that has a few accounts.
struct Machine {
    directory: tempfile::TempDir,
    disks: Vec<String>,
}

impl Machine {
    fn new(sizes: &[u64]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut machine = Self {
            directory,
            disks: Vec::new(),
        };
        for (number, mib) in sizes.iter().enumerate() {
            let image = machine.image(number);
            File::create(&image).unwrap().set_len(mib << 20).unwrap();
            let node = tool(&format!("losetup --find --show {}", image.display()));
            machine.disks.push(node);
        }
        let etc = machine.root().join("etc");
        fs::create_dir_all(&etc).unwrap();
        let passwd = "root:x:0:0:root:/root:/bin/sh\ncore:x:500:500::/home/core:/bin/sh\n";
        fs::write(etc.join("passwd"), passwd).unwrap();
        fs::write(etc.join("group"), "root:x:0:\nwheel:x:10:\ncore:x:500:\n").unwrap();
        fs::write(etc.join("login.defs"), "USERGROUPS_ENAB yes\n").unwrap();
        machine
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    fn image(&self, number: usize) -> PathBuf {
        self.directory.path().join(format!("{number}.img"))
    }

    /// The text of a case with the names of this machine: @0 and @1 for its disks, @DIR for its directory, @ID
    /// for a word that no other machine has.
    fn named(&self, text: &str) -> String {
        let directory = self.directory.path().to_str().unwrap();
        // Labels are looked for on all disks, and others have tests of their own.
        let id = self.disks[0].trim_start_matches("/dev/");
        let mut text = text.replace("@DIR", directory).replace("@ID", id);
        for (number, node) in self.disks.iter().enumerate() {
            text = text.replace(&format!("@{number}"), node);
        }
        text
    }

    fn boot(&self, config: &str) -> FirstBoot {
        let config = self.named(config);
        FirstBoot::new(self.directory.path(), &self.root(), config.as_bytes())
            .with("PILOTLIGHT_DEVICE_WAIT", "0")
    }

    /// Copies of the disks' contents.
    fn contents(&self) -> Vec<Vec<u8>> {
        let images = (0..self.disks.len()).map(|number| fs::read(self.image(number)).unwrap());
        images.collect()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let mounted = self.directory.path().join("mnt");
        let _ = Command::new("umount").arg(mounted).output();
        for node in &self.disks {
            for line in ["partx --delete", "losetup --detach"] {
                let words: Vec<&str> = line.split(' ').chain([node.as_str()]).collect();
                let _ = Command::new(words[0]).args(&words[1..]).output();
            }
        }
    }
}

/// A first boot that is refused.
struct Case {
    /// Sizes of the disks in MiB.
    disks: &'static [u64],
    /// Lines of a shell that prepare the machine; more names as in [`Machine::named`].
    prepare: &'static str,
    /// A program that is missing.
    without: Option<&'static str>,
    /// The sections of a config of version 3.4.
    config: &'static str,
    /// What is said of it, all of these.
    words: &'static [&'static str],
}

const CASE: Case = Case {
    disks: &[320],
    prepare: "",
    without: None,
    config: "",
    words: &[],
};

/// What was on the first disk before: a partition with a file system.
const PRECIOUS: &str = "sgdisk -n 1:2048:+64M -c 1:precious-@ID @0 && mkfs.ext4 -q -F -L PRECIOUS -E offset=1048576 @0 64M";

fn run(case: &Case) {
    let machine = Machine::new(case.disks);
    for line in [PRECIOUS, case.prepare].map(|text| machine.named(text)) {
        let status = Command::new("sh").args(["-ec", &line]).output().unwrap();
        assert!(status.status.success(), "{line}: {status:?}");
    }
    let config = format!(
        "{{\"ignition\": {{\"version\": \"3.4.0\"}},\n{}\n}}",
        case.config
    );
    let mut boot = machine.boot(&config);
    if let Some(missing) = case.without {
        let path = programs_but(missing, &machine.directory.path().join("bin"));
        boot = boot.with("PATH", &path);
    }
    refused(&machine, &boot, case.words);
}

/// Runs the stages up to the one that refuses; nothing may have changed.
fn refused(machine: &Machine, boot: &FirstBoot, words: &[&str]) {
    for node in &machine.disks {
        tool(&format!("blockdev --flushbufs {node}"));
    }
    let (before, root) = (machine.contents(), tree(&machine.root()));
    let answer = boot.stages(&["fetch-offline", "kargs", "disks", "mount", "files"]);
    assert_eq!(answer.code, Some(1), "{}", answer.out);
    for words in words
        .iter()
        .map(|words| machine.named(words))
        .chain([UNTOUCHED.into()])
    {
        assert!(
            answer.out.contains(&words),
            "{words:?} is not in:\n{}",
            answer.out
        );
    }
    for node in &machine.disks {
        tool(&format!("blockdev --flushbufs {node}"));
    }
    let after = machine.contents();
    for (number, (before, after)) in before.iter().zip(&after).enumerate() {
        assert!(
            before == after,
            "the disk {number} was written to:\n{}",
            answer.out
        );
    }
    assert_eq!(tree(&machine.root()), root, "the root was written to");
}

/// All paths below a directory.
fn tree(directory: &Path) -> String {
    tool(&format!("find {} -printf %P:%m:%s\\n", directory.display()))
}

/// A PATH that has everything but one program.
fn programs_but(missing: &str, directory: &Path) -> String {
    fs::create_dir(directory).unwrap();
    for from in std::env::split_paths(&std::env::var("PATH").unwrap()) {
        for entry in fs::read_dir(from).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if name.to_str() != Some(missing) {
                // The first of a name in PATH counts.
                let _ = symlink(entry.path(), directory.join(name));
            }
        }
    }
    directory.display().to_string()
}

macro_rules! refusals {
    ($($name:ident: $case:expr;)*) => {$(
        #[test]
        fn $name() {
            run(&$case);
        }
    )*};
}

refusals! {
    a_file_system_over_the_table_that_the_config_makes: Case {
        config: r#""storage": {"disks": [{"device": "@0", "wipeTable": true, "partitions": [{"label": "ROOT"}]}],
"filesystems": [{"device": "@0", "format": "ext4", "label": "ROOT"}]}"#,
        words: &["config.ign:3:28: error: @0 cannot be a file system and a disk with partitions at once",
            "the other entry is at", "config.ign:2:34", "name one of its partitions"],
        ..CASE
    };
    a_file_system_over_the_table_even_if_it_may_be_wiped: Case {
        config: r#""storage": {"disks": [{"device": "@0", "wipeTable": true, "partitions": [{"label": "ROOT"}]}],
"filesystems": [{"device": "@0", "format": "ext4", "wipeFilesystem": true}]}"#,
        words: &["@0 cannot be a file system and a disk with partitions at once", "config.ign:2:34"],
        ..CASE
    };
    a_volume_and_a_file_system_on_one_partition: Case {
        config: r#""storage": {"disks": [{"device": "@0", "wipeTable": true, "partitions": [{"number": 1, "label": "data"}]}],
"luks": [{"name": "data", "device": "/dev/disk/by-partlabel/data", "keyFile": {"source": "data:,x"}, "wipeVolume": true}],
"filesystems": [{"device": "/dev/disk/by-partlabel/data", "format": "ext4", "wipeFilesystem": true, "path": "/srv/d"}]}"#,
        words: &["config.ign:4:28: error: @0p1 cannot be a file system and an encrypted volume at once",
            "config.ign:3:10", "did you mean /dev/mapper/data?"],
        ..CASE
    };
    a_volume_and_a_member_of_an_array_on_one_partition: Case {
        config: r#""storage": {"disks": [{"device": "@0", "wipeTable": true, "partitions": [{"number": 1, "label": "data"}]}],
"raid": [{"name": "r", "level": "raid0", "devices": ["@0p1"]}],
"luks": [{"name": "v", "device": "/dev/disk/by-partlabel/data", "keyFile": {"source": "data:,x"}}]}"#,
        words: &["cannot be an encrypted volume and a member of a RAID array at once", "config.ign:3:10", "config.ign:4:10", "did you mean /dev/md/r?"],
        ..CASE
    };
    a_member_of_an_array_and_a_file_system_on_one_partition: Case {
        config: r#""storage": {"disks": [{"device": "@0", "wipeTable": true, "partitions": [{"number": 1, "label": "data"}]}],
"raid": [{"name": "r", "level": "raid0", "devices": ["@0p1"]}],
"filesystems": [{"device": "@0p1", "format": "swap", "wipeFilesystem": true}]}"#,
        words: &["@0p1 cannot be a file system and a member of a RAID array at once", "config.ign:3:10"],
        ..CASE
    };
    a_member_of_two_arrays: Case {
        config: r#""storage": {"disks": [{"device": "@0", "wipeTable": true, "partitions": [{"number": 1, "label": "one"}]}],
"raid": [{"name": "a", "level": "raid0", "devices": ["@0p1"]},
{"name": "b", "level": "raid0", "devices": ["/dev/disk/by-partlabel/one"]}]}"#,
        words: &["/dev/disk/by-partlabel/one is @0p1, which is a member of the array \"a\" already"],
        ..CASE
    };
    one_disk_under_two_names: Case {
        prepare: "ln -s @0 @DIR/link",
        config: r#""storage": {"disks": [{"device": "@0", "wipeTable": true, "partitions": [{"number": 1, "label": "a", "sizeMiB": 50}]},
{"device": "@DIR/link", "wipeTable": true, "partitions": [{"number": 2, "label": "b", "sizeMiB": 50}]}]}"#,
        words: &["config.ign:3:12: error: @0 and @DIR/link are one device, @0", "config.ign:2:34", "name it once"],
        ..CASE
    };
    one_partition_under_two_names: Case {
        config: r#""storage": {"disks": [{"device": "@0", "wipeTable": true, "partitions": [{"number": 1, "label": "a"}]}],
"filesystems": [{"device": "@0p1", "format": "ext4"},
{"device": "/dev/disk/by-partlabel/a", "format": "xfs"}]}"#,
        words: &["@0p1 and /dev/disk/by-partlabel/a are one device, @0p1", "config.ign:3:28", "config.ign:4:12"],
        ..CASE
    };
    a_disk_and_its_partition_both_formatted: Case {
        config: r#""storage": {"filesystems": [{"device": "@0", "format": "ext4", "wipeFilesystem": true},
{"device": "@0p1", "format": "ext4", "wipeFilesystem": true}]}"#,
        words: &["@0p1 is a partition of @0, of which the config makes a file system", "config.ign:2:40", "config.ign:3:12"],
        ..CASE
    };
    a_file_system_on_its_own_label: Case {
        config: r#""storage": {"disks": [{"device": "@0", "wipeTable": true, "partitions": [{"label": "ROOT"}]}],
"filesystems": [{"device": "/dev/disk/by-label/NEWROOT", "format": "ext4", "wipeFilesystem": true, "label": "NEWROOT"}]}"#,
        words: &["config.ign:3:28: error: the device /dev/disk/by-label/NEWROOT does not exist"],
        ..CASE
    };
    a_file_system_on_a_label_that_is_gone_by_then: Case {
        prepare: "partx --add @0",
        config: r#""storage": {"disks": [{"device": "@0", "wipeTable": true, "partitions": [{"number": 2, "label": "new"}]}],
"filesystems": [{"device": "/dev/disk/by-partlabel/precious-@ID", "format": "ext4"}]}"#,
        words: &["the device /dev/disk/by-partlabel/precious-@ID does not exist", "it is @0p1 now, which is not there any more by then"],
        ..CASE
    };
    a_misspelt_partition_label: Case {
        config: r#""storage": {"disks": [{"device": "@0", "wipeTable": true, "partitions": [{"label": "data"}]}],
"filesystems": [{"device": "/dev/disk/by-partlabel/date", "format": "ext4"}]}"#,
        words: &["the device /dev/disk/by-partlabel/date does not exist"],
        ..CASE
    };
    a_partition_number_that_nobody_makes: Case {
        config: r#""storage": {"disks": [{"device": "@0", "wipeTable": true, "partitions": [{"number": 1}]}],
"filesystems": [{"device": "@0p3", "format": "ext4"}]}"#,
        words: &["the device @0p3 does not exist"],
        ..CASE
    };
    a_misspelt_volume: Case {
        config: r#""storage": {"disks": [{"device": "@0", "wipeTable": true, "partitions": [{"label": "data", "startMiB": 100}]}],
"luks": [{"name": "data", "device": "/dev/disk/by-partlabel/data", "keyFile": {"source": "data:,x"}}],
"filesystems": [{"device": "/dev/mapper/date", "format": "ext4"}]}"#,
        words: &["the device /dev/mapper/date does not exist"],
        ..CASE
    };
    a_volume_on_a_device_that_nobody_makes: Case {
        config: r#""storage": {"disks": [{"device": "@0", "wipeTable": true, "partitions": [{"label": "data"}]}],
"luks": [{"name": "v", "device": "/dev/disk/by-partlabel/other", "keyFile": {"source": "data:,x"}}]}"#,
        words: &["the device /dev/disk/by-partlabel/other does not exist"],
        ..CASE
    };
    an_array_of_a_device_that_nobody_makes: Case {
        config: r#""storage": {"disks": [{"device": "@0", "wipeTable": true, "partitions": [{"label": "one"}]}],
"raid": [{"name": "r", "level": "raid1", "devices": ["/dev/disk/by-partlabel/one", "/dev/disk/by-partlabel/two"]}]}"#,
        words: &["the device /dev/disk/by-partlabel/two does not exist"],
        ..CASE
    };
    an_array_of_too_few_devices: Case {
        config: r#""storage": {"disks": [{"device": "@0", "wipeTable": true, "partitions": [{"label": "one"}]}],
"raid": [{"name": "r", "level": "raid5", "devices": ["/dev/disk/by-partlabel/one"]}]}"#,
        words: &["of level raid5 needs at least 2 devices that are no spares, and has 1"],
        ..CASE
    };
    a_second_disk_that_is_not_there: Case {
        config: r#""storage": {"disks": [{"device": "@0", "wipeTable": true, "partitions": [{"label": "a"}]},
{"device": "/dev/pilotlight-none", "wipeTable": true, "partitions": [{"label": "b"}]}]}"#,
        words: &["config.ign:3:12: error: the device /dev/pilotlight-none does not exist"],
        ..CASE
    };
    a_partition_that_does_not_fit_on_the_second_disk: Case {
        disks: &[320, 64],
        config: r#""storage": {"disks": [{"device": "@0", "wipeTable": true, "partitions": [{"label": "a"}]},
{"device": "@1", "wipeTable": true, "partitions": [{"label": "b", "sizeMiB": 100}]}]}"#,
        words: &["the partition \"b\" does not fit on @1"],
        ..CASE
    };
    a_second_disk_that_holds_a_file_system: Case {
        disks: &[320, 64],
        prepare: "mkfs.ext4 -q @1",
        config: r#""storage": {"disks": [{"device": "@0", "wipeTable": true, "partitions": [{"label": "a"}]},
{"device": "@1", "partitions": [{"label": "b"}]}]}"#,
        words: &["@1 holds ext4 without partitions, which partitions would destroy"],
        ..CASE
    };
    a_second_disk_that_is_mounted: Case {
        disks: &[320, 64],
        prepare: "mkfs.ext4 -q @1; mkdir @DIR/mnt; mount -o ro @1 @DIR/mnt",
        config: r#""storage": {"disks": [{"device": "@0", "wipeTable": true, "partitions": [{"label": "a"}]},
{"device": "@1", "wipeTable": true, "partitions": [{"label": "b"}]}]}"#,
        words: &["@1 is in use: it is mounted at @DIR/mnt"],
        ..CASE
    };
    an_old_file_system_where_a_new_partition_begins: Case {
        config: r#""storage": {"disks": [{"device": "@0", "wipeTable": true, "partitions": [{"number": 1, "label": "a", "startMiB": 1}]}],
"filesystems": [{"device": "@0p1", "format": "xfs"}]}"#,
        words: &["@0p1 holds ext4 with the label \"PRECIOUS\"", "set wipeFilesystem to true if it may be lost"],
        ..CASE
    };
    an_old_file_system_where_a_volume_is_to_be: Case {
        config: r#""storage": {"disks": [{"device": "@0", "wipeTable": true, "partitions": [{"number": 1, "label": "a", "startMiB": 1}]}],
"luks": [{"name": "v", "device": "@0p1", "keyFile": {"source": "data:,x"}}]}"#,
        words: &["@0p1 holds ext4 with the label \"PRECIOUS\""],
        ..CASE
    };
    mkfs_is_missing: Case {
        without: Some("mkfs.xfs"),
        config: r#""storage": {"disks": [{"device": "@0", "wipeTable": true, "partitions": [{"number": 1, "label": "d", "startMiB": 100}]}],
"filesystems": [{"device": "@0p1", "format": "xfs", "wipeFilesystem": true}]}"#,
        words: &["config.ign:3:28: error: could not make file system xfs on @0p1: the program \"mkfs.xfs\" is missing", "xfsprogs"],
        ..CASE
    };
    mdadm_is_missing: Case {
        without: Some("mdadm"),
        config: r#""storage": {"disks": [{"device": "@0", "wipeTable": true, "partitions": [{"number": 1, "label": "d", "startMiB": 100}]}],
"raid": [{"name": "r", "level": "raid0", "devices": ["@0p1"]}]}"#,
        words: &["the program \"mdadm\" is missing"],
        ..CASE
    };
    cryptsetup_is_missing: Case {
        without: Some("cryptsetup"),
        config: r#""storage": {"disks": [{"device": "@0", "wipeTable": true, "partitions": [{"number": 1, "label": "d", "startMiB": 100}]}],
"luks": [{"name": "v", "device": "@0p1", "keyFile": {"source": "data:,x"}}]}"#,
        words: &["the program \"cryptsetup\" is missing"],
        ..CASE
    };
    useradd_is_missing: Case {
        without: Some("useradd"),
        config: r#""storage": {"disks": [{"device": "@0", "wipeTable": true, "partitions": [{"number": 1, "label": "d"}]}]},
"passwd": {"users": [{"name": "ann"}]}"#,
        words: &["could not add user \"ann\"", "the program \"useradd\" is missing"],
        ..CASE
    };
    a_kernel_without_the_file_system: Case {
        config: r#""storage": {"disks": [{"device": "@0", "wipeTable": true, "partitions": [{"number": 1, "label": "d", "startMiB": 100}]}],
"filesystems": [{"device": "@0p1", "format": "vfat", "path": "/srv"}]}"#,
        words: &["could not mount @0p1 (vfat) at /srv: the kernel knows no file system vfat"],
        ..CASE
    };
    a_mount_option_that_nobody_knows: Case {
        config: r#""storage": {"disks": [{"device": "@0", "wipeTable": true, "partitions": [{"number": 1, "label": "d", "startMiB": 100}]}],
"filesystems": [{"device": "@0p1", "format": "ext4", "path": "/srv", "mountOptions": ["noatime", "noatimes"]}]}"#,
        words: &["the mount option \"noatimes\" is refused"],
        ..CASE
    };
    a_mount_option_without_sense: Case {
        config: r#""storage": {"disks": [{"device": "@0", "wipeTable": true, "partitions": [{"number": 1, "label": "d", "startMiB": 100}]}],
"filesystems": [{"device": "@0p1", "format": "xfs", "path": "/srv", "mountOptions": ["logbufs=many"]}]}"#,
        words: &["the mount option \"logbufs=many\" is refused"],
        ..CASE
    };
    an_option_that_mkfs_ext4_does_not_know: Case {
        config: r#""storage": {"disks": [{"device": "@0", "wipeTable": true, "partitions": [{"number": 1, "label": "d", "startMiB": 100}]}],
"filesystems": [{"device": "@0p1", "format": "ext4", "options": ["-O", "no_such_feature"]}]}"#,
        words: &["could not make file system ext4 on @0p1", "no_such_feature", "correct the options"],
        ..CASE
    };
    an_option_that_mkfs_xfs_does_not_know: Case {
        config: r#""storage": {"disks": [{"device": "@0", "wipeTable": true, "partitions": [{"number": 1, "label": "d", "startMiB": 10}]}],
"filesystems": [{"device": "@0p1", "format": "xfs", "options": ["-d", "colour=red"]}]}"#,
        words: &["could not make file system xfs on @0p1", "colour"],
        ..CASE
    };
    an_option_that_mkfs_btrfs_does_not_know: Case {
        config: r#""storage": {"disks": [{"device": "@0", "wipeTable": true, "partitions": [{"number": 1, "label": "d", "startMiB": 100}]}],
"filesystems": [{"device": "@0p1", "format": "btrfs", "options": ["--no-such-option"]}]}"#,
        words: &["could not make file system btrfs on @0p1", "no-such-option"],
        ..CASE
    };
    a_file_system_larger_than_its_partition: Case {
        config: r#""storage": {"disks": [{"device": "@0", "wipeTable": true, "partitions": [{"number": 1, "label": "d", "startMiB": 100, "sizeMiB": 8}]}],
"filesystems": [{"device": "@0p1", "format": "ext4", "options": ["-b", "4096", "-J", "size=512"]}]}"#,
        words: &["could not make file system ext4 on @0p1"],
        ..CASE
    };
    an_option_that_cryptsetup_does_not_know: Case {
        config: r#""storage": {"disks": [{"device": "@0", "wipeTable": true, "partitions": [{"number": 1, "label": "d", "startMiB": 100}]}],
"luks": [{"name": "v", "device": "@0p1", "keyFile": {"source": "data:,x"}, "options": ["--no-such-option"]}]}"#,
        words: &["could not make an encrypted volume (LUKS2) on @0p1", "no-such-option"],
        ..CASE
    };
    a_user_and_a_group_of_one_name: Case {
        config: r#""storage": {"disks": [{"device": "@0", "wipeTable": true, "partitions": [{"number": 1, "label": "d"}]}]},
"passwd": {"groups": [{"name": "app", "gid": 3000}],
"users": [{"name": "app", "uid": 3000, "groups": ["wheel"]}]}"#,
        words: &["config.ign:4:20: error: the user \"app\" cannot be made with a group of its own: there is a group of that name", "primaryGroup"],
        ..CASE
    };
    a_group_that_the_root_has_not: Case {
        config: r#""storage": {"disks": [{"device": "@0", "wipeTable": true, "partitions": [{"number": 1, "label": "d"}]}]},
"passwd": {"users": [{"name": "ann", "groups": ["whee"]}]}"#,
        words: &["is to be in the group \"whee\", which does not exist", "did you mean \"wheel\"?"],
        ..CASE
    };
    a_number_that_another_user_has: Case {
        config: r#""storage": {"disks": [{"device": "@0", "wipeTable": true, "partitions": [{"number": 1, "label": "d"}]}]},
"passwd": {"users": [{"name": "ann", "uid": 500}]}"#,
        words: &["cannot have the number 500: the user \"core\" has it"],
        ..CASE
    };
    a_file_that_is_there_already: Case {
        config: r#""storage": {"disks": [{"device": "@0", "wipeTable": true, "partitions": [{"number": 1, "label": "d"}]}],
"files": [{"path": "/etc/passwd", "contents": {"source": "data:,mine"}}]}"#,
        words: &["config.ign:3:20: error: /etc/passwd cannot be made a file: there is a file already"],
        ..CASE
    };
    a_hard_link_to_nothing: Case {
        config: r#""storage": {"disks": [{"device": "@0", "wipeTable": true, "partitions": [{"number": 1, "label": "d"}]}],
"links": [{"path": "/etc/a", "target": "/etc/none", "hard": true}]}"#,
        words: &["the hard link /etc/a cannot point at /etc/none: there is nothing"],
        ..CASE
    };
    a_kernel_argument_that_is_asked_for_and_ruled_out: Case {
        config: r#""storage": {"disks": [{"device": "@0", "wipeTable": true, "partitions": [{"number": 1, "label": "d"}]}]},
"kernelArguments": {"shouldExist": ["a", "b"], "shouldNotExist": ["b c"]}"#,
        words: &["config.ign:3:42: error: the kernel argument is asked for and ruled out"],
        ..CASE
    };
}

/// Runs all stages on the root's own directory.
fn provisioned(machine: &Machine, config: &str) -> Answer {
    let boot = machine.boot(config);
    boot.stages(&[
        "fetch-offline",
        "kargs",
        "disks",
        "mount",
        "files",
        "umount",
    ])
}

#[test]
fn options_of_mount_and_systemd_are_not_the_kernels() {
    let machine = Machine::new(&[64]);
    let config = r#"{"ignition": {"version": "3.4.0"}, "storage": {
        "filesystems": [{"device": "@0", "format": "ext4", "path": "/srv/data",
            "mountOptions": ["noatime,nofail", "x-systemd.device-timeout=30s", "_netdev", "defaults", "errors=remount-ro"]}],
        "files": [{"path": "/srv/data/f", "contents": {"source": "data:,x"}}]}}"#;
    let answer = provisioned(&machine, config);
    assert_eq!(answer.code, Some(0), "{}", answer.out);
    tool(&format!("blockdev --flushbufs {}", machine.disks[0]));
    let shown = Command::new("debugfs")
        .args(["-R", "cat /f"])
        .arg(machine.image(0))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&shown.stdout), "x");
    assert!(machine.root().join("srv/data").is_dir());
}

#[test]
fn a_wiped_disk_may_be_used_whole() {
    let machine = Machine::new(&[64]);
    tool(&format!("sgdisk -n 1:2048:+8M {}", machine.disks[0]));
    let config = r#"{"ignition": {"version": "3.4.0"}, "storage": {
        "disks": [{"device": "@0", "wipeTable": true}],
        "filesystems": [{"device": "@0", "format": "ext4", "label": "WHOLE"}]}}"#;
    let answer = provisioned(&machine, config);
    assert_eq!(answer.code, Some(0), "{}", answer.out);
    let said = tool(&format!("blkid -p -o export {}", machine.disks[0]));
    assert!(
        said.contains("LABEL=WHOLE") && !said.contains("PTTYPE"),
        "{said}"
    );
}

#[test]
fn a_failure_after_the_first_operation_says_how_many_there_were() {
    let machine = Machine::new(&[64]);
    let config = r#"{"ignition": {"version": "3.4.0"}, "storage": {
        "disks": [{"device": "@0", "wipeTable": true, "partitions": [{"number": 1, "label": "a", "sizeMiB": 16}]}],
        "filesystems": [{"device": "@0p1", "format": "ext4"}]}}"#;
    let boot = machine.boot(config);
    assert_eq!(boot.stage("fetch-offline").code, Some(0));
    // A program that is there, and fails when it counts.
    let bin = machine.directory.path().join("bin");
    fs::create_dir(&bin).unwrap();
    fs::write(bin.join("mkfs.ext4"), "#!/bin/sh\necho no >&2\nexit 1\n").unwrap();
    tool(&format!("chmod 755 {}/mkfs.ext4", bin.display()));
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let answer = boot.with("PATH", &path).stage("disks");
    assert_eq!(answer.code, Some(1), "{}", answer.out);
    assert!(
        answer
            .out
            .contains("3 operations of this boot were begun before; the log names each")
            && !answer.out.contains("nothing has been changed"),
        "{}",
        answer.out
    );
}
