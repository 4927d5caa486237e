//! The initramfs as a distribution makes it: dracut in a small Debian tree in which our package is installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::command::output;
use crate::root;

/// What the tree has beside the package: dracut, and what the module takes into the initramfs where it is.
const PACKAGES: &str = "systemd,systemd-sysv,udev,kmod,dracut-core,e2fsprogs,dosfstools,passwd,util-linux,iproute2,zstd";

/// What the tree depends on, beside the package.
pub fn recipe(suite: &str) -> String {
    format!("{PACKAGES} {suite}")
}

/// Makes the package of the programs: `agent`, and the installed one that lies beside it.
pub fn make(repository: &Path, agent: &Path, work: &Path) -> Result<PathBuf> {
    let program = agent.with_file_name("pilotlight");
    ensure!(
        program.is_file(),
        "no installed program at {}: a package holds both (make build)",
        program.display()
    );
    output(
        Command::new("make")
            .args(["--silent", "--no-print-directory", "deb"])
            .arg(format!("PROGRAM={}", program.display()))
            .arg(format!("AGENT={}", agent.display()))
            .arg(format!("TARGET={}", work.display()))
            .env_remove("MAKEFLAGS")
            .env_remove("MAKELEVEL")
            .current_dir(repository),
    )?;
    let mut packages = fs::read_dir(work.join("deb"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    packages.retain(|path| path.extension().is_some_and(|kind| kind == "deb"));
    match <[PathBuf; 1]>::try_from(packages) {
        Ok([package]) => Ok(package),
        Err(packages) => anyhow::bail!("make deb left {packages:?}"),
    }
}

/// Builds the archive: nothing of ours is in the tree but what the package brings.
pub fn initramfs(
    package: &Path,
    kernel: &Path,
    version: &str,
    suite: &str,
    to: &Path,
) -> Result<()> {
    let sources = root::sources()?;
    let modules = kernel.join("lib/modules").join(version);
    let hook = |text: String| format!("--customize-hook={text}");
    output(
        Command::new("mmdebstrap")
            .args(["--quiet", "--variant=minbase", "--format=null"])
            .arg(format!("--include={PACKAGES}"))
            .arg(hook(format!("upload '{}' /tmp/pilotlight.deb", package.display())))
            .arg(hook("chroot \"$1\" dpkg --install /tmp/pilotlight.deb".into()))
            // As the package's own example has it.
            .arg(hook(
                "cp \"$1/usr/share/doc/pilotlight/examples/dracut.conf\" \"$1/etc/dracut.conf.d/pilotlight.conf\"".into(),
            ))
            .arg(hook("mkdir -p \"$1/usr/lib/modules\"".into()))
            .arg(hook(format!("copy-in '{}' /usr/lib/modules", modules.display())))
            .arg(hook(format!(
                "chroot \"$1\" dracut --quiet --reproducible --no-early-microcode --no-compress --kver {version} /tmp/initramfs"
            )))
            .arg(hook(format!("download /tmp/initramfs '{}'", to.display())))
            .args([suite, "-"])
            .arg(sources.path()),
    )?;
    ensure!(
        fs::metadata(to)
            .with_context(|| format!("dracut left no {}", to.display()))?
            .len()
            > 0,
        "dracut left an empty archive"
    );
    Ok(())
}
