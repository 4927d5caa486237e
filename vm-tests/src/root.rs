//! The operating system of the boot disks: Debian's root tree and kernel, and the plain disk made of them.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::output;

/// Installed in the root on top of the minimal variant.
const PACKAGES: &str = "systemd,systemd-sysv,udev,dbus,passwd,iproute2,kmod,\
    util-linux,e2fsprogs,xfsprogs,btrfs-progs,dosfstools,gdisk,\
    mdadm,cryptsetup-bin,clevis,clevis-luks,clevis-tpm2,clevis-systemd";
/// In the image for configs to remove; systemd-sysusers brings Debian's own users back.
const LEFTOVER_USER: &str = "useradd --create-home leftover";
const KERNEL_PACKAGE: &str = "linux-image-cloud-amd64";
/// File systems, disks in layers, and their code pages, ciphers and checksums, bonds and what those build on: all
/// that the running node may have to load.
const MODULES: [&str; 6] = [
    "kernel/fs",
    "kernel/crypto",
    "kernel/lib",
    "kernel/drivers/md",
    "kernel/drivers/net/bonding",
    "kernel/net/tls",
];

const MIB: u64 = 1024 * 1024;
const ESP_START: u64 = MIB;
const ESP_SIZE: u64 = 64 * MIB;
const ROOT_START: u64 = ESP_START + ESP_SIZE;
const ROOT_SIZE: u64 = 1024 * MIB;
const DISK_SIZE: u64 = ROOT_START + ROOT_SIZE + MIB;

/// What a root tree is made of.
pub struct Parts<'a> {
    /// The tree without a kernel's modules.
    pub tarball: &'a Path,
    /// An unpacked kernel package.
    pub kernel: &'a Path,
    /// The kernel's version.
    pub version: &'a str,
    /// Our own files, laid over the tree.
    pub extra: &'a Path,
}

/// What the tarball depends on.
pub fn tarball_recipe(suite: &str) -> String {
    format!("{PACKAGES} {LEFTOVER_USER} {suite}")
}

/// What the kernel depends on.
pub fn kernel_recipe(suite: &str) -> String {
    format!("{KERNEL_PACKAGE} {suite}")
}

/// Makes the tarball of the root with Debian's packages of one suite.
pub fn tarball(suite: &str, to: &Path) -> Result<()> {
    let list = sources()?;
    let mut command = Command::new("mmdebstrap");
    command
        .args(["--quiet", "--variant=minbase", "--format=tar"])
        .arg(format!("--include={PACKAGES}"))
        .arg(format!("--customize-hook=chroot \"$1\" {LEFTOVER_USER}"));
    for path in ["man", "doc", "locale"] {
        command.arg(format!("--dpkgopt=path-exclude=/usr/share/{path}/*"));
    }
    output(command.arg(suite).arg(to).arg(list.path()))?;
    Ok(())
}

/// A file with sources for apt: the host's own mirror, and of the host's sources only Debian's.
pub fn sources() -> Result<tempfile::NamedTempFile> {
    let mirror = output(Command::new("apt-get").args([
        "indextargets",
        "--format",
        "deb $(SITE) $(RELEASE) $(COMPONENT)",
        "Origin: Debian",
        "Created-By: Packages",
    ]))?;
    let list = tempfile::NamedTempFile::new()?;
    fs::write(list.path(), mirror)?;
    Ok(list)
}

/// Downloads and unpacks the newest kernel package that apt knows.
pub fn unpack_kernel(to: &Path) -> Result<()> {
    let downloads = tempfile::tempdir()?;
    let depends = output(Command::new("apt-cache").args(["depends", KERNEL_PACKAGE]))?;
    let package = depends
        .lines()
        .find_map(|line| line.trim().strip_prefix("Depends: linux-image-"))
        .with_context(|| format!("apt knows no package {KERNEL_PACKAGE}: run apt-get update"))?;
    output(
        Command::new("apt-get")
            .args(["-o", "APT::Sandbox::User=root", "download"])
            .arg(format!("linux-image-{package}"))
            .current_dir(downloads.path()),
    )?;
    let Some(archive) = fs::read_dir(downloads.path())?.next() else {
        bail!("apt-get download left no file for linux-image-{package}");
    };
    output(Command::new("dpkg").arg("-x").arg(archive?.path()).arg(to))?;
    output(Command::new("depmod").arg("-b").arg(to).arg(package))?;
    Ok(())
}

/// The version of an unpacked kernel.
pub fn kernel_version(kernel: &Path) -> Result<String> {
    let modules = kernel.join("lib/modules");
    let entry = fs::read_dir(&modules)
        .with_context(|| format!("while reading {}", modules.display()))?
        .next()
        .context("the kernel package holds no modules")??;
    Ok(entry.file_name().to_string_lossy().into_owned())
}

/// Lays the whole root out in a directory.
pub fn tree(parts: &Parts<'_>, tree: &Path) -> Result<()> {
    fs::create_dir(tree)?;
    output(
        Command::new("tar")
            .args(["--extract", "--numeric-owner", "--xattrs", "--file"])
            .arg(parts.tarball)
            .arg("-C")
            .arg(tree),
    )?;
    output(
        Command::new("cp")
            .args(["-a", "--no-preserve=ownership"])
            .arg(parts.extra.join("."))
            .arg(tree),
    )?;
    // Unless systemd finds this word it applies no presets, and a config's units stay disabled.
    fs::write(tree.join("etc/machine-id"), "uninitialized\n")?;
    // mmdebstrap's, from the machine that builds: a fresh image has no name.
    fs::remove_file(tree.join("etc/hostname")).context("while removing the builder's name")?;
    let modules = Path::new("lib/modules").join(parts.version);
    for part in MODULES {
        let into = tree.join(&modules).join(part);
        fs::create_dir_all(&into)?;
        output(
            Command::new("cp")
                .arg("-a")
                .arg(parts.kernel.join(&modules).join(part).join("."))
                .arg(&into),
        )?;
    }
    for list in [
        "modules.order",
        "modules.builtin",
        "modules.builtin.modinfo",
    ] {
        fs::copy(
            parts.kernel.join(&modules).join(list),
            tree.join(&modules).join(list),
        )?;
    }
    output(
        Command::new("depmod")
            .arg("-b")
            .arg(tree)
            .arg(parts.version),
    )?;
    Ok(())
}

/// A small disk: an ESP with the first-boot marker, and the whole system in a root as partition 9.
pub fn plain_disk(parts: &Parts<'_>, to: &Path) -> Result<()> {
    let work = tempfile::tempdir_in(to.parent().context("the cache has no directory")?)?;
    let root = work.path().join("tree");
    tree(parts, &root)?;

    File::create(to)?.set_len(DISK_SIZE)?;
    let sectors = |start: u64, size: u64| format!("{}:{}", start / 512, (start + size) / 512 - 1);
    output(
        Command::new("sgdisk")
            .arg("--disk-guid=00000000-0000-0000-0000-000000000001")
            .arg(format!("--new=1:{}", sectors(ESP_START, ESP_SIZE)))
            .args(["--typecode=1:ef00", "--change-name=1:EFI-SYSTEM"])
            .arg("--partition-guid=1:11111111-1111-4111-8111-111111111111")
            .arg(format!("--new=9:{}", sectors(ROOT_START, ROOT_SIZE)))
            .args([
                "--typecode=9:3884dd41-8582-4404-b9a8-e9b84f2df50e",
                "--change-name=9:ROOT",
            ])
            .arg("--partition-guid=9:99999999-9999-4999-8999-999999999999")
            .arg(to),
    )?;
    let uuid = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa";
    ext4(&root, "ROOT", uuid, to, ROOT_START, ROOT_SIZE)?;
    let esp = esp(work.path(), ESP_SIZE, 1, &[])?;
    place(&esp, to, ESP_START)
}

/// Makes an ext4 file system of a tree inside a disk; `start` and `size` are in bytes.
pub fn ext4(
    tree: &Path,
    label: &str,
    uuid: &str,
    disk: &Path,
    start: u64,
    size: u64,
) -> Result<()> {
    output(
        Command::new("mke2fs")
            .args(["-q", "-t", "ext4", "-L", label, "-U", uuid, "-d"])
            .arg(tree)
            .arg("-E")
            .arg(format!("offset={start},hash_seed={uuid}"))
            .arg(disk)
            .arg(format!("{}k", size / 1024)),
    )?;
    Ok(())
}

/// An ESP of `size` bytes with the first-boot marker and the given files, each with its place; mkfs.vfat's
/// own `--offset` makes one that mtools refuse, so it is made beside the disk.
pub fn esp(
    work: &Path,
    size: u64,
    sectors_per_cluster: u32,
    files: &[(&Path, &str)],
) -> Result<PathBuf> {
    let image = work.join("esp");
    let marker = work.join("first_boot");
    File::create(&marker)?;
    output(
        Command::new("mkfs.vfat")
            .args(["--invariant", "-F", "32", "-n", "EFI-SYSTEM", "-s"])
            .arg(sectors_per_cluster.to_string())
            .arg("-C")
            .arg(&image)
            .arg((size / 1024).to_string()),
    )?;
    output(Command::new("mmd").arg("-i").arg(&image).arg("::flatcar"))?;
    let marker = (marker.as_path(), "flatcar/first_boot");
    for (file, place) in std::iter::once(&marker).chain(files) {
        output(
            Command::new("mcopy")
                .arg("-i")
                .arg(&image)
                .arg(file)
                .arg(format!("::{place}")),
        )?;
    }
    Ok(image)
}

/// Copies an image into a disk at a byte offset; holes stay holes.
pub fn place(image: &Path, disk: &Path, at: u64) -> Result<()> {
    let mut from = File::open(image)?;
    let mut to = File::options().write(true).open(disk)?;
    to.seek(SeekFrom::Start(at))?;
    let mut block = vec![0; 64 * 1024];
    loop {
        let count = from.read(&mut block)?;
        if count == 0 {
            return Ok(());
        }
        let part = &block[..count];
        if part.iter().all(|byte| *byte == 0) {
            to.seek(SeekFrom::Current(i64::try_from(count)?))?;
        } else {
            to.write_all(part)?;
        }
    }
}
