//! Public host keys, given to a platform that takes them: who connects for the first time need not trust blindly.
//!
//! Keys are read, never made: whether a machine is a new one is not for the metadata of a bad moment to say.

use std::path::Path;

use pilotlight_providers::{Host, Platform};

/// Longest file of a public key, in bytes: an RSA key of 16,384 bits takes 2.8 KB.
const MAX: u64 = 8 << 10;
/// Most keys of a machine.
const KEYS: usize = 16;

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostKey {
    /// Its type: `ssh-ed25519`.
    pub kind: String,
    /// Its base64.
    pub key: String,
}

/// The keys in a directory, by files as sshd names them (sshd_config(5), `HostKey`); what is none is left out.
pub fn of_directory(directory: &Path) -> Vec<HostKey> {
    let mut keys = Vec::new();
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !(name.starts_with("ssh_host_") && name.ends_with("_key.pub")) {
            continue;
        }
        let read = pilotlight_sys::read_regular(&entry.path(), MAX);
        let text = read.ok().flatten().unwrap_or_default();
        keys.extend(of_text(&String::from_utf8_lossy(&text)));
    }
    keys.sort();
    keys.truncate(KEYS);
    keys
}

fn of_text(text: &str) -> Option<HostKey> {
    let mut words = text.split_whitespace();
    let (kind, key) = (words.next()?, words.next()?);
    // They become part of a URL and the body of a request.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-@._".contains(&byte);
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
    let usable = kind.len() <= 64 && kind.bytes().all(plain) && key.bytes().all(base64);
    usable.then(|| HostKey {
        kind: kind.into(),
        key: key.into(),
    })
}

/// Gives the platform all of them, and tells how that went.
pub async fn publish(platform: Platform, host: &impl Host, keys: Vec<HostKey>) {
    for key in keys {
        match platform.publish_host_key(host, &key.kind, &key.key).await {
            Ok(()) => tracing::info!("told {} the host key of type {}", platform.name(), key.kind),
            Err(error) => {
                tracing::warn!(
                    "{} does not take the host key of type {}: {error}",
                    platform.name(),
                    key.kind
                );
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_keys_alone_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write("ssh_host_ed25519_key.pub", "ssh-ed25519 AAAAC3+/= root@a\n");
        write("ssh_host_ecdsa_key.pub", "ecdsa-sha2-nistp256 AAAAE2\n");
        write(
            "ssh_host_ed25519_key",
            "-----BEGIN OPENSSH PRIVATE KEY-----\nsecret\n",
        );
        write("ssh_host_rsa_key.pub", "ssh-rsa/../x AAAA\n");
        write("ssh_host_dsa_key.pub", "ssh-dss\n");
        write("moduli.pub", "ssh-ed25519 AAAA\n");
        std::fs::create_dir(dir.path().join("ssh_host_x_key.pub")).unwrap();
        let keys = of_directory(dir.path());
        let shown: Vec<_> = keys
            .iter()
            .map(|one| (one.kind.as_str(), one.key.as_str()))
            .collect();
        assert_eq!(
            shown,
            [
                ("ecdsa-sha2-nistp256", "AAAAE2"),
                ("ssh-ed25519", "AAAAC3+/=")
            ]
        );
        assert!(of_directory(&dir.path().join("none")).is_empty());
    }
}
