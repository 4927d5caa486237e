//! The initramfs: dracut's, with our module, the agent and the files of the tests.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::cache;
use crate::command::output;

/// The least that boots by systemd alone; dracut's shell hooks would cost five seconds of each boot.
const DRACUT_MODULES: &str = "bash base systemd systemd-initrd udev-rules fs-lib dm pilotlight";

/// Modules of disks in layers, and the ciphers and checksums that LUKS asks the kernel for.
const STORAGE_DRIVERS: &str = "dm-crypt dm-integrity linear raid0 raid1 raid10 raid456 \
    xts cbc ecb essiv authenc sha256_generic sha512_generic algif_skcipher algif_hash af_alg aesni_intel";
/// What provisioning and later boots run for arrays and encrypted disks. The scripts of clevis name their
/// programs nowhere that dracut looks, and the TPM tools load their transport at run time.
const STORAGE_PROGRAMS: &[&str] = &[
    "mdadm",
    "cryptsetup",
    "/lib/udev/rules.d/63-md-raid-arrays.rules",
    "/lib/udev/rules.d/64-md-raid-assembly.rules",
    "/lib/systemd/system/mdadm-last-resort@.service",
    "/lib/systemd/system/mdadm-last-resort@.timer",
    "/lib/systemd/systemd-cryptsetup",
    "/lib/systemd/system-generators/systemd-cryptsetup-generator",
    "/lib/systemd/system/cryptsetup.target",
    "/lib/systemd/system/remote-cryptsetup.target",
    "/lib/systemd/systemd-reply-password",
    "/lib/systemd/system/clevis-luks-askpass.path",
    "/lib/systemd/system/clevis-luks-askpass.service",
    "/usr/libexec/clevis-luks-askpass",
    "clevis",
    "clevis-decrypt",
    "clevis-decrypt-null",
    "clevis-decrypt-sss",
    "clevis-decrypt-tang",
    "clevis-decrypt-tpm2",
    "clevis-encrypt-null",
    "clevis-encrypt-sss",
    "clevis-encrypt-tang",
    "clevis-encrypt-tpm2",
    "clevis-luks-bind",
    "clevis-luks-common-functions",
    "clevis-luks-list",
    "clevis-luks-pass",
    "clevis-luks-unlock",
    "jose",
    "curl",
    "pwmake",
    "tpm2_create",
    "tpm2_createpolicy",
    "tpm2_createprimary",
    "tpm2_flushcontext",
    "tpm2_load",
    "tpm2_pcrread",
    "tpm2_unseal",
    "/usr/lib/x86_64-linux-gnu/libtss2-tcti-device.so.0",
    "awk",
    "base64",
    "basename",
    "cut",
    "find",
    "grep",
    "head",
    "mktemp",
    "sort",
    "tail",
    "tr",
    "tty",
];

/// How much an initramfs can do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Contents {
    /// Partitions and file systems.
    Plain,
    /// Arrays, encryption, TPM and tang as well; a quarter larger.
    Storage,
    /// What dracut makes of the installed package, with all of its own modules.
    Package,
}

/// What an initramfs is made of.
pub struct Parts<'a> {
    /// An unpacked kernel package.
    pub kernel: &'a Path,
    /// The kernel's version.
    pub version: &'a str,
    /// Our dracut module.
    pub module: &'a Path,
    /// The program under test.
    pub agent: &'a Path,
    /// The program is CoreOS Ignition.
    pub is_ignition: bool,
    /// How much it can do.
    pub contents: Contents,
    /// Directories laid over it.
    pub overlays: &'a [PathBuf],
}

/// Builds an uncompressed archive: it boots faster than a compressed one without KVM.
pub fn build(parts: &Parts<'_>, to: &Path) -> Result<()> {
    let work = tempfile::tempdir()?;
    let tree = dracut_tree(work.path(), parts.module, parts.agent)?;
    let empty = work.path().join("empty");
    fs::create_dir(&empty)?;
    let mut install = vec!["chroot"];
    if parts.is_ignition {
        // Ours partitions by itself.
        install.extend(["sgdisk", "partx", "lsblk", "basename"]);
    }
    let mut dracut = Command::new("dracut");
    if parts.contents == Contents::Storage {
        install.extend(STORAGE_PROGRAMS);
        dracut.args(["--add-drivers", STORAGE_DRIVERS]);
    }
    output(
        dracut
            .env("dracutbasedir", &tree)
            .args(["--conf", "/dev/null", "--confdir"])
            .arg(&empty)
            .args([
                "--no-hostonly",
                "--no-early-microcode",
                "--reproducible",
                "--no-compress",
                "--force",
            ])
            .args(["--kver", parts.version, "--kmoddir"])
            .arg(parts.kernel.join("lib/modules").join(parts.version))
            .args(["--modules", DRACUT_MODULES, "--install"])
            .arg(install.join(" "))
            .arg(to),
    )?;
    for overlay in parts.overlays {
        append(to, overlay)?;
    }
    Ok(())
}

/// Lays a directory over an initramfs: the kernel unpacks concatenated archives one over the other.
pub fn append(initramfs: &Path, overlay: &Path) -> Result<()> {
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
    let mut archive = File::options().append(true).open(initramfs)?;
    archive.write_all(&packed.stdout)?;
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
    fs::copy(agent, ours.join("pilotlight-boot"))
        .with_context(|| format!("while copying {}", agent.display()))?;
    Ok(tree)
}
