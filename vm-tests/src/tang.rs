//! A real tang server: Debian's `tangd`, one process per connection, as systemd's socket would start it.

use std::fs;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result};

use crate::command::output;
use crate::network::FILES;

const PORT: u16 = 7500;
const LIBEXEC: &str = "/usr/libexec";
/// Replaced in a config by the thumbprint of the server's signing key.
const PLACEHOLDER: &str = "@TANG_THUMBPRINT@";

/// A server with its own new keys; it serves until this process ends.
pub struct Tang {
    thumbprint: String,
}

impl Tang {
    /// Makes keys below a directory and starts serving on the scenario's network.
    pub fn start(below: &Path) -> Result<Self> {
        let keys = below.join("tang");
        fs::create_dir(&keys)?;
        output(
            Command::new(format!("{LIBEXEC}/tangd-keygen"))
                .arg(&keys)
                .args(["sig", "exc"]),
        )?;
        let thumbprint = output(
            Command::new("jose")
                .args(["jwk", "thp", "-a", "S256", "-i"])
                .arg(keys.join("sig.jwk")),
        )?;
        let listener = TcpListener::bind((FILES, PORT)).context("while listening for tang")?;
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Ok(other) = stream.try_clone() else {
                    continue;
                };
                let served = Command::new(format!("{LIBEXEC}/tangd"))
                    .arg(&keys)
                    .stdin(Stdio::from(OwnedFd::from(stream)))
                    .stdout(Stdio::from(OwnedFd::from(other)))
                    .stderr(Stdio::null())
                    .spawn();
                if let Ok(mut child) = served {
                    thread::spawn(move || child.wait());
                }
            }
        });
        Ok(Self {
            thumbprint: thumbprint.trim().to_owned(),
        })
    }

    /// Names the server's key in every file below a directory that asks for it.
    pub fn sign_tree(&self, directory: &Path) -> Result<()> {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                self.sign_tree(&entry.path())?;
            } else if entry.file_type()?.is_file() {
                self.sign(&entry.path(), &entry.path())?;
            }
        }
        Ok(())
    }

    /// Copies a file, naming the server's key where it asks for it.
    pub fn sign(&self, from: &Path, to: &Path) -> Result<()> {
        let bytes = fs::read(from).with_context(|| format!("while reading {}", from.display()))?;
        let signed = match String::from_utf8(bytes) {
            Ok(text) => self.sign_text(&text).into_bytes(),
            Err(binary) => binary.into_bytes(),
        };
        fs::write(to, signed)?;
        Ok(())
    }

    /// Names the server's key in a text.
    pub fn sign_text(&self, text: &str) -> String {
        text.replace(PLACEHOLDER, &self.thumbprint)
    }
}
