//! How much memory an image takes that is far larger than it.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt;
use std::process::Command;

use pilotlight_install::image::{Check, Edges, Writing, write};

use crate::samples::{content, label, piped};

const IMAGE: &str = "PILOTLIGHT_MEMORY_IMAGE";
const ROOM: u64 = 1 << 30;
const THREADS: usize = 2;

/// Peak in KiB, of a process of its own.
fn peak(packed: &[u8]) -> u64 {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(packed).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "memory::writes_one_image",
            "--ignored",
            "--nocapture",
        ])
        .env(IMAGE, file.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    let peak = said
        .lines()
        .find_map(|line| line.split_once("VmHWM:"))
        .expect("it says so");
    peak.1.trim().trim_end_matches("kB").trim().parse().unwrap()
}

#[test]
#[ignore = "run by the test below, in a process of its own"]
fn writes_one_image() {
    let packed = File::open(std::env::var(IMAGE).unwrap()).unwrap();
    let disk = tempfile::tempfile().unwrap();
    disk.set_len(ROOM).unwrap();
    let how = Writing {
        check: Check::insecure(),
        room: ROOM,
        sector: None,
        reads_zeros: true,
        keep: Vec::new(),
        read_back: false,
        threads: NonZeroUsize::new(THREADS),
        edges: Edges::default(),
    };
    let done = write(packed, how, &disk, &mut |_| {}).unwrap();
    assert_eq!(done.unpacked, ROOM);
    let mut end = [0; 4];
    disk.read_exact_at(&mut end, ROOM - 4).unwrap();
    let mut status = String::new();
    File::open("/proc/self/status")
        .unwrap()
        .read_to_string(&mut status)
        .unwrap();
    println!(
        "{}",
        status
            .lines()
            .find(|line| line.starts_with("VmHWM"))
            .unwrap()
    );
}

/// A GiB with 16 MiB of data in it: zeros are many in a block of bzip2.
#[test]
fn memory_is_bounded() {
    let mut whole = vec![0; 1 << 30];
    whole[..12 << 20].copy_from_slice(&content(21, 12 << 20));
    whole[700 << 20..][..4 << 20].copy_from_slice(&content(22, 4 << 20));
    label(&mut whole, 512);
    for packer in ["lbzip2 -n 2", "xz -0 -T2"] {
        let peak = peak(&piped(packer, &whole));
        println!("{packer}: {peak} KiB at its peak");
        // 64 MiB, and for each thread a block of xz (3 MiB at this level) or bzip2 (5 MiB).
        assert!(
            peak < (64 + THREADS as u64 * 5) << 10,
            "{packer}: {peak} KiB"
        );
    }
}
