//! `pilotlight plan`: golden plans, nothing touched, and the same lines in the log of the real run.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use pilotlight_tests::{Answer, FirstBoot, pilotlight};

/// Calls `plan` in a directory of its own, so that golden texts hold no paths of this machine.
fn plan(directory: &Path, config: &str, arguments: &[&str]) -> Answer {
    fs::write(directory.join("node.ign"), config).unwrap();
    Command::new(pilotlight_tests::program())
        .current_dir(directory)
        .args(["plan", "node.ign"])
        .args(arguments)
        .output()
        .unwrap()
        .into()
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {output:?}"
    );
}

/// An image with a table that has a gap, and a file system in its first partition.
fn image(path: &Path) {
    File::create(path).unwrap().set_len(256 << 20).unwrap();
    let name = path.to_str().unwrap();
    run(
        "sgdisk",
        &[
            "--new=1:2048:+32M",
            "--change-name=1:boot",
            "--new=6:0:+64M",
            "--change-name=6:old",
            name,
        ],
    );
    run(
        "mkfs.ext4",
        &[
            "-q",
            "-F",
            "-L",
            "BOOT",
            "-E",
            "offset=1048576",
            name,
            "32M",
        ],
    );
}

const DISKS: &str = r#"{
  "ignition": {"version": "3.3.0"},
  "storage": {
    "disks": [
      {"device": "/dev/vda", "partitions": [
        {"number": 1, "label": "boot"},
        {"number": 6, "label": "data", "sizeMiB": 32, "wipePartitionEntry": true},
        {"label": "scratch"}
      ]},
      {"device": "/dev/vdb", "wipeTable": true, "partitions": [{"label": "swap", "sizeMiB": 64}]}
    ],
    "filesystems": [
      {"device": "/dev/disk/by-partlabel/boot", "format": "ext4", "label": "BOOT"},
      {"device": "/dev/disk/by-partlabel/data", "format": "xfs", "path": "/var/lib/data", "mountOptions": ["noatime"]},
      {"device": "/dev/disk/by-partlabel/swap", "format": "swap"}
    ]
  }
}
"#;

#[test]
fn disks_are_planned_on_images_and_nothing_is_touched() {
    let dir = tempfile::tempdir().unwrap();
    image(&dir.path().join("a.img"));
    File::create(dir.path().join("b.img"))
        .unwrap()
        .set_len(128 << 20)
        .unwrap();
    let before = fs::read(dir.path().join("a.img")).unwrap();
    let arguments = ["--disk", "a.img=/dev/vda", "--disk", "b.img=/dev/vdb"];
    let answer = plan(dir.path(), DISKS, &arguments);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    insta::assert_snapshot!(answer.out, @r##"
    stage disks
    ! delete partition 6 "old" from /dev/vda
          because it does not match the config and wipePartitionEntry is set  [node.ign:7:9]
      create partition 6 "data" on /dev/vda: 32 MiB from 33 MiB, type 0fc63daf-8483-4772-8e79-3d69d8477de4, random GUID
          because it takes the place of the one that did not match  [node.ign:7:9]
      create partition 2 "scratch" on /dev/vda: 190.9 MiB from 65 MiB, type 0fc63daf-8483-4772-8e79-3d69d8477de4, random GUID
          because the config asks for it and it does not exist  [node.ign:8:9]
      create an empty partition table on /dev/vdb
          because wipeTable is set  [node.ign:10:18]
      create partition 1 "swap" on /dev/vdb: 64 MiB from 1 MiB, type 0fc63daf-8483-4772-8e79-3d69d8477de4, random GUID
          because the config asks for it and it does not exist  [node.ign:10:64]
      make file system xfs on /dev/vda6
          because the device is blank  [node.ign:14:18]
      make swap space on /dev/vdb1
          because the device is blank  [node.ign:15:18]
    stage mount
      mount /dev/vda6 (xfs) at /var/lib/data with noatime
          because files of the config may lie on it  [node.ign:14:18]
    stage files
      make directory /etc, mode 0755, owner 0:0
          because /etc/.ignition-result.json lies in it
      write file /etc/.ignition-result.json, mode 0600, owner 0:0, from the result of this run
          because others ask it later whether and when the root was provisioned
    stage umount
      unmount /var/lib/data
          because provisioning is done; the node mounts what it needs  [node.ign:14:18]
    disks before and after
    /dev/vda, 256 MiB
           label     start       size  content
      before: GPT
        1  boot      1 MiB     32 MiB  ext4 "BOOT"  kept
      ! 6  old      33 MiB     64 MiB  blank        deleted
                    97 MiB  158.9 MiB  free
      after: GPT
        1  boot      1 MiB     32 MiB  ext4 "BOOT"  kept
      + 6  data     33 MiB     32 MiB  xfs          new
      + 2  scratch  65 MiB  190.9 MiB  blank        new
    /dev/vdb, 128 MiB
           label   start      size  content
      before: no partition table
                       0   128 MiB  blank
      after: GPT
      + 1  swap    1 MiB    64 MiB  swap     new
                  65 MiB  62.9 MiB  free
    11 operations, 1 of which destroy data (marked !). Nothing has been touched.
    "##);
    assert!(
        fs::read(dir.path().join("a.img")).unwrap() == before,
        "the image was written to"
    );

    let json = plan(dir.path(), DISKS, &[&arguments[..], &["--json"]].concat());
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    let operations = json["stages"][0]["operations"].as_array().unwrap();
    assert_eq!(json["stages"][0]["stage"], "disks");
    assert_eq!(operations[0]["op"], "delete-partition");
    assert_eq!(operations[0]["destructive"], true);
    assert_eq!(operations[0]["at"], "node.ign:7:9");
    for operation in operations {
        let line = operation["line"].as_str().unwrap();
        assert!(answer.out.contains(line), "{line:?} is not in the text");
    }
    let boot = &json["disks"][0]["before"]["segments"][0];
    assert_eq!(
        (&boot["label"], &boot["fate"], &boot["content"]["label"]),
        (&"boot".into(), &"kept".into(), &"BOOT".into())
    );
    assert_eq!(json["disks"][0]["before"]["segments"][1]["fate"], "deleted");
}

/// What a document in XML says in its elements of one name, read by a parser that refuses what is no XML.
fn texts(svg: &Path, element: &str) -> Vec<String> {
    const READ: &str = "import sys, xml.etree.ElementTree as tree\n\
        for found in tree.parse(sys.argv[1]).iter('{http://www.w3.org/2000/svg}' + sys.argv[2]):\n\
        \x20   print(found.text)";
    let output = Command::new("python3")
        .args(["-c", READ, svg.to_str().unwrap(), element])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_string).collect()
}

#[test]
fn disks_are_drawn_into_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    image(&at("a.img"));
    File::create(at("b.img"))
        .unwrap()
        .set_len(128 << 20)
        .unwrap();
    run(
        "mkfs.ext4",
        &["-q", "-L", "a<b>&c", at("b.img").to_str().unwrap()],
    );
    let before = (
        fs::read(at("a.img")).unwrap(),
        fs::read(at("b.img")).unwrap(),
    );
    let disks = ["--disk", "a.img=/dev/vda", "--disk", "b.img=/dev/vdb"];
    let plan = |more: &[&str]| plan(dir.path(), DISKS, &[&disks, more].concat());
    fs::write(at("disks.svg"), "an older picture").unwrap();
    let answer = plan(&["--svg", "disks.svg"]);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    let titles = texts(&at("disks.svg"), "title");
    for title in [
        "partition 1 \"boot\": ext4 \"BOOT\", 32 MiB from 1 MiB; kept",
        "partition 6 \"old\": blank, 64 MiB from 33 MiB; deleted",
        "partition 6 \"data\": xfs, 32 MiB from 33 MiB; new",
        "ext4 \"a<b>&c\", 128 MiB from 0 bytes; wiped",
    ] {
        assert!(titles.iter().any(|t| t == title), "{title:?}: {titles:#?}");
    }
    let first = fs::read(at("disks.svg")).unwrap();
    assert_eq!(plan(&["--svg", "disks.svg", "--json"]).code, Some(0));
    assert!(
        fs::read(at("disks.svg")).unwrap() == first,
        "drawn differently"
    );

    // A picture takes the place of no input, and of no device.
    let refused = plan(&["--svg", "/dev/null"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.err.contains("not a file"), "{refused:?}");
    let refused = plan(&["--svg", "./b.img"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.err.contains("would overwrite b.img"), "{refused:?}");
    let after = (
        fs::read(at("a.img")).unwrap(),
        fs::read(at("b.img")).unwrap(),
    );
    assert!(after == before, "an image was written to");
}

#[test]
fn a_picture_without_a_disk_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let answer = plan(dir.path(), FILES, &["--svg", "disks.svg"]);
    assert_eq!(answer.code, Some(2), "{answer:?}");
    insta::assert_snapshot!(answer.err, @r##"error: --svg draws the disks that --disk names, and none is named: add --disk IMAGE=DEVICE"##);
    assert!(!dir.path().join("disks.svg").exists());
}

#[test]
fn what_may_not_be_lost_is_refused_with_the_line_of_the_config() {
    let dir = tempfile::tempdir().unwrap();
    image(&dir.path().join("a.img"));
    let config = DISKS.replace(", \"wipePartitionEntry\": true", "");
    let answer = plan(
        dir.path(),
        &config,
        &["--disk", "a.img=/dev/vda", "--disk", "a.img=/dev/vdb"],
    );
    assert_eq!(answer.code, Some(1), "{answer:?}");
    insta::assert_snapshot!(answer.err, @r##"
    node.ign:7:9: error: partition 6 of /dev/vda exists, but differs: its label is "old", not "data"; it has 64 MiB, not 32 MiB
      7 |         {"number": 6, "label": "data", "sizeMiB": 32},
        |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      help: set wipePartitionEntry to true if its data may be lost
    "##);
}

const FILES: &str = r#"{
  "ignition": {"version": "3.4.0"},
  "passwd": {"users": [{"name": "ada", "uid": 2000, "groups": ["wheel"], "sshAuthorizedKeys": ["ssh-ed25519 AAAA ada"]}]},
  "storage": {
    "directories": [{"path": "/var/lib/app", "mode": 448, "user": {"name": "ada"}}],
    "files": [
      {"path": "/etc/app.conf", "mode": 416, "contents": {"source": "data:,secret"}},
      {"path": "/etc/motd", "overwrite": true, "contents": {"source": "data:,hi"}},
      {"path": "/etc/hosts", "append": [{"source": "data:,10.0.0.1%20a"}]}
    ],
    "links": [{"path": "/etc/localtime", "target": "../usr/share/zoneinfo/UTC"}]
  },
  "systemd": {"units": [
    {"name": "app.service", "enabled": true, "contents": "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"},
    {"name": "other.service", "mask": true}
  ]}
}
"#;

/// A small root with accounts.
fn root(at: &Path) {
    fs::create_dir_all(at.join("etc")).unwrap();
    fs::write(at.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n").unwrap();
    fs::write(at.join("etc/group"), "root:x:0:\nwheel:x:10:\n").unwrap();
    fs::write(at.join("etc/login.defs"), "USERGROUPS_ENAB yes\n").unwrap();
    fs::write(at.join("etc/motd"), "old").unwrap();
    fs::write(at.join("etc/hosts"), "127.0.0.1 localhost\n").unwrap();
    std::os::unix::fs::symlink("../usr/share/zoneinfo/UTC", at.join("etc/localtime")).unwrap();
}

#[test]
fn files_are_planned_on_a_root_and_the_real_run_logs_the_same_lines() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("root");
    root(&at);
    let answer = plan(dir.path(), FILES, &["--root", "root"]);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    insta::assert_snapshot!(answer.out, @r##"
    stage files
      add user "ada": number 2000, further groups "wheel"
          because there is no user "ada" yet  [node.ign:3:33]
      write file /etc/app.conf, mode 0640, owner 0:0, from the config (6 bytes)
          because the config asks for it  [node.ign:7:16]
    ! replace a file at /etc/motd by a file, mode 0644, owner 0:0, from the config (2 bytes)
          because the config asks for it  [node.ign:8:16]
      append to file /etc/hosts, from the config (10 bytes)
          because the config asks for it  [node.ign:9:16]
      make directory /home/ada/.ssh, mode 0700, owner ada:ada
          because the config lists SSH keys of ada  [node.ign:3:33]
      make directory /var, mode 0755, owner 0:0
          because /var/lib/app lies in it  [node.ign:5:30]
      make directory /var/lib, mode 0755, owner 0:0
          because /var/lib/app lies in it  [node.ign:5:30]
      make directory /var/lib/app, mode 0700, owner ada:0
          because the config asks for it  [node.ign:5:30]
      make directory /home/ada/.ssh/authorized_keys.d, mode 0700, owner ada:ada
          because the config lists SSH keys of ada  [node.ign:3:33]
      write file /home/ada/.ssh/authorized_keys.d/ignition, mode 0600, owner ada:ada, from SSH keys (21 bytes)
          because the config lists SSH keys of ada  [node.ign:3:33]
      make directory /etc/systemd, mode 0755, owner 0:0
          because /etc/systemd/system/app.service lies in it  [node.ign:14:14]
      make directory /etc/systemd/system, mode 0755, owner 0:0
          because /etc/systemd/system/app.service lies in it  [node.ign:14:14]
      write file /etc/systemd/system/app.service, mode 0644, owner 0:0, from unit text (67 bytes)
          because the config has this unit  [node.ign:14:14]
      make symbolic link /etc/systemd/system/other.service to /dev/null
          because the config masks the unit  [node.ign:15:14]
      make directory /etc/systemd/system-preset, mode 0755, owner 0:0
          because /etc/systemd/system-preset/20-ignition.preset lies in it  [node.ign:14:14]
      write file /etc/systemd/system-preset/20-ignition.preset, mode 0644, owner 0:0, from preset lines (19 bytes)
          because units are enabled or disabled  [node.ign:14:14]
      write file /etc/.ignition-result.json, mode 0600, owner 0:0, from the result of this run
          because others ask it later whether and when the root was provisioned
    17 operations, 1 of which destroy data (marked !). Nothing has been touched.
    "##);
    assert!(!answer.out.contains("secret"), "contents are not shown");
    assert!(
        !at.join("var").exists() && !at.join("home").exists(),
        "the root was touched"
    );

    let boot = FirstBoot::new(dir.path(), &at, FILES.as_bytes());
    assert_eq!(boot.stage("fetch-offline").code, Some(0));
    let real = boot.stage("files");
    assert_eq!(real.code, Some(0), "{real:?}");
    let lines = answer
        .out
        .lines()
        .filter(|line| line.starts_with("  ") || line.starts_with("! "));
    for line in lines.filter(|line| !line.trim_start().starts_with("because")) {
        assert!(
            real.out.lines().any(|logged| logged == line),
            "{line:?} is not in the log:\n{}",
            real.out
        );
    }
    // The second plan finds nothing left to do.
    let again = plan(dir.path(), FILES, &["--root", "root"]);
    assert_eq!(again.out, "Nothing to do.\n");
}

#[test]
fn a_dry_run_knows_that_a_new_file_system_hides_what_was_there() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("root");
    root(&at);
    fs::create_dir_all(at.join("srv")).unwrap();
    fs::write(at.join("srv/file"), "old").unwrap();
    File::create(dir.path().join("a.img"))
        .unwrap()
        .set_len(64 << 20)
        .unwrap();
    let config = r#"{"ignition": {"version": "3.4.0"}, "storage": {
        "filesystems": [{"device": "/dev/vdb", "format": "ext4", "path": "/srv"}],
        "files": [{"path": "/srv/file", "contents": {"source": "data:,new"}}]}}"#;
    let answer = plan(
        dir.path(),
        config,
        &["--root", "root", "--disk", "a.img=/dev/vdb"],
    );
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert!(
        answer.out.contains("  write file /srv/file"),
        "{}",
        answer.out
    );
    // Without the file system the old file is in the way.
    let bare = config.replace(r#""path": "/srv"}],"#, r#""path": "/mnt"}],"#);
    let refused = plan(
        dir.path(),
        &bare,
        &["--root", "root", "--disk", "a.img=/dev/vdb"],
    );
    assert!(
        refused.err.contains("there is a file already"),
        "{refused:?}"
    );
}

#[test]
fn apply_writes_into_a_tree_and_refuses_disks() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("root");
    root(&at);
    let (config, tree) = (dir.path().join("node.ign"), at.to_str().unwrap());
    fs::write(&config, FILES).unwrap();
    let config = config.to_str().unwrap();
    let answer = pilotlight(&["apply", config, "--root", tree]);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert_eq!(
        fs::read_to_string(at.join("etc/app.conf")).unwrap(),
        "secret"
    );
    assert_eq!(
        fs::read_to_string(at.join("etc/hosts")).unwrap(),
        "127.0.0.1 localhost\n10.0.0.1 a"
    );
    assert!(at.join("home/ada/.ssh").exists());

    fs::write(dir.path().join("node.ign"), DISKS).unwrap();
    let refused = pilotlight(&["apply", config, "--root", tree]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused.err.contains("node.ign:5:18") && refused.err.contains("storage.disks"),
        "{}",
        refused.err
    );
    let passed = pilotlight(&["apply", config, "--root", tree, "--ignore-unsupported"]);
    assert_eq!(passed.code, Some(0), "{passed:?}");

    fs::write(dir.path().join("node.ign"), ARGUMENTS).unwrap();
    let refused = pilotlight(&["apply", config, "--root", tree]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused
            .err
            .contains("kernelArguments cannot be applied to a directory")
    );
    let passed = pilotlight(&["apply", config, "--root", tree, "--ignore-unsupported"]);
    assert_eq!(passed.code, Some(0), "{passed:?}");
}

const ARGUMENTS: &str = r#"{
  "ignition": {"version": "3.3.0"},
  "kernelArguments": {
    "shouldExist": ["systemd.unified_cgroup_hierarchy=0", "a=\"x\""],
    "shouldNotExist": ["quiet"]
  }
}"#;

#[test]
fn kernel_arguments_are_planned_for_a_machine_of_which_nothing_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let answer = plan(dir.path(), ARGUMENTS, &[]);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    insta::assert_snapshot!(answer.out, @r#"
    stage kargs
      write pilotlight's block in /grub.cfg on /dev/disk/by-label/OEM: set linux_append="$linux_append systemd.unified_cgroup_hierarchy=0 a=x"
          because the config asks for "systemd.unified_cgroup_hierarchy=0", "a=x" (the machine's own command line is not known here; its OEM partition is taken for one without grub.cfg)  [node.ign:3:22]
      reboot once, with systemd.unified_cgroup_hierarchy=0 a=x
          because kernel arguments count from the next boot on, which starts over with the config  [node.ign:3:22]
    stage files
      make directory /etc, mode 0755, owner 0:0
          because /etc/.ignition-result.json lies in it
      write file /etc/.ignition-result.json, mode 0600, owner 0:0, from the result of this run
          because others ask it later whether and when the root was provisioned
    4 operations, none of which destroys data. Nothing has been touched.
    "#);
    insta::assert_snapshot!(answer.err, @r#"
    node.ign:3:22: hint: whether "quiet" has to be taken away from the kernel command line shows on the machine only
      3 |   "kernelArguments": {
        |                      ^
    "#);
    let answer = plan(dir.path(), ARGUMENTS, &["--json"]);
    let json: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
    let operation = &json["stages"][0]["operations"][0];
    assert_eq!(json["stages"][0]["stage"], "kargs");
    assert_eq!(operation["op"], "write-grub-block");
    assert_eq!(operation["destructive"], false);
}

#[test]
fn what_comes_from_the_platform_is_shown_too() {
    let dir = tempfile::tempdir().unwrap();
    root(&dir.path().join("root"));
    let said = r#"{"hostname": "vm-a", "ssh_keys": [{"user": "root", "key": "ssh-ed25519 AAAA x"}, {"key": "ssh-ed25519 BBBB y"}]}"#;
    fs::write(dir.path().join("said.json"), said).unwrap();
    let config = r#"{"ignition": {"version": "3.4.0"}}"#;
    let given = ["--root", "root", "--metadata", "said.json", "--platform"];
    let answer = plan(dir.path(), config, &[&given[..], &["azure"]].concat());
    assert_eq!(answer.code, Some(0), "{answer:?}");
    for line in [
        "  write file /etc/hostname, mode 0644, owner 0:0, from the platform's hostname (5 bytes)\n",
        "  write file /root/.ssh/authorized_keys.d/afterburn, mode 0600, owner root:root, from SSH keys",
        "because the platform lists SSH keys of root\n",
    ] {
        assert!(
            answer.out.contains(line),
            "{line:?} is not in:\n{}",
            answer.out
        );
    }
    assert!(
        answer
            .err
            .contains("the platform has an SSH key for \"core\", whom this system has not"),
        "{}",
        answer.err
    );
    // A network that DHCP does not tell, and what of it nobody understands.
    let network = r#"{"interfaces": {"public": [{"mac": "04:01:2a:00:00:01", "ipv4":
        {"ip_address": "198.51.100.20", "netmask": "255.255.240.0", "gateway": "198.51.96.1"}}, {"mac": "x"}]}}"#;
    let all = serde_json::json!({ "network": network }).to_string();
    fs::write(dir.path().join("said.json"), all).unwrap();
    let answer = plan(
        dir.path(),
        config,
        &[&given[..], &["digitalocean"]].concat(),
    );
    let unit =
        "  write file /etc/systemd/network/70-pilotlight-static0.network, mode 0644, owner 0:0";
    assert!(answer.out.contains(unit), "{}", answer.out);
    let told = "warning: of the platform's network, interfaces/public/1/mac: ";
    assert!(answer.err.contains(told), "{}", answer.err);
    fs::write(dir.path().join("said.json"), said).unwrap();
    // DHCP names this one.
    let answer = plan(dir.path(), config, &[&given[..], &["aws"]].concat());
    assert!(!answer.out.contains("/etc/hostname"), "{}", answer.out);
    let answer = plan(dir.path(), config, &given[..4]);
    assert_eq!(answer.code, Some(2), "{answer:?}");
    fs::write(dir.path().join("said.json"), "no JSON").unwrap();
    let answer = plan(dir.path(), config, &[&given[..], &["aws"]].concat());
    assert!(
        answer.code == Some(1)
            && answer
                .err
                .contains("is not what \"pilotlight metadata --json\" prints"),
        "{answer:?}"
    );
}
