//! Calls of the disks stage that fail: of the agent, of wipefs, and of the programs that make file systems.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;

use pilotlight_tests::disk::LoopDevice;
use pilotlight_tests::portrait::{Observer, Portrait};
use pilotlight_tests::tool;
use serde_json::{Value, json};

use crate::failing::Tracer;
use crate::node::Node;
use crate::trial;

const TOOLS: &[&str] = &["wipefs", "mkfs.ext4", "mkfs.fat", "mkswap"];
const MIB: u64 = 1 << 20;

/// A new table in place of an old one, and file systems of different kinds: they are made side by side, so that two
/// calls of one program could not be told from each other.
fn config(disk: &str) -> Value {
    let id = |n: u8| format!("{n:08}-0000-4000-8000-000000000000");
    let partition = |n: u8, size: u64| json!({"number": n, "label": format!("io-errors-{n}"), "guid": id(n), "startMiB": 0, "sizeMiB": size});
    let on = |n: u8| format!("/dev/disk/by-partlabel/io-errors-{n}");
    json!({
        "ignition": {"version": "3.4.0"},
        "storage": {
            "disks": [{"device": disk, "wipeTable": true, "partitions": [
                partition(1, 20), partition(2, 16), partition(3, 24), partition(4, 8)
            ]}],
            "filesystems": [
                {"device": on(1), "format": "ext4", "label": "DATA", "wipeFilesystem": true},
                {"device": on(2), "format": "vfat", "label": "BOOT", "wipeFilesystem": true},
                {"device": on(4), "format": "swap", "label": "SWAP", "uuid": id(14)}
            ]
        }
    })
}

/// A machine with a disk that is made anew for each call.
struct Bench {
    directory: tempfile::TempDir,
    disk: LoopDevice,
    node: Node,
    tracer: Tracer,
}

impl Bench {
    fn new() -> Self {
        // In memory: what is synced a thousand times need not be on the host's disk.
        let directory = tempfile::tempdir_in("/dev/shm").unwrap();
        let at = |name: &str| directory.path().join(name);
        let base = at("base.img");
        File::create(&base).unwrap().set_len(96 * MIB).unwrap();
        tool(&format!(
            "sgdisk --new=1:1M:+16M --change-name=1:old --new=2:0:+8M {}",
            base.display()
        ));
        // Where partition 1 will be, and where none will be.
        for offset in [MIB, 17 * MIB] {
            tool(&format!(
                "mkfs.ext4 -q -F -L OLD -E offset={offset} {} 8M",
                base.display()
            ));
        }
        fs::copy(&base, at("disk.img")).unwrap();
        let disk = LoopDevice::new(&at("disk.img"));
        fs::create_dir_all(at("root/etc")).unwrap();
        let node = Node::new(directory.path(), &at("root"), &config(&disk.node));
        let tracer = Tracer::new(directory.path(), TOOLS);
        Self {
            directory,
            disk,
            node,
            tracer,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

impl trial::Bench for Bench {
    fn stage(&self) -> &'static str {
        "disks"
    }

    fn least(&self) -> (usize, usize) {
        (30, 100)
    }

    fn node(&self) -> &Node {
        &self.node
    }

    fn tracer(&self) -> &Tracer {
        &self.tracer
    }

    fn renew(&self) {
        self.disk.forget_partitions();
        let (base, image) = (self.path("base.img"), self.path("disk.img"));
        // Into the same file, with its holes.
        tool(&format!(
            "cp --sparse=always {} {}",
            base.display(),
            image.display()
        ));
        tool(&format!("blockdev --flushbufs {}", self.disk.node));
        self.node.boots_again();
    }

    /// The machine starts anew: the kernel finds the partitions that are on the disk. Of what was in memory the
    /// journal is there, as it is where there is a partition with a first-boot marker for it.
    fn passes(&self, _: usize) {
        let journal = self.path("run/ignition.json.journal");
        let kept = fs::read(&journal);
        self.disk.forget_partitions();
        tool(&format!("blockdev --flushbufs {}", self.disk.node));
        // There may be no table.
        let _ = Command::new("partx")
            .args(["--add", &self.disk.node])
            .output();
        self.node.boots_again();
        if let Ok(kept) = kept {
            fs::write(journal, kept).unwrap();
        }
    }

    fn portrait(&self) -> Portrait {
        let config = config(&self.disk.node).to_string();
        let observer = Observer::new(&[&config], self.directory.path());
        observer.observe(std::slice::from_ref(&self.disk.node))
    }
}

#[test]
fn a_sample_of_calls_of_the_disks_stage_fails() {
    trial::run(&Bench::new(), 16);
}

#[test]
#[ignore = "all calls: half an hour (make crash)"]
fn every_call_of_the_disks_stage_fails() {
    trial::run(&Bench::new(), usize::MAX);
}
