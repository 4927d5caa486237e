//! What a live system installs: an image, packed and signed as a release is, and the initramfs that has the installer.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::output;

/// Where the image is served.
const PLACE: &str = "/image.bin.zst";

/// An image as its maker publishes it, and who installs it.
pub struct Release {
    /// URL path → file.
    pub files: BTreeMap<String, PathBuf>,
    /// Laid over the initramfs of the live system: the installer, and the key that signed.
    pub overlay: PathBuf,
}

impl Release {
    /// Packs and signs an image, which goes; `installer` is the installed program.
    pub fn make(image: &Path, installer: &Path, work: &Path) -> Result<Self> {
        let packed = work.join("image.bin.zst");
        output(
            Command::new("zstd")
                .args(["--quiet", "-T0", "--rm"])
                .arg(image)
                .arg("-o")
                .arg(&packed),
        )?;
        let overlay = work.join("live");
        let (programs, etc) = (overlay.join("usr/bin"), overlay.join("etc"));
        fs::create_dir_all(&programs)?;
        fs::create_dir(&etc)?;
        fs::copy(installer, programs.join("pilotlight"))
            .with_context(|| format!("while copying {}: make build", installer.display()))?;
        let signature = work.join("image.bin.zst.sig");
        sign(&packed, &signature, &etc.join("release.asc"))?;
        Ok(Self {
            files: BTreeMap::from([
                (PLACE.to_owned(), packed),
                (format!("{PLACE}.sig"), signature),
            ]),
            overlay,
        })
    }
}

/// Signs a file with a new key, of which the public half is left.
fn sign(file: &Path, signature: &Path, key: &Path) -> Result<()> {
    // Sockets are made in it, whose paths are short.
    let home = tempfile::tempdir()?;
    fs::set_permissions(home.path(), Permissions::from_mode(0o700))?;
    let gpg = |arguments: &[&str], files: &[&Path]| {
        output(
            Command::new("gpg")
                .arg("--homedir")
                .arg(home.path())
                .args(["--batch", "--quiet", "--pinentry-mode", "loopback"])
                .args(["--passphrase", ""])
                .args(arguments)
                .args(files),
        )
    };
    let person = "release@example.com";
    let signed = gpg(
        &["--quick-generate-key", person, "ed25519", "sign", "never"],
        &[],
    )
    .and_then(|_| gpg(&["--armor", "--output"], &[key, Path::new("--export")]))
    .and_then(|_| {
        gpg(
            &["--output"],
            &[signature, Path::new("--detach-sign"), file],
        )
    });
    // An agent that goes on running would keep the directory.
    let ended = output(
        Command::new("gpgconf")
            .arg("--homedir")
            .arg(home.path())
            .args(["--kill", "all"]),
    );
    signed.and(ended).map(|_| ())
}
