//! A firmware as the Raspberry Pi 4's is packed, without its contents, and partitions to put it on.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Cursor, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use pilotlight_install::card::Firmware;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// Where the partition begins in the image.
pub const BEGIN: u64 = 1 << 20;

/// Bytes that no other seed gives, and that cannot be compressed.
pub fn bytes(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..count).map(|_| next()).collect()
}

/// `RPI_EFI.fd` with an empty store of variables where version 1.34 and later have it.
pub fn rpi_efi() -> Vec<u8> {
    let mut file = bytes(1, 0x1000).repeat(0x3b0);
    let mut volume = vec![0xff; 0x2_0000];
    volume[..16].fill(0);
    volume[16..32].copy_from_slice(&[
        0x8d, 0x2b, 0xf1, 0xff, 0x96, 0x76, 0x8b, 0x4c, 0xa9, 0x85, 0x27, 0x47, 0x07, 0x5b, 0x4f,
        0x50,
    ]);
    volume[32..40].copy_from_slice(&0x2_0000u64.to_le_bytes());
    volume[40..44].copy_from_slice(b"_FVH");
    volume[44..48].copy_from_slice(&0x000f_eebfu32.to_le_bytes());
    volume[48..56].copy_from_slice(&[0x48, 0, 0, 0, 0, 0, 0, 2]);
    volume[56..64].copy_from_slice(&[0x20, 0, 0, 0, 0, 0x10, 0, 0]);
    volume[64..72].fill(0);
    let words = volume[..0x48].as_chunks::<2>().0.iter();
    let sum = words.fold(0u16, |sum, word| {
        sum.wrapping_add(u16::from_le_bytes(*word))
    });
    volume[50..52].copy_from_slice(&sum.wrapping_neg().to_le_bytes());
    volume[72..88].copy_from_slice(&[
        0x78, 0x2c, 0xf3, 0xaa, 0x7b, 0x94, 0x9a, 0x43, 0xa1, 0x80, 0x2e, 0x14, 0x4e, 0xc3, 0x77,
        0x92,
    ]);
    volume[88..92].copy_from_slice(&0xdfb8u32.to_le_bytes());
    volume[92..100].copy_from_slice(&[0x5a, 0xfe, 0, 0, 0, 0, 0, 0]);
    file.extend(volume);
    file
}

/// The files of a firmware.
pub fn files() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("RPI_EFI.fd", rpi_efi()),
        ("bcm2711-rpi-4-b.dtb", bytes(2, 52_000)),
        ("config.txt", b"arm_64bit=1\narmstub=RPI_EFI.fd\n".to_vec()),
        ("fixup4.dat", bytes(3, 5_400)),
        ("start4.elf", bytes(4, 223_000)),
        ("Readme.md", b"read\n".to_vec()),
        ("overlays/miniuart-bt.dtbo", bytes(5, 1_500)),
        ("overlays/upstream-pi4.dtbo", bytes(6, 2_700)),
        (
            "firmware/brcm/brcmfmac43455-sdio.Raspberry",
            bytes(7, 1_900),
        ),
    ]
}

/// An archive of these files.
pub fn archive(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let at = DateTime::from_date_and_time(2024, 5, 17, 13, 45, 8).unwrap();
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(1))
        .last_modified_time(at)
        .unix_permissions(0o644);
    for (name, bytes) in files {
        archive.start_file(*name, options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// That firmware, as it is read from an archive.
pub fn firmware() -> Firmware {
    Firmware::from_archive(Cursor::new(archive(&files()))).unwrap()
}

/// An image whose only partition mkfs.fat has formatted and mtools has filled.
pub struct Card {
    directory: tempfile::TempDir,
    size: u64,
}

impl Card {
    /// `options` are mkfs.fat's; the partition has so many MiB.
    pub fn new(mebibytes: u64, options: &[&str]) -> Card {
        let card = Card {
            directory: tempfile::tempdir().unwrap(),
            size: mebibytes << 20,
        };
        let file = File::create(card.image()).unwrap();
        file.set_len(BEGIN + card.size + (1 << 20)).unwrap();
        let alone = card.path("partition");
        File::create(&alone).unwrap().set_len(card.size).unwrap();
        let label = ["-n", "EFI-SYSTEM", "-i", "7b771234"];
        run(Command::new("mkfs.fat")
            .args(label)
            .args(options)
            .arg(&alone));
        let written = fs::read(&alone).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &written, BEGIN).unwrap();
        fs::remove_file(alone).unwrap();
        card
    }

    /// Fills it as an operating system's image is.
    pub fn fill(&self) {
        let mut files = vec![
            ("EFI/BOOT/BOOTAA64.EFI".to_owned(), bytes(10, 800_000)),
            ("EFI/BOOT/grub.cfg".to_owned(), b"set timeout=1\n".to_vec()),
            ("flatcar/vmlinuz-a".to_owned(), bytes(11, 3_000_001)),
            (
                "flatcar/vmlinuz-a long name with spaces.old".to_owned(),
                bytes(12, 4096),
            ),
            (
                "flatcar/grub/arm64-efi/linux.mod".to_owned(),
                bytes(13, 12_345),
            ),
            ("flatcar/first_boot".to_owned(), Vec::new()),
        ];
        let module = |number| format!("flatcar/grub/arm64-efi/module-{number}.mod");
        files.extend((0..60).map(|number| (module(number), bytes(number, 700))));
        self.put_all(&files);
        self.tool(
            "mattrib",
            &["+r", "+h", "::flatcar/grub/arm64-efi/linux.mod"],
        );
        // Scattered: every second module goes, and a file takes the holes.
        let gone: Vec<_> = (0..60)
            .step_by(2)
            .map(|number| format!("::{}", module(number)))
            .collect();
        self.tool("mdel", &gone.iter().map(String::as_str).collect::<Vec<_>>());
        self.put("flatcar/vmlinuz-b", &bytes(14, 1_000_000));
    }

    /// Writes a file with mtools, and the directories above it.
    pub fn put(&self, path: &str, bytes: &[u8]) {
        self.put_all(&[(path.to_owned(), bytes.to_vec())]);
    }

    fn put_all(&self, files: &[(String, Vec<u8>)]) {
        let tree = tempfile::tempdir().unwrap();
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_675_397_106);
        for (path, bytes) in files {
            let path = tree.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let mut file = File::create(path).unwrap();
            file.write_all(bytes).unwrap();
            file.set_modified(at).unwrap();
        }
        let top = fs::read_dir(tree.path()).unwrap();
        let top: Vec<_> = top
            .map(|entry| entry.unwrap().path().display().to_string())
            .collect();
        let mut arguments = vec!["-s", "-m", "-D", "o"];
        arguments.extend(top.iter().map(String::as_str));
        arguments.push("::/");
        self.tool("mcopy", &arguments);
    }

    /// All files with their bytes, read by mtools.
    pub fn tree(&self) -> BTreeMap<String, Vec<u8>> {
        fn walk(directory: &Path, within: &str, found: &mut BTreeMap<String, Vec<u8>>) {
            for entry in fs::read_dir(directory).unwrap() {
                let entry = entry.unwrap();
                let path = format!("{within}{}", entry.file_name().to_str().unwrap());
                if entry.file_type().unwrap().is_dir() {
                    walk(&entry.path(), &format!("{path}/"), found);
                } else {
                    found.insert(path, fs::read(entry.path()).unwrap());
                }
            }
        }
        let tree = tempfile::tempdir().unwrap();
        self.tool("mcopy", &["-s", "-n", "::/", tree.path().to_str().unwrap()]);
        let mut found = BTreeMap::new();
        walk(tree.path(), "", &mut found);
        found
    }

    /// A file's bytes, read by mtools.
    pub fn get(&self, path: &str) -> Vec<u8> {
        self.tool("mtype", &[&format!("::{path}")])
    }

    /// What mtools lists: names, short names, sizes, dates; without what is free.
    pub fn listing(&self) -> Vec<String> {
        let text = String::from_utf8(self.tool("mdir", &["-a", "-/", "::"])).unwrap();
        text.lines()
            .filter(|line| !line.contains("bytes"))
            .map(str::to_owned)
            .collect()
    }

    /// What mtools does with the partition.
    pub fn tool(&self, name: &str, arguments: &[&str]) -> Vec<u8> {
        run(&mut self.command(name, arguments))
    }

    fn command(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(name);
        let image = format!("{}@@{BEGIN}", self.image().display());
        command
            .env("MTOOLS_SKIP_CHECK", "1")
            .args(["-i", &image])
            .args(arguments);
        command.stdin(std::process::Stdio::null());
        command
    }

    /// What fsck.fat says of it, which has to find nothing.
    pub fn checked(&self) -> String {
        let alone = self.path("checked");
        let mut whole = fs::read(self.image()).unwrap();
        let begin = usize::try_from(BEGIN).unwrap();
        assert!(
            whole[..begin].iter().all(|byte| *byte == 0),
            "something was written before the partition"
        );
        whole.drain(..begin);
        let size = usize::try_from(self.size).unwrap();
        assert!(
            whole[size..].iter().all(|byte| *byte == 0),
            "something was written behind the partition"
        );
        whole.truncate(size);
        fs::write(&alone, whole).unwrap();
        let said = String::from_utf8(run(Command::new("fsck.fat").args(["-n", "-v"]).arg(&alone)))
            .unwrap();
        fs::remove_file(alone).unwrap();
        let complaints = [
            "differ",
            "differences",
            "Orphaned",
            "Bad",
            "share",
            "Expected",
            "Dirty bit",
            "wrong",
            "Reclaim",
        ];
        for complaint in complaints {
            assert!(!said.contains(complaint), "{said}");
        }
        said
    }

    /// The image's file.
    pub fn image(&self) -> PathBuf {
        self.path("card.img")
    }

    /// It, opened for both.
    pub fn open(&self) -> File {
        OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.image())
            .unwrap()
    }

    /// Where the partition is in it.
    pub fn range(&self) -> Range<u64> {
        BEGIN..BEGIN + self.size
    }

    /// A path beside the image.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

/// Runs a program, which has to succeed; what it said.
pub fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// virt-firmware's program for variables.
pub fn virt_fw_vars() -> PathBuf {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap();
    let program = top.join(".cache/tools/virt-firmware-26.10/bin/virt-fw-vars");
    assert!(
        program.exists(),
        "{} does not exist: run \"make deps\" first",
        program.display()
    );
    program
}
