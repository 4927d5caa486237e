//! A small image with Flatcar's table, packed and signed; made once for all tests.

use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use pilotlight_tests::tool;

pub struct Image {
    /// The disk's bytes.
    pub raw: PathBuf,
    /// The same by bzip2, with a signature beside it.
    pub packed: PathBuf,
    /// The key that signed it, and one that did not.
    pub key: PathBuf,
    pub other_key: PathBuf,
    pub directory: PathBuf,
}

/// Number, label, type, MiB: the places follow from them.
const TABLE: [(u32, &str, &str, u64); 7] = [
    (1, "EFI-SYSTEM", "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", 4),
    (2, "BIOS-BOOT", "21686148-6449-6e6f-744e-656564454649", 2),
    (3, "USR-A", "5dfbf5f4-2848-4bac-aa5e-0d9a20b745a6", 4),
    (4, "USR-B", "5dfbf5f4-2848-4bac-aa5e-0d9a20b745a6", 4),
    (6, "OEM", "0fc63daf-8483-4772-8e79-3d69d8477de4", 48),
    (7, "OEM-CONFIG", "c95dc21a-df0e-4340-8d7b-26cbfa9a03e0", 2),
    (9, "ROOT", "3884dd41-8582-4404-b9a8-e9b84f2df50e", 16),
];

/// A config for nobody in particular.
pub const CONFIG: &str = "{\"ignition\":{\"version\":\"3.4.0\"}}";

/// Where the first partition begins, in MiB.
const FIRST: u64 = 2;
/// The whole image, in MiB.
pub const SIZE: u64 = 84;

/// The image. It stays until the process ends.
pub fn image() -> &'static Image {
    static IMAGE: OnceLock<Image> = OnceLock::new();
    IMAGE.get_or_init(|| make(&tempfile::tempdir().unwrap().keep()))
}

fn make(directory: &Path) -> Image {
    let raw = directory.join("flatcar_production_image.bin");
    let file = File::create(&raw).unwrap();
    file.set_len(SIZE << 20).unwrap();
    let mut line = String::from("sgdisk --disk-guid=00000000-0000-0000-0000-000000000001");
    let mut at = FIRST;
    for (number, label, kind, mib) in TABLE {
        let (first, last) = (at * 2048, (at + mib) * 2048 - 1);
        line.push_str(&format!(
            " --new={number}:{first}:{last} --change-name={number}:{label} --typecode={number}:{kind}"
        ));
        at += mib;
    }
    // Flatcar's bits: priority 1, successful.
    line.push_str(" --attributes=3:set:48 --attributes=3:set:56");
    tool(&format!("{line} {}", raw.display()));
    file.write_all_at(&[0xa5; 440], 0).unwrap();

    let tree = directory.join("oem");
    fs::create_dir(&tree).unwrap();
    fs::write(
        tree.join("grub.cfg"),
        "set oem_id=\"metal\"\nset linux_append=\"one two\"\n",
    )
    .unwrap();
    place(
        directory,
        &file,
        6,
        &format!("mkfs.btrfs -q -M -L OEM --rootdir {}", tree.display()),
    );
    place(directory, &file, 9, "mkfs.ext4 -q -L ROOT");
    place(directory, &file, 1, "mkfs.vfat -n EFI-SYSTEM");
    file.write_all_at(b"an operating system", offset(3))
        .unwrap();

    let packed = directory.join("flatcar_production_image.bin.bz2");
    tool(&format!("bzip2 --keep {}", raw.display()));
    let [key, other_key] = ["release", "other"].map(|name| gpg_key(directory, name));
    sign(directory, "release", &packed);
    Image {
        raw,
        packed,
        key,
        other_key,
        directory: directory.into(),
    }
}

/// The numbers of the image's partitions.
pub fn numbers() -> impl Iterator<Item = u32> {
    TABLE.iter().map(|(number, ..)| *number)
}

/// Where the bytes of a partition are.
pub fn place_of(wanted: u32) -> Range<usize> {
    let size = TABLE
        .iter()
        .find(|(number, ..)| *number == wanted)
        .unwrap()
        .3
        << 20;
    let bytes = |at: u64| usize::try_from(at).unwrap();
    bytes(offset(wanted))..bytes(offset(wanted) + size)
}

fn offset(wanted: u32) -> u64 {
    let before = TABLE.iter().take_while(|(number, ..)| *number < wanted);
    (FIRST + before.map(|(.., mib)| mib).sum::<u64>()) << 20
}

/// Makes a disk for a guest, which holds the image, its signature and the key that signed.
pub fn files_of_image(disk: &Path) {
    let (image, directory) = (image(), tempfile::tempdir().unwrap());
    let packed = image.packed.display().to_string();
    for (from, to) in [
        (packed.clone(), "image.bin.bz2"),
        (format!("{packed}.sig"), "image.bin.bz2.sig"),
        (image.key.display().to_string(), "release.asc"),
    ] {
        fs::copy(from, directory.path().join(to)).unwrap();
    }
    fs::write(directory.path().join("node.ign"), CONFIG).unwrap();
    let (from, to) = (directory.path().display(), disk.display());
    tool(&format!("mke2fs -q -t ext4 -d {from} {to}"));
}

/// Makes a file system and puts it into its partition.
fn place(directory: &Path, image: &File, number: u32, mkfs: &str) {
    let mib = TABLE.iter().find(|(found, ..)| *found == number).unwrap().3;
    let path = directory.join(format!("part{number}"));
    File::create(&path).unwrap().set_len(mib << 20).unwrap();
    tool(&format!("{mkfs} {}", path.display()));
    image
        .write_all_at(&fs::read(&path).unwrap(), offset(number))
        .unwrap();
    fs::remove_file(path).unwrap();
}

fn gpg(directory: &Path, name: &str, line: &str) -> Vec<u8> {
    let home = directory.join(format!("gpg-{name}"));
    fs::create_dir_all(&home).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(&home, mode).unwrap();
    let output = Command::new("gpg")
        .arg("--homedir")
        .arg(&home)
        .args(["--batch", "--quiet"])
        .args(["--pinentry-mode", "loopback", "--passphrase", ""])
        .args(line.split_whitespace())
        .output()
        .unwrap();
    assert!(output.status.success(), "gpg {line}: {output:?}");
    output.stdout
}

fn gpg_key(directory: &Path, name: &str) -> PathBuf {
    gpg(
        directory,
        name,
        &format!("--quick-generate-key {name}@example.com rsa2048 sign never"),
    );
    let path = directory.join(format!("{name}.asc"));
    let key = gpg(directory, name, "--armor --export");
    fs::write(&path, key).unwrap();
    path
}

/// Puts a detached signature beside a file.
pub fn sign(directory: &Path, name: &str, file: &Path) {
    let shown = file.display();
    gpg(
        directory,
        name,
        &format!("--yes --output {shown}.sig --detach-sign {shown}"),
    );
    // An agent that goes on running would keep the directory.
    let home = directory.join(format!("gpg-{name}"));
    let _ = Command::new("gpgconf")
        .arg("--homedir")
        .arg(home)
        .args(["--kill", "all"])
        .output();
}
