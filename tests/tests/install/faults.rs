//! Images and signatures that are cut short or changed, disks that err and vanish, file systems that are full, and
//! connections that break off again and again.
//!
//! The tests named `sample` take a few offsets, `make crash` takes many.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::FileExt as _;
use std::process::{Command, Stdio};

use pilotlight_tests::faults::{Act, Asked, Web, reply, say};
use pilotlight_tests::uml::Guest;
use pilotlight_tests::{Answer, program, run, tool};

use crate::image::{SIZE, files_of_image, image};
use crate::servers::resumed;
use crate::{Disk, EDGE, install, text};

/// How many offsets of a file are tried, evenly over its length, its ends included.
fn offsets(length: usize, many: usize) -> impl Iterator<Item = usize> {
    (0..many).map(move |n| n * (length - 1) / (many - 1).max(1))
}

/// Installs images and signatures that are not what was signed; none may boot.
fn damaged(many: usize) {
    let image = image();
    let directory = tempfile::tempdir().unwrap();
    let (copy, beside) = (
        directory.path().join("image.bin.bz2"),
        directory.path().join("image.bin.bz2.sig"),
    );
    let good = fs::read(&image.packed).unwrap();
    let signature = fs::read(format!("{}.sig", image.packed.display())).unwrap();
    let disk = Disk::new(SIZE + 10);
    let mut figures = [0; 4];
    let tried = |what: &str, image_bytes: &[u8], signature_bytes: &[u8]| {
        fs::write(&copy, image_bytes).unwrap();
        fs::write(&beside, signature_bytes).unwrap();
        let answer = install(&format!(
            "-d {} -f {} -k {} --yes",
            disk.node(),
            copy.display(),
            image.key.display()
        ));
        assert_eq!(answer.code, Some(1), "{what}: {}", text(&answer));
        assert!(
            answer.err.contains("nothing"),
            "{what}: it is not said what is on the disk: {}",
            answer.err
        );
        disk.boots_nothing();
        1
    };
    for at in offsets(good.len(), many) {
        figures[0] += tried(&format!("cut at {at}"), &good[..at], &signature);
        let mut wrong = good.clone();
        wrong[at] ^= 0x10;
        figures[1] += tried(&format!("byte {at}"), &wrong, &signature);
    }
    for at in offsets(signature.len(), many) {
        figures[2] += tried(&format!("signature cut at {at}"), &good, &signature[..at]);
        // What is not signed of it, as hints are, may be another's; the image is looked at all the same.
        let mut wrong = signature.clone();
        wrong[at] ^= 0x10;
        fs::write(&copy, &good).unwrap();
        fs::write(&beside, &wrong).unwrap();
        let line = format!(
            "-d {} -f {} -k {} --yes",
            disk.node(),
            copy.display(),
            image.key.display()
        );
        let answer = install(&line);
        match answer.code {
            Some(1) => disk.boots_nothing(),
            Some(0) => {
                disk.has_table_of(image);
                blank(&disk);
            }
            _ => panic!("signature's byte {at}: {}", text(&answer)),
        }
        figures[3] += usize::from(answer.code == Some(1));
    }
    println!(
        "images cut short: {}, changed: {}; signatures cut short: {}, changed: {} of {many} refused",
        figures[0], figures[1], figures[2], figures[3]
    );
    assert!(figures[3] * 2 > many, "changed signatures are taken");
}

fn blank(disk: &Disk) {
    let file = File::options().write(true).open(disk.node()).unwrap();
    let zeros = vec![0; EDGE];
    file.write_all_at(&zeros, 0).unwrap();
    file.write_all_at(&zeros, ((SIZE + 10) << 20) - EDGE as u64)
        .unwrap();
    file.sync_all().unwrap();
    let _ = run(&format!("partx --delete {}", disk.node()));
}

#[test]
fn sample_of_damaged_images_and_signatures() {
    damaged(5);
}

#[test]
#[ignore = "many offsets: make crash"]
fn damaged_images_and_signatures_at_many_offsets() {
    damaged(80);
}

/// A disk of which a part errs, and one that goes away in the middle. What errs is given in MiB.
fn erring(places: &[u64]) {
    let mut guest = Guest::new().memory(768);
    let (target, files) = (guest.disk(SIZE + 10), guest.disk(64));
    guest.on_host(|| files_of_image(&guest.image(&files)));
    guest.boot(|| {
        let _ = run("modprobe loop");
        fs::create_dir_all("/run/files").unwrap();
        tool(&format!("mount -o ro {files} /run/files"));
        for place in places {
            map(&target, Some(*place));
            let answer = install(
                "-d /dev/mapper/erring -f /run/files/image.bin.bz2 -k /run/files/release.asc --yes",
            );
            assert_eq!(answer.code, Some(1), "MiB {place}: {}", text(&answer));
            tool("dmsetup remove --retry erring");
            boots_nothing(&target, &format!("MiB {place} errs: {}", text(&answer)));
            println!(
                "MiB {place} errs: {}",
                answer.err.lines().last().unwrap_or_default()
            );
        }
        vanishing(&target);
    });
}

/// The disk is there for the first half of the image, and then no more.
fn vanishing(target: &str) {
    map(target, None);
    let packed = fs::read("/run/files/image.bin.bz2").unwrap();
    let mut child = Command::new(program())
        .args(["install", "-d", "/dev/mapper/erring", "-f", "-", "--yes"])
        .args(["-k", "/run/files/release.asc"])
        .args(["--signature", "/run/files/image.bin.bz2.sig"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&packed[..packed.len() / 2]).unwrap();
    let sectors = (SIZE + 10) * 2048;
    let table = format!("0 {sectors} error");
    for arguments in [
        &["suspend", "--noflush", "erring"][..],
        &["load", "erring", "--table", &table],
        &["resume", "erring"],
    ] {
        let done = Command::new("dmsetup").args(arguments).output().unwrap();
        assert!(done.status.success(), "{arguments:?}: {done:?}");
    }
    // It may have given up already.
    let _ = stdin.write_all(&packed[packed.len() / 2..]);
    drop(stdin);
    let answer: Answer = child.wait_with_output().unwrap().into();
    assert_eq!(answer.code, Some(1), "{}", text(&answer));
    tool("dmsetup remove --retry erring");
    boots_nothing(target, &text(&answer));
    println!(
        "the disk vanishes: {}",
        answer.err.lines().last().unwrap_or_default()
    );
}

/// The disk, of which one MiB errs.
fn map(target: &str, place: Option<u64>) {
    let sectors = (SIZE + 10) * 2048;
    let table = match place {
        None => format!("0 {sectors} linear {target} 0"),
        Some(place) => {
            let (from, to) = (place * 2048, (place + 1) * 2048);
            let linear = |from: u64, to: u64| match to > from {
                true => format!("{from} {} linear {target} {from}\n", to - from),
                false => String::new(),
            };
            format!(
                "{}{from} 2048 error\n{}",
                linear(0, from),
                linear(to, sectors)
            )
        }
    };
    let made = Command::new("dmsetup")
        .args(["create", "erring", "--table", &table])
        .output()
        .unwrap();
    assert!(made.status.success(), "{table}: {made:?}");
    tool("dmsetup mknodes erring");
}

/// Neither end of a disk has anything by which it would boot.
fn boots_nothing(target: &str, what: &str) {
    tool(&format!("blockdev --flushbufs {target}"));
    let disk = File::open(target).unwrap();
    let mut edge = vec![0; EDGE];
    for at in [0, ((SIZE + 10) << 20) - EDGE as u64] {
        disk.read_exact_at(&mut edge, at).unwrap();
        assert!(edge.iter().all(|byte| *byte == 0), "byte {at}: {what}");
    }
}

#[test]
fn sample_of_disks_that_err_and_one_that_vanishes() {
    erring(&[0, 30, SIZE + 9]);
}

#[test]
#[ignore = "every third MiB: make crash"]
fn disks_that_err_at_many_places() {
    let places: Vec<u64> = (0..SIZE + 10).step_by(3).chain([SIZE + 9]).collect();
    erring(&places);
}

#[test]
fn a_file_system_that_is_full_is_said() {
    let image = image();
    let at = tempfile::tempdir().unwrap();
    let shown = at.path().display();
    // Of the image 20 MiB are no zeros; the rest is a hole.
    tool(&format!("mount -t tmpfs -o size=1M card {shown}"));
    let card = at.path().join("card.img");
    let answer = install(&format!(
        "-d {} -f {} -k {}",
        card.display(),
        image.packed.display(),
        image.key.display()
    ));
    let mut edge = vec![0; EDGE];
    let read = File::open(&card).unwrap().read_exact_at(&mut edge, 0);
    tool(&format!("umount {shown}"));
    assert_eq!(answer.code, Some(1), "{}", text(&answer));
    assert!(answer.err.contains("No space left"), "{}", answer.err);
    assert!(answer.err.contains("nothing that boots"), "{}", answer.err);
    assert!(read.is_err() || edge.iter().all(|byte| *byte == 0));
}

#[test]
fn a_connection_that_breaks_off_again_and_again_is_resumed_each_time() {
    const BREAKS: usize = 8;
    let image = image();
    let bytes = fs::read(&image.packed).unwrap();
    let signature = fs::read(format!("{}.sig", image.packed.display())).unwrap();
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    let web = Web::start(&address, move |asked: &Asked| {
        if asked.path.ends_with(".sig") {
            return say("200 OK", &[], &signature);
        }
        let from = asked.header("range").and_then(|range| {
            let range = range.strip_prefix("bytes=")?.strip_suffix('-')?;
            range.parse::<usize>().ok()
        });
        let (from, status) = match from {
            Some(from) => (from, "206 Partial Content"),
            None => (0, "200 OK"),
        };
        let range = format!(
            "Content-Range: bytes {from}-{}/{}",
            bytes.len() - 1,
            bytes.len()
        );
        let headers = match from {
            0 => vec!["ETag: \"v1\""],
            _ => vec!["ETag: \"v1\"", range.as_str()],
        };
        // One more ninth each time, and the connection ends.
        let upto = (from + bytes.len() / (BREAKS + 1)).min(bytes.len());
        let last = bytes.len() - upto < BREAKS + 1;
        let missing = if last { 0 } else { bytes.len() - upto };
        let whole = reply(status, &headers, &bytes[from..]);
        Act::Say(whole[..whole.len() - missing].to_vec())
    });
    let disk = Disk::new(SIZE + 10);
    let answer = install(&format!(
        "-d {} --image-url http://{address}/image.bin.bz2 -k {}",
        disk.node(),
        image.key.display()
    ));
    assert_eq!(answer.code, Some(0), "{}", text(&answer));
    disk.has_table_of(image);
    assert_eq!(resumed(&web), BREAKS, "{:?}", web.paths());
}
