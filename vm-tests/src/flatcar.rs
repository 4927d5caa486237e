//! A boot disk with Flatcar's exact table, started by UEFI and GRUB as Flatcar's is.
//!
//! The operating system lies in USR-A, mounted by `mount.usr=`, so that ROOT may be made again in any form.
//! As published, the image has the size that Flatcar's has, and the file is larger, as a disk is, with the backup of
//! the table left in its middle. A small one has the same partitions as far as their content goes, and starts by BIOS,
//! too: it is there to be installed.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::command::output;
use crate::root::{self, Parts};
use crate::scenario::Boot;
use crate::table;

/// Brings GRUB's modules for x86-64 UEFI.
pub const BOOT_LOADER_PACKAGE: &str = "grub-efi-amd64-bin";
/// The same for BIOS.
pub const BIOS_PACKAGE: &str = "grub-pc-bin";
const BOOT_LOADER_MODULES: &[&str] = &[
    "part_gpt",
    "fat",
    "btrfs",
    "normal",
    "linux",
    "search",
    "search_label",
    "configfile",
    "test",
    "echo",
    "serial",
    "terminal",
    "reboot",
    "halt",
];
/// The root's part of the kernel command line, as GRUB has it for USR-A.
pub const ROOT_ARGUMENTS: &str = "root=LABEL=ROOT rootflags=rw \
    mount.usr=PARTUUID=7130c94a-213a-4e5a-8e26-6cce9662f132 mount.usrflags=ro";
/// Where the tree of /usr keeps what an empty root is filled with.
const SKELETON: &str = "usr/share/vm-test/root";
/// Directories whose content the running node does not miss.
const NOT_IN_SKELETON: [&str; 3] = ["var/lib/apt", "var/lib/dpkg", "var/cache"];

const SECTOR: u64 = 512;
const SECTORS_OF_MIB: u64 = 2048;
const ALIGNMENT: u64 = 4096;
/// Whatever the sizes; in bytes.
const ESP_START: u64 = ALIGNMENT * SECTOR;
/// What a disk has beyond the image; 2 GiB.
const GROWTH: u64 = 4 * 1024 * 1024;

/// How large the partitions are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sizes {
    /// As Flatcar's are.
    Published,
    /// As small as their content allows.
    Small,
}

struct Partition {
    number: u32,
    label: &'static str,
    kind: &'static str,
    guid: &'static str,
    /// In sectors of 512 bytes, as published.
    size: u64,
    /// In MiB, in a small image.
    small: u64,
}

const ESP: Partition = Partition {
    number: 1,
    label: "EFI-SYSTEM",
    kind: "c12a7328-f81f-11d2-ba4b-00a0c93ec93b",
    guid: "11111111-1111-4111-8111-111111111111",
    size: 2_097_152,
    small: 160,
};
const BIOS_BOOT: Partition = Partition {
    number: 2,
    label: "BIOS-BOOT",
    kind: "21686148-6449-6e6f-744e-656564454649",
    guid: "22222222-2222-4222-8222-222222222222",
    size: 4096,
    small: 2,
};
const USR_A: Partition = Partition {
    number: 3,
    label: "USR-A",
    kind: "5dfbf5f4-2848-4bac-aa5e-0d9a20b745a6",
    guid: "7130c94a-213a-4e5a-8e26-6cce9662f132",
    size: 4_194_304,
    small: 576,
};
const USR_B: Partition = Partition {
    number: 4,
    label: "USR-B",
    kind: "5dfbf5f4-2848-4bac-aa5e-0d9a20b745a6",
    guid: "e03dd35c-7c2d-4a47-b3fe-27f15780a57c",
    size: 4_194_304,
    small: 2,
};
const OEM: Partition = Partition {
    number: 6,
    label: "OEM",
    kind: "0fc63daf-8483-4772-8e79-3d69d8477de4",
    guid: "66666666-6666-4666-8666-666666666666",
    size: 2_097_152,
    small: 120,
};
const OEM_CONFIG: Partition = Partition {
    number: 7,
    label: "OEM-CONFIG",
    kind: "c95dc21a-df0e-4340-8d7b-26cbfa9a03e0",
    guid: "77777777-7777-4777-8777-777777777777",
    size: 131_072,
    small: 2,
};
const ROOT: Partition = Partition {
    number: 9,
    label: "ROOT",
    kind: "3884dd41-8582-4404-b9a8-e9b84f2df50e",
    guid: "99999999-9999-4999-8999-999999999999",
    size: 2_097_152,
    small: 128,
};
/// In the order of the disk; slots 5 and 8 stay empty.
const TABLE: [&Partition; 7] = [&ESP, &BIOS_BOOT, &USR_A, &USR_B, &OEM, &OEM_CONFIG, &ROOT];

impl Partition {
    /// Sectors.
    fn size(&self, sizes: Sizes) -> u64 {
        match sizes {
            Sizes::Published => self.size,
            Sizes::Small => self.small * SECTORS_OF_MIB,
        }
    }

    /// First sector: the partitions lie one after the other.
    fn first(&self, sizes: Sizes) -> u64 {
        let before = TABLE.iter().take_while(|other| other.number < self.number);
        ALIGNMENT + before.map(|other| other.size(sizes)).sum::<u64>()
    }

    /// First byte.
    fn start(&self, sizes: Sizes) -> u64 {
        self.first(sizes) * SECTOR
    }

    /// Size in bytes.
    fn bytes(&self, sizes: Sizes) -> u64 {
        self.size(sizes) * SECTOR
    }
}

/// Makes the disk; `boot_loader` is the directory of GRUB's configuration. OEM stays blank for [`oem`].
pub fn disk(parts: &Parts<'_>, boot_loader: &Path, sizes: Sizes, to: &Path) -> Result<()> {
    let work = tempfile::tempdir_in(to.parent().context("the cache has no directory")?)?;
    let tree = work.path().join("tree");
    root::tree(parts, &tree)?;
    move_to_skeleton(&tree)?;

    // The table's backup takes 33 sectors behind the last partition.
    let image = (ROOT.first(sizes) + ROOT.size(sizes) + ALIGNMENT) * SECTOR;
    File::create(to)?.set_len(image)?;
    let mut sgdisk = Command::new("sgdisk");
    sgdisk.args(["--disk-guid=00000000-0000-0000-0000-000000000001"]);
    sgdisk.arg(format!("--set-alignment={ALIGNMENT}"));
    for part in TABLE {
        let Partition {
            number,
            label,
            kind,
            guid,
            ..
        } = part;
        let (first, size) = (part.first(sizes), part.size(sizes));
        sgdisk
            .arg(format!("--new={number}:{first}:{}", first + size - 1))
            .arg(format!("--change-name={number}:{label}"))
            .arg(format!("--typecode={number}:{kind}"))
            .arg(format!("--partition-guid={number}:{guid}"));
    }
    // Flatcar's bits: priority 1 (48 to 51), tries 0 (52 to 55), successful (56).
    for bit in [48, 56] {
        sgdisk.arg(format!("--attributes={}:set:{bit}", USR_A.number));
    }
    output(sgdisk.arg(to))?;

    let usr = tree.join("usr");
    let uuid = "33333333-3333-4333-8333-333333333333";
    root::ext4(
        &usr,
        "USR-A",
        uuid,
        to,
        USR_A.start(sizes),
        USR_A.bytes(sizes),
    )?;
    let blank = work.path().join("root");
    fs::create_dir(&blank)?;
    fs::write(blank.join("from-the-image"), "the image's own root\n")?;
    let uuid = "99999999-aaaa-4aaa-8aaa-aaaaaaaaaaaa";
    root::ext4(
        &blank,
        ROOT.label,
        uuid,
        to,
        ROOT.start(sizes),
        ROOT.bytes(sizes),
    )?;
    let esp = esp(work.path(), boot_loader, sizes)?;
    root::place(&esp, to, ESP.start(sizes))?;
    if sizes == Sizes::Small {
        return bios_boot(work.path(), to);
    }
    // From here on the backup header is not at the end.
    File::options()
        .write(true)
        .open(to)?
        .set_len(image + GROWTH * SECTOR)?;
    Ok(())
}

/// Everything that is not /usr goes below it, from where the initramfs fills an empty root.
fn move_to_skeleton(tree: &Path) -> Result<()> {
    let skeleton = tree.join(SKELETON);
    fs::create_dir_all(&skeleton)?;
    for entry in fs::read_dir(tree)? {
        let entry = entry?;
        if entry.file_name() != "usr" {
            fs::rename(entry.path(), skeleton.join(entry.file_name()))?;
        }
    }
    for directory in NOT_IN_SKELETON {
        let directory = skeleton.join(directory);
        fs::remove_dir_all(&directory)
            .and_then(|()| fs::create_dir(&directory))
            .with_context(|| format!("while emptying {}", directory.display()))?;
    }
    Ok(())
}

fn esp(work: &Path, boot_loader: &Path, sizes: Sizes) -> Result<std::path::PathBuf> {
    let efi = work.join("efi");
    let grub = work.join("grub");
    fs::create_dir_all(efi.join("BOOT"))?;
    fs::create_dir(&grub)?;
    output(
        Command::new("grub-mkimage")
            .args(["--format=x86_64-efi", "--prefix=/flatcar/grub", "--output"])
            .arg(efi.join("BOOT/BOOTX64.EFI"))
            .args(BOOT_LOADER_MODULES),
    )?;
    fs::copy(boot_loader.join("grub.cfg"), grub.join("grub.cfg"))?;
    // Larger clusters than needed: GRUB walks a file's chain of them. FAT32 has at least 65,525 of them.
    let cluster = match sizes {
        Sizes::Published => 8,
        Sizes::Small => 4,
    };
    let image = root::esp(work, ESP.bytes(sizes), cluster, &[])?;
    for (directory, place) in [(&efi, "::"), (&grub, "::flatcar")] {
        output(
            Command::new("mcopy")
                .args(["-s", "-i"])
                .arg(&image)
                .arg(directory)
                .arg(place),
        )?;
    }
    Ok(image)
}

/// Lets BIOS start GRUB: its first stage before the table, its core in BIOS-BOOT. grub-bios-setup does the same to
/// disks that the running system has.
fn bios_boot(work: &Path, disk: &Path) -> Result<()> {
    // Where the first stage has the sector of the core, and the core's own first sector that of its rest
    // (GRUB 2.06, include/grub/i386/pc/boot.h).
    const KERNEL_SECTOR: usize = 0x5c;
    const BLOCK_LIST: usize = 512 - 12;
    const BEFORE_TABLE: usize = 440;
    let core_file = work.join("core.img");
    output(
        Command::new("grub-mkimage")
            .args([
                "--format=i386-pc",
                "--prefix=(,gpt1)/flatcar/grub",
                "--output",
            ])
            .arg(&core_file)
            .args(BOOT_LOADER_MODULES)
            .arg("biosdisk"),
    )?;
    let first_stage = "/usr/lib/grub/i386-pc/boot.img";
    let mut first =
        fs::read(first_stage).with_context(|| format!("while reading {first_stage}"))?;
    let mut core = fs::read(&core_file)?;
    let at = BIOS_BOOT.first(Sizes::Small);
    ensure!(
        first.len() == 512 && core.len() as u64 <= BIOS_BOOT.bytes(Sizes::Small),
        "GRUB for BIOS has other sizes than are known"
    );
    first[KERNEL_SECTOR..KERNEL_SECTOR + 8].copy_from_slice(&at.to_le_bytes());
    core[BLOCK_LIST..BLOCK_LIST + 8].copy_from_slice(&(at + 1).to_le_bytes());
    let disk = File::options().write(true).open(disk)?;
    disk.write_all_at(&first[..BEFORE_TABLE], 0)?;
    disk.write_all_at(&core, at * SECTOR)?;
    Ok(())
}

/// Makes the OEM partition of a disk from a directory.
pub fn oem(disk: &Path, sizes: Sizes, directory: &Path, work: &Path) -> Result<()> {
    let image = work.join("oem.img");
    File::create(&image)?.set_len(OEM.bytes(sizes))?;
    output(
        Command::new("mkfs.btrfs")
            .args(["--quiet", "--label", OEM.label, "--rootdir"])
            .arg(directory)
            .arg(&image),
    )?;
    root::place(&image, disk, OEM.start(sizes))?;
    fs::remove_file(&image)?;
    Ok(())
}

/// Puts kernel and initramfs where GRUB finds them.
pub fn install_kernel(disk: &Path, kernel: &Path, initramfs: &Path) -> Result<()> {
    copy_to_esp(disk, kernel, "flatcar/vmlinuz-a")?;
    copy_to_esp(disk, initramfs, "flatcar/initramfs")
}

/// Tells GRUB what this boot is to add to the kernel command line. Debian's GRUB cannot read the disk's
/// GUID as Flatcar's can, so that is done here: once a boot of the runner, not at each start of GRUB.
pub fn set_arguments(disk: &Path, arguments: &str, work: &Path) -> Result<()> {
    ensure!(
        !arguments.contains(['\'', '\n']),
        "GRUB cannot be given these kernel arguments, which contain a quote: {arguments}"
    );
    let mut text = format!("set vm_test='{arguments}'\n");
    if table::has_fresh_guid(disk)? {
        text.push_str("set disk_is_fresh=1\n");
    }
    let file = work.join("vm-test.cfg");
    fs::write(&file, text)?;
    copy_to_esp(disk, &file, "flatcar/vm-test.cfg")
}

fn copy_to_esp(disk: &Path, file: &Path, place: &str) -> Result<()> {
    output(
        Command::new("mcopy")
            .args(["-o", "-i"])
            .arg(format!("{}@@{}", disk.display(), ESP_START))
            .arg(file)
            .arg(format!("::{place}")),
    )?;
    Ok(())
}

/// Everything in which the table differs from what a boot declares about it.
pub fn compare_table(
    boot: &Boot,
    disk: &Path,
    before: Option<&table::Slots>,
) -> Result<Vec<String>> {
    let (Some(expected), Some(before)) = (&boot.changed_slots, before) else {
        return Ok(Vec::new());
    };
    let mut problems = Vec::new();
    let changed = before.changed(&table::read(disk)?);
    if changed != *expected {
        problems.push(format!(
            "the table's slots {changed:?} changed, not {expected:?}"
        ));
    }
    // An untouched table has its backup in the middle still; a written one has to be whole.
    if !changed.is_empty() {
        let verdict = output(Command::new("sgdisk").arg("--verify").arg(disk))?;
        if !verdict.contains("No problems found") {
            problems.push(format!("sgdisk finds the table faulty:\n{verdict}"));
        }
    }
    Ok(problems)
}
