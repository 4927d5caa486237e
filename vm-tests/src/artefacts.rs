//! Root image, kernel and initramfs: built once with Debian's own tools, then found in the cache.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::cache::{self, Cache, Key};
use crate::command::output;
use crate::progress::Steps;

/// Installed in the root on top of the minimal variant.
const ROOT_PACKAGES: &str = "systemd,systemd-sysv,udev,dbus,passwd,iproute2,kmod,\
    util-linux,e2fsprogs,xfsprogs,btrfs-progs,dosfstools";
/// In the image for configs to remove; systemd-sysusers brings Debian's own users back.
const LEFTOVER_USER: &str = "useradd --create-home leftover";
const KERNEL_PACKAGE: &str = "linux-image-cloud-amd64";
/// File systems and their code pages and checksums: all that the running node may have to load.
const ROOT_MODULES: [&str; 3] = ["kernel/fs", "kernel/crypto", "kernel/lib"];
/// The least that boots by systemd alone; dracut's shell hooks would cost five seconds of each boot.
const DRACUT_MODULES: &str = "bash base systemd systemd-initrd udev-rules fs-lib dm pilotlight";

const MIB: u64 = 1024 * 1024;
const ESP_START: u64 = MIB;
const ESP_SIZE: u64 = 64 * MIB;
const ROOT_START: u64 = ESP_START + ESP_SIZE;
const ROOT_SIZE: u64 = 1024 * MIB;
const DISK_SIZE: u64 = ROOT_START + ROOT_SIZE + MIB;

/// What every boot starts from.
pub struct Artefacts {
    /// Kernel image.
    pub kernel: PathBuf,
    /// Uncompressed archive: it boots faster than a compressed one without KVM.
    pub initramfs: PathBuf,
    /// Raw disk; boots get a copy.
    pub disk: PathBuf,
    /// Where runs keep what they need.
    pub scratch: PathBuf,
    /// The agent is CoreOS Ignition, which knows only its own fw_cfg name.
    pub is_ignition: bool,
}

/// Finds or builds everything, as four steps.
pub fn prepare(repository: &Path, agent: &Path, steps: &mut Steps) -> Result<Artefacts> {
    let sources = repository.join("vm-tests/guest");
    let cache = Cache::open(repository.join(".cache/vm"))?;
    let suite = suite()?;

    let recipe = format!("{ROOT_PACKAGES} {LEFTOVER_USER} {suite}");
    let (tarball, there) = cache.find("root.tar", Key::default().text(&recipe));
    build(steps, "root tree (mmdebstrap)", there, || {
        cache.fill(&tarball, |to| root_tarball(&suite, to))
    })?;

    let recipe = format!("{KERNEL_PACKAGE} {suite}");
    let (kernel, there) = cache.find("kernel", Key::default().text(&recipe));
    build(steps, "kernel", there, || {
        cache.fill(&kernel, unpack_kernel)
    })?;
    let version = kernel_version(&kernel)?;

    let this = include_str!("artefacts.rs");
    let (disk, there) = cache.find(
        "disk",
        Key::default()
            .text(this)
            .text(&tarball.to_string_lossy())
            .text(&version)
            .tree(&sources.join("root"))?,
    );
    build(steps, "root disk (sgdisk, mke2fs)", there, || {
        cache.fill(&disk, |to| {
            root_disk(&tarball, &kernel, &version, &sources.join("root"), to)
        })
    })?;

    let is_ignition = is_ignition(agent)?;
    let module = repository.join("dracut/30pilotlight");
    let mut overlays = vec![sources.join("initramfs")];
    if is_ignition {
        overlays.push(sources.join("ignition-shim"));
    }
    let mut key = Key::default()
        .text(this)
        .text(&version)
        .tree(&module)?
        .tree(agent)?;
    for overlay in &overlays {
        key = key.tree(overlay)?;
    }
    let (initramfs, there) = cache.find("initramfs", key);
    build(steps, "initramfs (dracut)", there, || {
        cache.fill(&initramfs, |to| {
            build_initramfs(
                &kernel,
                &version,
                &module,
                agent,
                is_ignition,
                &overlays,
                to,
            )
        })
    })?;

    Ok(Artefacts {
        kernel: kernel.join("boot").join(format!("vmlinuz-{version}")),
        initramfs,
        disk,
        scratch: cache.directory().to_owned(),
        is_ignition,
    })
}

fn build(
    steps: &mut Steps,
    what: &str,
    there: bool,
    work: impl FnOnce() -> Result<()>,
) -> Result<()> {
    if there {
        steps.announce(&format!("{what}: cached"));
        Ok(())
    } else {
        steps.step(what, work)
    }
}

/// The host's Debian suite; guest and host agree on it, as dracut copies the host's programs.
fn suite() -> Result<String> {
    let text = fs::read_to_string("/etc/os-release").context("while reading /etc/os-release")?;
    text.lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .map(|name| name.trim_matches('"').to_owned())
        .context("/etc/os-release names no VERSION_CODENAME")
}

fn is_ignition(agent: &Path) -> Result<bool> {
    let version = output(Command::new(agent).arg("--version"))?;
    Ok(version.starts_with("Ignition"))
}

fn root_tarball(suite: &str, to: &Path) -> Result<()> {
    // The host's own mirror, and of the host's sources only Debian's.
    let mirror = output(Command::new("apt-get").args([
        "indextargets",
        "--format",
        "deb $(SITE) $(RELEASE) $(COMPONENT)",
        "Origin: Debian",
        "Created-By: Packages",
    ]))?;
    let list = tempfile::NamedTempFile::new()?;
    fs::write(list.path(), mirror)?;
    let mut command = Command::new("mmdebstrap");
    command
        .args(["--quiet", "--variant=minbase", "--format=tar"])
        .arg(format!("--include={ROOT_PACKAGES}"))
        .arg(format!("--customize-hook=chroot \"$1\" {LEFTOVER_USER}"));
    for path in ["man", "doc", "locale"] {
        command.arg(format!("--dpkgopt=path-exclude=/usr/share/{path}/*"));
    }
    output(command.arg(suite).arg(to).arg(list.path()))?;
    Ok(())
}

fn unpack_kernel(to: &Path) -> Result<()> {
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

fn kernel_version(kernel: &Path) -> Result<String> {
    let modules = kernel.join("lib/modules");
    let entry = fs::read_dir(&modules)
        .with_context(|| format!("while reading {}", modules.display()))?
        .next()
        .context("the kernel package holds no modules")??;
    Ok(entry.file_name().to_string_lossy().into_owned())
}

/// A Flatcar-like disk: an ESP with the first-boot marker, and a root as partition 9.
fn root_disk(tarball: &Path, kernel: &Path, version: &str, extra: &Path, to: &Path) -> Result<()> {
    let work = tempfile::tempdir_in(to.parent().context("the cache has no directory")?)?;
    let tree = work.path().join("tree");
    fs::create_dir(&tree)?;
    output(
        Command::new("tar")
            .args(["--extract", "--numeric-owner", "--xattrs", "--file"])
            .arg(tarball)
            .arg("-C")
            .arg(&tree),
    )?;
    output(
        Command::new("cp")
            .args(["-a", "--no-preserve=ownership"])
            .arg(extra.join("."))
            .arg(&tree),
    )?;
    // Unless systemd finds this word it applies no presets, and a config's units stay disabled.
    fs::write(tree.join("etc/machine-id"), "uninitialized\n")?;
    let modules = Path::new("lib/modules").join(version);
    for part in ROOT_MODULES {
        let into = tree.join(&modules).join(part);
        fs::create_dir_all(&into)?;
        output(
            Command::new("cp")
                .arg("-a")
                .arg(kernel.join(&modules).join(part).join("."))
                .arg(&into),
        )?;
    }
    for list in [
        "modules.order",
        "modules.builtin",
        "modules.builtin.modinfo",
    ] {
        fs::copy(
            kernel.join(&modules).join(list),
            tree.join(&modules).join(list),
        )?;
    }
    output(Command::new("depmod").arg("-b").arg(&tree).arg(version))?;

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
    output(
        Command::new("mke2fs")
            .args(["-q", "-t", "ext4", "-L", "ROOT", "-U", uuid, "-d"])
            .arg(&tree)
            .arg("-E")
            .arg(format!("offset={ROOT_START},hash_seed={uuid}"))
            .arg(to)
            .arg(format!("{}k", ROOT_SIZE / 1024)),
    )?;
    esp(work.path(), to)
}

/// mkfs.vfat's own `--offset` makes an ESP that mtools refuse, so it is made beside and copied in.
fn esp(work: &Path, disk: &Path) -> Result<()> {
    let image = work.join("esp");
    let marker = work.join("first_boot");
    File::create(&marker)?;
    output(
        Command::new("mkfs.vfat")
            .args([
                "--invariant",
                "-F",
                "32",
                "-s",
                "1",
                "-n",
                "EFI-SYSTEM",
                "-C",
            ])
            .arg(&image)
            .arg((ESP_SIZE / 1024).to_string()),
    )?;
    output(Command::new("mmd").arg("-i").arg(&image).arg("::flatcar"))?;
    output(
        Command::new("mcopy")
            .arg("-i")
            .arg(&image)
            .arg(&marker)
            .arg("::flatcar/first_boot"),
    )?;

    let mut from = File::open(&image)?;
    let mut to = File::options().write(true).open(disk)?;
    to.seek(SeekFrom::Start(ESP_START))?;
    let mut block = vec![0; 64 * 1024];
    loop {
        let count = from.read(&mut block)?;
        if count == 0 {
            return Ok(());
        }
        let part = &block[..count];
        // Holes stay holes.
        if part.iter().all(|byte| *byte == 0) {
            to.seek(SeekFrom::Current(i64::try_from(count)?))?;
        } else {
            to.write_all(part)?;
        }
    }
}

fn build_initramfs(
    kernel: &Path,
    version: &str,
    module: &Path,
    agent: &Path,
    is_ignition: bool,
    overlays: &[PathBuf],
    to: &Path,
) -> Result<()> {
    let work = tempfile::tempdir()?;
    let dracut = dracut_tree(work.path(), module, agent)?;
    let empty = work.path().join("empty");
    fs::create_dir(&empty)?;
    output(
        Command::new("dracut")
            .env("dracutbasedir", &dracut)
            .args(["--conf", "/dev/null", "--confdir"])
            .arg(&empty)
            .args([
                "--no-hostonly",
                "--no-early-microcode",
                "--reproducible",
                "--no-compress",
                "--force",
            ])
            .args(["--kver", version, "--kmoddir"])
            .arg(kernel.join("lib/modules").join(version))
            .args(["--modules", DRACUT_MODULES, "--install"])
            // Ours partitions by itself.
            .arg(if is_ignition {
                "chroot sgdisk partx lsblk basename"
            } else {
                "chroot"
            })
            .arg(to),
    )?;
    // The kernel unpacks concatenated archives one over the other.
    let mut archive = File::options().append(true).open(to)?;
    for overlay in overlays {
        let packed = Command::new("sh")
            .args([
                "-c",
                "find . | sort | cpio --quiet --create --format=newc --owner=0:0",
            ])
            .current_dir(overlay)
            .output()
            .context("while starting cpio")?;
        ensure!(
            packed.status.success(),
            "cpio failed on {}",
            overlay.display()
        );
        archive.write_all(&packed.stdout)?;
    }
    Ok(())
}

/// A private copy of dracut's tree: links to the host's modules, with ours and the agent among them.
fn dracut_tree(work: &Path, module: &Path, agent: &Path) -> Result<PathBuf> {
    let installed = Path::new("/usr/lib/dracut");
    let tree = work.join("dracut");
    let modules = tree.join("modules.d");
    fs::create_dir_all(&modules)?;
    for entry in fs::read_dir(installed).context("while reading /usr/lib/dracut")? {
        let entry = entry?;
        if entry.file_name() != "modules.d" {
            symlink(entry.path(), tree.join(entry.file_name()))?;
        }
    }
    for entry in fs::read_dir(installed.join("modules.d"))? {
        let entry = entry?;
        symlink(entry.path(), modules.join(entry.file_name()))?;
    }
    let ours = modules.join("30pilotlight");
    cache::remove(&ours)?;
    output(Command::new("cp").arg("-a").arg(module).arg(&ours))?;
    fs::copy(agent, ours.join("pilotlight"))
        .with_context(|| format!("while copying {}", agent.display()))?;
    Ok(tree)
}
