//! Boot disks, kernel and initramfs: built once with Debian's own tools, then found in the cache.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::cache::{Cache, Key};
use crate::command::output;
use crate::flatcar::{self, Sizes};
use crate::initramfs::{self, Contents};
use crate::package;
use crate::progress::Steps;
use crate::root;
use crate::scenario::{Image, Scenario};

/// How large the disk of the example is, in bytes.
const GROWN: u64 = 4 << 30;

/// What the scenarios of one run ask for beside the root tree and the kernel, which all need.
#[derive(Default)]
pub struct Needs {
    images: BTreeSet<Image>,
    contents: BTreeSet<Contents>,
}

impl Needs {
    /// What these scenarios boot.
    pub fn of<'a>(scenarios: impl IntoIterator<Item = &'a Scenario>) -> Self {
        let mut needs = Self::default();
        for scenario in scenarios {
            needs.images.insert(scenario.spec.image);
            if scenario.spec.image != Image::AbUsr {
                needs.contents.insert(scenario.spec.contents());
            }
        }
        needs
    }

    /// How many steps `prepare` takes.
    pub fn steps(&self) -> usize {
        2 + self.images.len() + self.contents.len()
    }
}

/// What every boot starts from.
pub struct Artefacts {
    /// Kernel image.
    pub kernel: PathBuf,
    /// Where runs keep what they need.
    pub scratch: PathBuf,
    /// The agent is CoreOS Ignition, which knows only its own fw_cfg name.
    pub is_ignition: bool,
    initramfs: BTreeMap<Contents, PathBuf>,
    disks: BTreeMap<Image, PathBuf>,
}

impl Artefacts {
    /// The archive for a scenario.
    pub fn initramfs(&self, scenario: &Scenario) -> Result<&Path> {
        let path = self.initramfs.get(&scenario.spec.contents());
        path.map(PathBuf::as_path)
            .context("the scenario's initramfs was not prepared")
    }

    /// The raw boot disk of a scenario, or the image that becomes one; boots get a copy.
    pub fn disk(&self, scenario: &Scenario) -> Result<&Path> {
        let path = self.disks.get(&scenario.spec.image);
        path.map(PathBuf::as_path)
            .context("the scenario's boot disk was not prepared")
    }
}

/// Finds or builds everything, as `needs.steps()` steps.
pub fn prepare(
    repository: &Path,
    agent: &Path,
    needs: &Needs,
    steps: &mut Steps,
) -> Result<Artefacts> {
    let sources = repository.join("vm-tests/guest");
    let cache = Cache::open(repository.join(".cache/vm"))?;
    let suite = suite()?;

    let recipe = root::tarball_recipe(&suite);
    let (tarball, there) = cache.find("root.tar", Key::default().text(&recipe));
    build(steps, "root tree (mmdebstrap)", there, || {
        cache.fill(&tarball, |to| root::tarball(&suite, to))
    })?;

    let recipe = root::kernel_recipe(&suite);
    let (kernel, there) = cache.find("kernel", Key::default().text(&recipe));
    build(steps, "kernel", there, || {
        cache.fill(&kernel, root::unpack_kernel)
    })?;
    let version = root::kernel_version(&kernel)?;

    let extra = sources.join("root");
    let parts = root::Parts {
        tarball: &tarball,
        kernel: &kernel,
        version: &version,
        extra: &extra,
    };
    let mut disks = BTreeMap::new();
    for image in &needs.images {
        let key = Key::default()
            .text(include_str!("root.rs"))
            .text(&tarball.to_string_lossy())
            .text(&version)
            .tree(&extra)?;
        let disk = match image {
            Image::AbUsr => {
                let example = repository.join("examples/ab-usr");
                let key = package_key(repository, agent)?.tree(&example)?;
                let (disk, there) = cache.find("ab-usr-disk", key);
                build(steps, "the example's disk (make deb)", there, || {
                    cache.fill(&disk, |to| {
                        let work = tempfile::tempdir_in(cache.directory())?;
                        let deb = package::make(repository, agent, work.path())?;
                        let mut example = Command::new(example.join("build"));
                        output(example.arg(deb).arg(to))?;
                        // As on a disk, which is larger than its image.
                        Ok(File::options().write(true).open(to)?.set_len(GROWN)?)
                    })
                })?;
                disk
            }
            Image::Plain => {
                let (disk, there) = cache.find("disk", key);
                build(steps, "plain disk (sgdisk, mke2fs)", there, || {
                    cache.fill(&disk, |to| root::plain_disk(&parts, to))
                })?;
                disk
            }
            Image::Flatcar | Image::Installed => {
                let boot_loader = sources.join("flatcar");
                let key = key
                    .text(include_str!("flatcar.rs"))
                    .text(flatcar::BOOT_LOADER_PACKAGE)
                    .tree(&boot_loader)?;
                let (name, what, sizes) = match image {
                    Image::Installed => (
                        "flatcar-image",
                        "an image to install (sgdisk, mke2fs, GRUB)",
                        Sizes::Small,
                    ),
                    _ => (
                        "flatcar-disk",
                        "Flatcar's disk (sgdisk, mke2fs, GRUB)",
                        Sizes::Published,
                    ),
                };
                let key = match sizes {
                    Sizes::Small => key.text(flatcar::BIOS_PACKAGE),
                    Sizes::Published => key,
                };
                let (disk, there) = cache.find(name, key);
                build(steps, what, there, || {
                    cache.fill(&disk, |to| flatcar::disk(&parts, &boot_loader, sizes, to))
                })?;
                disk
            }
        };
        disks.insert(*image, disk);
    }

    let is_ignition = is_ignition(agent)?;
    let module = repository.join("dracut/30pilotlight");
    let mut initramfs = BTreeMap::new();
    for contents in &needs.contents {
        let mut overlays = vec![sources.join("initramfs")];
        if is_ignition {
            overlays.push(sources.join("ignition-shim"));
        }
        if *contents == Contents::Package {
            let key = package_key(repository, agent)?
                .text(&package::recipe(&suite))
                .text(&version)
                .tree(&overlays[0])?;
            let (path, there) = cache.find("package-initramfs", key);
            let what = "package and its initramfs (make deb, mmdebstrap, dracut)";
            build(steps, what, there, || {
                cache.fill(&path, |to| {
                    let work = tempfile::tempdir_in(cache.directory())?;
                    let deb = package::make(repository, agent, work.path())?;
                    package::initramfs(&deb, &kernel, &version, &suite, to)?;
                    initramfs::append(to, &overlays[0])
                })
            })?;
            initramfs.insert(*contents, path);
            continue;
        }
        let (name, what) = if *contents == Contents::Storage {
            overlays.push(sources.join("storage-initramfs"));
            ("storage-initramfs", "initramfs for storage (dracut)")
        } else {
            ("initramfs", "initramfs (dracut)")
        };
        let mut key = Key::default()
            .text(include_str!("initramfs.rs"))
            .text(&version)
            .tree(&module)?
            .tree(agent)?;
        for overlay in &overlays {
            key = key.tree(overlay)?;
        }
        let (path, there) = cache.find(name, key);
        let parts = initramfs::Parts {
            kernel: &kernel,
            version: &version,
            module: &module,
            agent,
            is_ignition,
            contents: *contents,
            overlays: &overlays,
        };
        build(steps, what, there, || {
            cache.fill(&path, |to| initramfs::build(&parts, to))
        })?;
        initramfs.insert(*contents, path);
    }

    Ok(Artefacts {
        kernel: kernel.join("boot").join(format!("vmlinuz-{version}")),
        scratch: cache.directory().to_owned(),
        is_ignition,
        initramfs,
        disks,
    })
}

/// What the package is made of.
fn package_key(repository: &Path, agent: &Path) -> Result<Key> {
    let mut key = Key::default()
        .text(include_str!("package.rs"))
        .tree(&agent.with_file_name("pilotlight"))?
        .tree(agent)?;
    for part in [
        "Makefile",
        "packaging",
        "dracut",
        "systemd",
        "docs/man",
        "docs/completions",
    ] {
        key = key.tree(&repository.join(part))?;
    }
    Ok(key)
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
