//! A whole card for a Raspberry Pi 4 by one command, into a file: mtools, fsck.fat and virt-firmware say what it is.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use pilotlight_tests::{run, tool};

use crate::image::{image, place_of, sign};
use crate::{install, text};

const MIB: u64 = 1 << 20;
/// Number, label, type, MiB: what a card's first start reads, and the OEM partition.
const TABLE: [(u32, &str, &str, u64); 3] = [
    (1, "EFI-SYSTEM", "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", 64),
    (6, "OEM", "0fc63daf-8483-4772-8e79-3d69d8477de4", 48),
    (9, "ROOT", "3884dd41-8582-4404-b9a8-e9b84f2df50e", 16),
];
const SIZE: u64 = 132;
const BOOT_LOADER: &str = "EFI/BOOT/BOOTAA64.EFI";

/// `RPI_EFI.fd` as far as its store of variables is concerned (edk2, MdeModulePkg/Include/Guid/VariableFormat.h), where
/// the community's firmware has it.
fn rpi_efi() -> Vec<u8> {
    let mut file: Vec<u8> = (0..0x3b_0000u32).map(|n| (n % 253) as u8).collect();
    let mut volume = vec![0xff; 0x2_0000];
    volume[..16].fill(0);
    // EFI_SYSTEM_NV_DATA_FV_GUID, length, signature, attributes, length of the header.
    volume[16..32]
        .copy_from_slice(b"\x8d\x2b\xf1\xff\x96\x76\x8b\x4c\xa9\x85\x27\x47\x07\x5b\x4f\x50");
    volume[32..40].copy_from_slice(&0x2_0000u64.to_le_bytes());
    volume[40..44].copy_from_slice(b"_FVH");
    volume[44..48].copy_from_slice(&0x000f_eebfu32.to_le_bytes());
    volume[48..64].copy_from_slice(b"\x48\0\0\0\0\0\0\x02\x20\0\0\0\0\0\x10\0");
    volume[64..72].fill(0);
    let words = volume[..0x48].chunks(2);
    let sum = words.fold(0u16, |sum, word| {
        sum.wrapping_add(u16::from_le_bytes([word[0], word[1]]))
    });
    volume[50..52].copy_from_slice(&sum.wrapping_neg().to_le_bytes());
    // gEfiAuthenticatedVariableGuid, size, formatted, healthy.
    volume[72..88]
        .copy_from_slice(b"\x78\x2c\xf3\xaa\x7b\x94\x9a\x43\xa1\x80\x2e\x14\x4e\xc3\x77\x92");
    volume[88..92].copy_from_slice(&0xdfb8u32.to_le_bytes());
    volume[92..100].copy_from_slice(b"\x5a\xfe\0\0\0\0\0\0");
    file.extend(volume);
    file
}

/// The archive as the community packs it, without its contents.
fn archive(directory: &Path) -> PathBuf {
    let tree = directory.join("firmware");
    for (name, bytes) in [
        ("RPI_EFI.fd", rpi_efi()),
        ("bcm2711-rpi-4-b.dtb", vec![2; 52_000]),
        ("config.txt", b"arm_64bit=1\narmstub=RPI_EFI.fd\n".to_vec()),
        ("fixup4.dat", vec![3; 5_400]),
        ("start4.elf", vec![4; 223_000]),
        ("overlays/upstream-pi4.dtbo", vec![5; 2_700]),
    ] {
        let path = tree.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let to = directory.join("RPi4_UEFI.zip");
    // Python is there for the firmware's variables anyway.
    let script = "import shutil, sys; shutil.make_archive(sys.argv[1], 'zip', sys.argv[2])";
    let base = to.with_extension("");
    let made = std::process::Command::new("/usr/bin/python3")
        .args(["-c", script])
        .args([&base, &tree])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    to
}

fn start(number: u32) -> u64 {
    let before = TABLE.iter().take_while(|(other, ..)| *other < number);
    (2 + before.map(|(.., mib)| mib).sum::<u64>()) * MIB
}

/// An image for arm64 whose EFI system partition is a FAT16, which the boot ROM does not read.
fn arm64_image(directory: &Path) -> PathBuf {
    let raw = directory.join("image.bin");
    let file = File::create(&raw).unwrap();
    file.set_len(SIZE * MIB).unwrap();
    let mut line = String::from("sgdisk");
    for (number, label, kind, mib) in TABLE {
        let first = start(number) / 512;
        line += &format!(
            " --new={number}:{first}:{} --change-name={number}:{label} --typecode={number}:{kind}",
            first + mib * 2048 - 1
        );
    }
    tool(&format!("{line} {}", raw.display()));
    // OEM as the other image has it.
    let oem = fs::read(&image().raw).unwrap()[place_of(6)].to_vec();
    file.write_all_at(&oem, start(6)).unwrap();
    let esp = directory.join("esp");
    File::create(&esp).unwrap().set_len(64 * MIB).unwrap();
    tool(&format!("mkfs.fat -F 16 -n EFI-SYSTEM {}", esp.display()));
    let boot_loader = directory.join("BOOTAA64.EFI");
    fs::write(&boot_loader, vec![7; 800_000]).unwrap();
    let at = esp.display();
    tool(&format!("mmd -i {at} ::EFI ::EFI/BOOT ::flatcar"));
    tool(&format!(
        "mcopy -i {at} {} ::{BOOT_LOADER}",
        boot_loader.display()
    ));
    file.write_all_at(&fs::read(&esp).unwrap(), start(1))
        .unwrap();
    tool(&format!("zstd -q --rm {}", raw.display()));
    let packed = directory.join("image.bin.zst");
    sign(&image().directory, "release", &packed);
    packed
}

/// The EFI system partition of a card, by itself.
fn esp_of(card: &Path) -> tempfile::NamedTempFile {
    let mut bytes = vec![0; usize::try_from(64 * MIB).unwrap()];
    File::open(card)
        .unwrap()
        .read_exact_at(&mut bytes, start(1))
        .unwrap();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&bytes).unwrap();
    file
}

/// Its files with their bytes, read by mtools.
fn files_of(esp: &Path) -> BTreeMap<String, Vec<u8>> {
    let to = tempfile::tempdir().unwrap();
    tool(&format!(
        "mcopy -s -n -i {} ::/ {}",
        esp.display(),
        to.path().display()
    ));
    let listed = tool(&format!("find {} -type f", to.path().display()));
    (listed.lines())
        .map(|path| {
            let name = Path::new(path).strip_prefix(to.path()).unwrap();
            (name.display().to_string(), fs::read(path).unwrap())
        })
        .collect()
}

#[test]
fn one_command_makes_a_card_that_a_raspberry_pi_reads() {
    let directory = tempfile::tempdir().unwrap();
    let (packed, zip) = (arm64_image(directory.path()), archive(directory.path()));
    let card = directory.path().join("card.img");
    let config = directory.path().join("node.ign");
    fs::write(&config, "{\"ignition\":{\"version\":\"3.4.0\"}}").unwrap();
    let line = format!(
        "-d {} -f {} -k {} -i {} --rpi4 --firmware {} --rpi4-dt --rpi4-ram-limit=off",
        card.display(),
        packed.display(),
        image().key.display(),
        config.display(),
        zip.display()
    );
    let answer = install(&line);
    assert_eq!(answer.code, Some(0), "{}", text(&answer));

    let said = tool(&format!("sgdisk --verify {}", card.display()));
    assert!(said.contains("No problems found"), "{said}");
    let esp = esp_of(&card);
    let said = run(&format!("fsck.fat -n -v {}", esp.path().display()));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("32 bit entries"), "{}", said.out);
    let found = files_of(esp.path());
    assert!(found[BOOT_LOADER] == vec![7; 800_000]);
    for (name, length) in [
        ("start4.elf", 223_000),
        ("fixup4.dat", 5_400),
        ("overlays/upstream-pi4.dtbo", 2_700),
    ] {
        assert_eq!(found[name].len(), length, "{name}");
    }
    let boot = String::from_utf8_lossy(&found["config.txt"]);
    assert!(
        boot.contains("armstub=RPI_EFI.fd") && boot.contains("dtoverlay=pcie-32bit-dma"),
        "{boot}"
    );

    let store = directory.path().join("RPI_EFI.fd");
    fs::write(&store, &found["RPI_EFI.fd"]).unwrap();
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let oracle = top.join(".cache/tools/virt-firmware-26.10/bin/virt-fw-vars");
    let said = tool(&format!(
        "{} -i {} --print --verbose",
        oracle.display(),
        store.display()
    ));
    for name in ["RamLimitTo3GB", "SystemTableMode"] {
        assert!(said.contains(name), "{said}");
    }

    // Config and arguments are on OEM.
    let seen =
        pilotlight_tests::pilotlight(&["image", "inspect", "--json", card.to_str().unwrap()]);
    let seen: serde_json::Value = serde_json::from_str(&seen.out).unwrap();
    let names: Vec<&str> = seen["files"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|file| file["path"].as_str())
        .collect();
    assert!(
        names.contains(&"/config.ign") && names.contains(&"/grub.cfg"),
        "{seen}"
    );
    let node = tool(&format!(
        "losetup --find --show --offset {} --sizelimit {} {}",
        start(6),
        48 * MIB,
        card.display()
    ));
    let at = tempfile::tempdir().unwrap();
    tool(&format!("mount -o ro {node} {}", at.path().display()));
    let grub = fs::read_to_string(at.path().join("grub.cfg")).unwrap();
    tool(&format!("umount {}", at.path().display()));
    tool(&format!("losetup --detach {node}"));
    for argument in ["console=tty1", "usbcore.autosuspend=-1", "acpi=off"] {
        assert!(grub.contains(argument), "{grub}");
    }
    // All of it is so already.
    let before = fs::read(&card).unwrap();
    let again = install(&line);
    assert_eq!(again.code, Some(77), "{}", text(&again));
    assert!(
        fs::read(&card).unwrap() == before,
        "a second run changed something"
    );
}

#[test]
fn firmware_that_could_not_boot_is_refused_before_the_card_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let (packed, zip) = (arm64_image(directory.path()), archive(directory.path()));
    let whole = fs::read(&zip).unwrap();
    let card = directory.path().join("card.img");
    let broken = directory.path().join("broken.zip");
    let line = format!(
        "-d {} -f {} -k {} --rpi4 --firmware {}",
        card.display(),
        packed.display(),
        image().key.display(),
        broken.display()
    );
    // Cut in the middle, and no archive at all.
    for bytes in [&whole[..whole.len() / 2], b"no archive"] {
        fs::write(&broken, bytes).unwrap();
        let answer = install(&line);
        assert_eq!(answer.code, Some(1), "{}", text(&answer));
        assert!(
            answer.err.contains("broken.zip") || answer.err.contains("archive"),
            "{}",
            answer.err
        );
        assert!(!card.exists(), "a card was made");
    }
}
