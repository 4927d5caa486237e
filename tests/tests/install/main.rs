//! An image in Flatcar's layout, signed, installed on loop disks and files: what is there afterwards, what was asked
//! before, and that nothing boots that is not whole.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod card;
mod cut;
mod disks;
mod faults;
mod held;
mod image;
mod names;
mod saved;
mod servers;

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use pilotlight_tests::disk::LoopDisk;
use pilotlight_tests::{Answer, pilotlight, tool};

use image::Image;

const EDGE: usize = 1 << 20;

/// A loop device on a sparse file, larger than the image.
struct Disk {
    disk: LoopDisk,
    mounts: PathBuf,
}

impl Disk {
    fn new(mib: u64) -> Self {
        Self {
            disk: LoopDisk::new(mib, 512),
            mounts: tempfile::tempdir().unwrap().keep(),
        }
    }

    fn node(&self) -> &str {
        self.disk.node()
    }

    fn partition(&self, number: u32) -> String {
        format!("{}p{number}", self.node())
    }

    fn bytes(&self) -> Vec<u8> {
        tool(&format!("blockdev --flushbufs {}", self.node()));
        fs::read(self.disk.image.path()).unwrap()
    }

    /// The files of a partition, read through a mount.
    fn read(&self, number: u32, path: &str) -> Option<String> {
        let node = self.partition(number);
        tool(&format!("mount -o ro {node} {}", self.mounts.display()));
        let text = fs::read_to_string(self.mounts.join(path.trim_start_matches('/')));
        tool(&format!("umount {}", self.mounts.display()));
        text.ok()
    }

    /// Neither copy of a table is there, nor boot code.
    fn boots_nothing(&self) {
        let bytes = self.bytes();
        assert!(bytes[..EDGE].iter().all(|byte| *byte == 0));
        assert!(bytes[bytes.len() - EDGE..].iter().all(|byte| *byte == 0));
    }

    /// The table is whole, its backup at the disk's end, and its entries are the image's, bit for bit.
    fn has_table_of(&self, image: &Image) {
        let said = tool(&format!("sgdisk --verify {}", self.node()));
        assert!(said.contains("No problems found"), "{said}");
        let mut expected = vec![0; 128 * 128];
        File::open(&image.raw)
            .unwrap()
            .read_exact_at(&mut expected, 1024)
            .unwrap();
        let bytes = self.bytes();
        assert!(bytes[1024..1024 + expected.len()] == expected);
        let backup = bytes.len() - 512 - expected.len();
        assert!(bytes[backup..bytes.len() - 512] == expected);
        assert_eq!(bytes[..440], [0xa5; 440], "boot code");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = pilotlight_tests::run(&format!("umount -q {}", self.mounts.display()));
        let _ = fs::remove_dir(&self.mounts);
    }
}

/// Calls `pilotlight install` with a line of words.
fn install(line: &str) -> Answer {
    let words: Vec<&str> = ["install"]
        .into_iter()
        .chain(line.split_whitespace())
        .collect();
    pilotlight(&words)
}

/// The same under another name.
fn called(name: &str, line: &str, directory: &Path) -> Answer {
    let link = directory.join(name);
    if !link.exists() {
        std::os::unix::fs::symlink(pilotlight_tests::program(), &link).unwrap();
    }
    let answer = Command::new(link).args(line.split_whitespace()).output();
    answer.unwrap().into()
}

fn text(answer: &Answer) -> String {
    format!("{}{}", answer.out, answer.err)
}
