//! Archives that are no firmware, or not only that.

use std::fs;
use std::io::{Cursor, Write};
use std::os::unix::fs::symlink;

use pilotlight_install::card::Firmware;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::stand_in::{archive, files};

/// The archive of a whole firmware, with one more file.
fn with(name: &str) -> Vec<u8> {
    let mut archive = ZipWriter::new_append(Cursor::new(archive(&small()))).unwrap();
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    archive.start_file(name, stored).unwrap();
    archive.write_all(b"target").unwrap();
    archive.finish().unwrap().into_inner()
}

/// The names of a firmware, with little in them.
fn small() -> Vec<(&'static str, Vec<u8>)> {
    let names = files().into_iter().map(|(name, _)| name);
    names.map(|name| (name, name.as_bytes().to_vec())).collect()
}

/// The bytes of an archive with some of them replaced wherever they stand, by as many.
fn patched(mut archive: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let places: Vec<_> = (0..archive.len())
        .filter(|at| archive[*at..].starts_with(from))
        .collect();
    assert!(!places.is_empty());
    for at in places {
        archive[at..at + to.len()].copy_from_slice(to);
    }
    archive
}

/// Every row is refused, with these words.
#[test]
fn hostile_archives() {
    let plain = || with("overlays/extra");
    let named = |name: &[u8]| patched(plain(), b"overlays/extra", name);
    let mut bomb = small();
    bomb.push(("overlays/zeros", vec![0; 40 << 20]));
    let mut many = small();
    let names: Vec<String> = (0..2000).map(|number| format!("{number}")).collect();
    many.extend(names.iter().map(|name| (name.as_str(), Vec::new())));
    let mut link = ZipWriter::new_append(Cursor::new(archive(&small()))).unwrap();
    link.add_symlink(
        "overlays/extra",
        "../start4.elf",
        SimpleFileOptions::default(),
    )
    .unwrap();
    let link = link.finish().unwrap().into_inner();
    let mut truncated = plain();
    truncated.truncate(truncated.len() / 2);
    // The sizes of the last file, in its own head and in the directory: it says it has 5 bytes, and has 6.
    let size = |of: u32| {
        let mut bytes = crc32(b"target").to_le_bytes().to_vec();
        bytes.extend(6u32.to_le_bytes());
        bytes.extend(of.to_le_bytes());
        bytes
    };
    let sum = crc32(b"target").to_le_bytes();
    let rows: Vec<(&str, Vec<u8>)> = vec![
        ("leads out of its directory", named(b"../../../extra")),
        ("leads out of its directory", named(b"overlays/../ex")),
        ("leads out of its directory", named(b"overlays/./ext")),
        ("begins at the root", named(b"/verlays/extra")),
        ("a part of it is empty", named(b"overlays//xtra")),
        ("FAT cannot have it", named(b"..\\..\\..\\extra")),
        ("FAT cannot have it", named(b"overlays/ex:ra")),
        ("FAT cannot have it", named(b"overlays/ext\0a")),
        ("FAT cannot have it", named(b"overlays/ext\na")),
        ("FAT cannot have it", named("overlays/extä".as_bytes())),
        ("it is not in UTF-8", named(b"overlays/\xff\xfetra")),
        ("what FAT leaves out", named(b"overlays/extr.")),
        ("what FAT leaves out", named(b"overlays /extr")),
        ("too many directories", with("a/b/c/d/e/f/g/h/i")),
        ("is a link", link),
        ("twice", with("START4.elf")),
        ("twice", with("Overlays")),
        ("twice", with("config.txt/x")),
        ("twice", named(b"rpi_efi.fd/xyz")),
        ("more than 33554432 bytes in a file", archive(&bomb)),
        ("more than 2000 files", archive(&many)),
        ("no zip archive that can be read", truncated),
        (
            "no zip archive that can be read",
            b"<html>not found</html>".to_vec(),
        ),
        ("no zip archive that can be read", Vec::new()),
        (
            "overlays/extra is damaged",
            patched(plain(), &size(6), &size(5)),
        ),
        (
            "overlays/extra is damaged",
            patched(plain(), &size(6), &size(7)),
        ),
        (
            "overlays/extra is damaged",
            patched(plain(), &sum, &[1, 2, 3, 4]),
        ),
        (
            "no start4.elf: it is not the UEFI firmware",
            archive(
                &small()
                    .into_iter()
                    .filter(|(name, _)| *name != "start4.elf")
                    .collect::<Vec<_>>(),
            ),
        ),
    ];
    for (expected, bytes) in rows {
        match Firmware::from_archive(Cursor::new(bytes)) {
            Ok(_) => panic!("{expected}: it is taken"),
            Err(error) => assert!(error.to_string().contains(expected), "{expected}: {error}"),
        }
    }
    let within: Vec<_> = small()
        .into_iter()
        .map(|(name, bytes)| (format!("RPi4_v1/{name}"), bytes))
        .collect();
    let within: Vec<_> = within
        .iter()
        .map(|(name, bytes)| (name.as_str(), bytes.clone()))
        .collect();
    let error = Firmware::from_archive(Cursor::new(archive(&within))).unwrap_err();
    assert!(
        error.to_string().contains("they are in rpi4_v1/ there"),
        "{error}"
    );
}

/// A directory of what was in the archive is the same firmware; what is no file is refused.
#[test]
fn directories() {
    let directory = tempfile::tempdir().unwrap();
    for (name, bytes) in small() {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let read = Firmware::open(directory.path()).unwrap();
    let unpacked = Firmware::from_archive(Cursor::new(archive(&small()))).unwrap();
    assert_eq!(
        read.files.keys().collect::<Vec<_>>(),
        unpacked.files.keys().collect::<Vec<_>>()
    );
    let link = directory.path().join("overlays/link");
    symlink("../start4.elf", &link).unwrap();
    let error = Firmware::open(directory.path()).unwrap_err().to_string();
    assert_eq!(
        error,
        "the firmware's overlays/link: it is a link, and only files and directories are taken"
    );
    fs::remove_file(&link).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &link,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    let error = Firmware::open(directory.path()).unwrap_err().to_string();
    assert!(error.contains("it is a device or the like"), "{error}");

    let zip = directory.path().join("firmware.zip");
    fs::write(&zip, archive(&small())).unwrap();
    assert_eq!(Firmware::open(&zip).unwrap(), unpacked);
    let error = Firmware::open(&directory.path().join("none"))
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("reading the firmware ") && error.contains("No such file"),
        "{error}"
    );
}

/// The sum that zip archives have.
fn crc32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(!0u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            if sum & 1 == 1 {
                sum >> 1 ^ 0xedb8_8320
            } else {
                sum >> 1
            }
        })
    }) ^ !0
}
