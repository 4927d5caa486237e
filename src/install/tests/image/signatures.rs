//! Keys and signatures that gpg makes: who vouches for an image, and who does not.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use pilotlight_install::image::{Check, Fingerprint, Keys, Pins, Refusal, Verified, digest_of};
use tempfile::TempDir;

use crate::samples::content;

/// A folder of keys of its own, with its agent, which ends with it.
struct Gpg(TempDir);

impl Gpg {
    fn new() -> Self {
        let home = tempfile::Builder::new()
            .permissions(private())
            .tempdir()
            .unwrap();
        Self(home)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("gpg");
        command
            .env("GNUPGHOME", self.0.path())
            .args([
                "--batch",
                "--yes",
                "--quiet",
                "--no-tty",
                "--pinentry-mode",
                "loopback",
                "--passphrase",
                "",
            ])
            .args(arguments)
            .stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str]) -> Vec<u8> {
        let output = self.command(arguments).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "gpg {arguments:?}: {errors}");
        output.stdout
    }

    /// What is typed when keys are edited, a line each.
    fn edit(&self, key: &str, typed: &str) {
        let mut child = self
            .command(&["--command-fd", "0", "--expert", "--edit-key", key])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(typed.as_bytes()).unwrap();
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// A new primary key and its fingerprint.
    fn key(&self, name: &str, kind: &[&str]) -> String {
        self.run(&[&["--quick-gen-key", name], kind].concat());
        self.prints(name)[0].clone()
    }

    /// The fingerprints of a key and its subkeys.
    fn prints(&self, name: &str) -> Vec<String> {
        let listed = String::from_utf8(self.run(&["--with-colons", "--list-keys", name])).unwrap();
        let lines = listed.lines().filter(|line| line.starts_with("fpr:"));
        lines
            .map(|line| line.split(':').nth(9).unwrap().to_string())
            .collect()
    }

    fn export(&self, name: &str) -> Vec<u8> {
        self.run(&["--export", name])
    }

    fn sign(&self, by: &str, options: &[&str], data: &[u8]) -> Vec<u8> {
        let file = self.0.path().join("data");
        fs::write(&file, data).unwrap();
        let file = file.to_str().unwrap();
        // An exclamation mark: this very key, and none of its subkeys.
        let by = format!("{by}!");
        self.run(
            &[
                &["--local-user", &by, "--output", "-", "--detach-sign"],
                options,
                &[file],
            ]
            .concat(),
        )
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf")
            .env("GNUPGHOME", self.0.path())
            .args(["--kill", "all"])
            .status();
    }
}

fn private() -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o700)
}

fn pin(print: &str) -> Pins {
    Pins::Only(vec![print.parse().unwrap()])
}

fn keys(bytes: &[u8], pins: &Pins) -> Keys {
    Keys::read(&[("test.gpg", bytes)], pins).unwrap()
}

fn checked(signature: &[u8], keys: &Keys, data: &[u8]) -> Result<Verified, Refusal> {
    checked_at(signature, keys, data, SystemTime::now())
}

fn checked_at(
    signature: &[u8],
    keys: &Keys,
    data: &[u8],
    now: SystemTime,
) -> Result<Verified, Refusal> {
    let mut check = Check::signature(signature, keys, now)?;
    for piece in data.chunks(70_000) {
        check.update(piece);
    }
    check.finish()
}

const ED25519: &[&str] = &["ed25519", "cert,sign", "never"];
const DAY: u64 = 24 * 60 * 60;

fn days(count: u64) -> Duration {
    Duration::from_secs(count * DAY)
}

#[test]
fn what_a_pinned_key_or_its_subkey_signed_is_taken() {
    let gpg = Gpg::new();
    let data = content(31, 300_000);
    for (name, kind) in [("Ed", "ed25519"), ("Rsa", "rsa2048"), ("Curve", "nistp256")] {
        let primary = gpg.key(name, &[kind, "cert,sign", "never"]);
        // For a subkey, gpg takes the name of a curve for one to encrypt with.
        if name != "Curve" {
            gpg.run(&["--quick-add-key", &primary, kind, "sign", "1y"]);
        }
        let keys = keys(&gpg.export(name), &pin(&primary));
        for by in gpg.prints(name) {
            for options in [
                &["--digest-algo", "SHA256"][..],
                &["--digest-algo", "SHA512", "--armor"],
            ] {
                let signature = gpg.sign(&by, options, &data);
                let verified = checked(&signature, &keys, &data).unwrap();
                let signer = verified.signer.unwrap();
                assert_eq!(
                    (signer.primary.to_string(), signer.key.to_string()),
                    (primary.clone(), by.clone())
                );
                assert_eq!(signer.user, name);
                // Other bytes, fewer, more, none.
                for other in [
                    &data[1..],
                    &data[..data.len() - 1],
                    &[&data[..], b"!"].concat(),
                    b"",
                ] {
                    let refused = checked(&signature, &keys, other);
                    assert!(
                        matches!(refused, Err(Refusal::BadSignature { .. })),
                        "{refused:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn keys_that_are_not_pinned_or_not_known_vouch_for_nothing() {
    let gpg = Gpg::new();
    let (good, other) = (gpg.key("Good", ED25519), gpg.key("Other", ED25519));
    let both = [gpg.export("Good"), gpg.export("Other")].concat();
    let signature = gpg.sign(&other, &[], b"data");
    let refused = checked(&signature, &keys(&both, &pin(&good)), b"data").unwrap_err();
    let print: Fingerprint = other.parse().unwrap();
    assert_eq!(
        refused,
        Refusal::NotPinned {
            key: print.clone(),
            primary: print
        }
    );
    let refused =
        checked(&signature, &keys(&gpg.export("Good"), &pin(&good)), b"data").unwrap_err();
    assert_eq!(refused, Refusal::UnknownKey { key: other.clone() });
    assert!(checked(&signature, &keys(&both, &Pins::AsGiven), b"data").is_ok());
    // Two signatures of a file: one that is trusted is enough.
    let two = [signature.clone(), gpg.sign(&good, &[], b"data")].concat();
    let signer = checked(&two, &keys(&both, &pin(&good)), b"data")
        .unwrap()
        .signer
        .unwrap();
    assert_eq!(signer.key.to_string(), good);
    let read = Keys::read(&[("other.gpg", &gpg.export("Other"))], &pin(&good));
    assert!(matches!(read, Err(Refusal::NoPinnedKey { .. })), "{read:?}");
    for file in [
        &b""[..],
        b"hello",
        &signature,
        b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n",
    ] {
        let read = Keys::read(&[("none", file)], &Pins::AsGiven);
        assert!(matches!(read, Err(Refusal::NoKeys { .. })), "{read:?}");
    }
    for none in [&b""[..], b"hello", &both] {
        let refused = checked(none, &keys(&both, &Pins::AsGiven), b"data");
        assert!(
            matches!(refused, Err(Refusal::NoSignature(_))),
            "{refused:?}"
        );
    }
}

#[test]
fn expired_keys_and_signatures_are_refused_with_the_day() {
    let gpg = Gpg::new();
    let data = b"data";
    let primary = gpg.key("Short", &["ed25519", "cert,sign", "100d"]);
    gpg.run(&["--quick-add-key", &primary, "ed25519", "sign", "10d"]);
    let keys = keys(&gpg.export("Short"), &pin(&primary));
    let subkey = gpg.prints("Short")[1].clone();
    let now = SystemTime::now();
    let (by_primary, by_subkey) = (gpg.sign(&primary, &[], data), gpg.sign(&subkey, &[], data));
    let expired = |key: &str, refused: Result<Verified, Refusal>| match refused {
        Err(why @ Refusal::KeyExpired { .. }) => assert!(why.to_string().contains(key), "{why}"),
        other => panic!("{other:?}"),
    };
    assert!(checked_at(&by_subkey, &keys, data, now + days(9)).is_ok());
    expired(&subkey, checked_at(&by_subkey, &keys, data, now + days(11)));
    assert!(checked_at(&by_primary, &keys, data, now + days(99)).is_ok());
    expired(
        &primary,
        checked_at(&by_primary, &keys, data, now + days(101)),
    );
    // A subkey of an expired key that is to live on.
    expired(&primary, {
        gpg.run(&["--quick-add-key", &primary, "rsa2048", "sign", "never"]);
        let late = gpg.prints("Short")[2].clone();
        checked_at(
            &gpg.sign(&late, &[], data),
            &self::keys(&gpg.export("Short"), &pin(&primary)),
            data,
            now + days(101),
        )
    });
    // The clock of this machine is far behind.
    let refused = checked_at(&by_primary, &keys, data, now - days(3));
    assert!(
        matches!(refused, Err(Refusal::NotYet { .. })),
        "{refused:?}"
    );
    let refused = checked_at(&by_primary, &keys, data, SystemTime::UNIX_EPOCH - days(1));
    assert!(
        matches!(refused, Err(Refusal::NotYet { .. })),
        "{refused:?}"
    );
    let for_a_day = gpg.sign(&primary, &["--default-sig-expire", "1d"], data);
    assert!(checked_at(&for_a_day, &keys, data, now).is_ok());
    let refused = checked_at(&for_a_day, &keys, data, now + days(2));
    assert!(
        matches!(refused, Err(Refusal::SignatureExpired { .. })),
        "{refused:?}"
    );
    // Extended: the same signature is good for longer.
    gpg.run(&["--quick-set-expire", &primary, "300d"]);
    let extended = self::keys(&gpg.export("Short"), &pin(&primary));
    assert!(checked_at(&by_primary, &extended, data, now + days(101)).is_ok());
}

#[test]
fn revoked_keys_are_refused_with_the_reason() {
    let gpg = Gpg::new();
    let primary = gpg.key("Gone", ED25519);
    gpg.run(&["--quick-add-key", &primary, "ed25519", "sign", "never"]);
    let subkey = gpg.prints("Gone")[1].clone();
    let (by_primary, by_subkey) = (
        gpg.sign(&primary, &[], b"data"),
        gpg.sign(&subkey, &[], b"data"),
    );
    let before = keys(&gpg.export("Gone"), &pin(&primary));
    gpg.edit("Gone", "key 1\nrevkey\ny\n1\nstolen\n\ny\nsave\n");
    let after = keys(&gpg.export("Gone"), &pin(&primary));
    assert!(checked(&by_subkey, &before, b"data").is_ok());
    assert!(checked(&by_primary, &after, b"data").is_ok());
    match checked(&by_subkey, &after, b"data") {
        Err(Refusal::KeyRevoked { key, why }) => {
            assert_eq!((key.to_string(), &why[..]), (subkey, "stolen"))
        }
        other => panic!("{other:?}"),
    }
    // As gpg keeps it for this case: a colon keeps it from being used by accident.
    let file = gpg
        .0
        .path()
        .join("openpgp-revocs.d")
        .join(format!("{primary}.rev"));
    let text = fs::read_to_string(&file)
        .unwrap()
        .replace(":-----BEGIN", "-----BEGIN");
    fs::write(&file, text).unwrap();
    gpg.run(&["--import", path(&file)]);
    let after = keys(&gpg.export("Gone"), &pin(&primary));
    for signature in [by_primary, by_subkey] {
        match checked(&signature, &after, b"data") {
            Err(Refusal::KeyRevoked { key, .. }) => assert_eq!(key.to_string(), primary),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn keys_for_other_things_and_weak_hashes_are_refused() {
    let gpg = Gpg::new();
    let rsa = gpg.key("Usage", &["rsa2048", "cert,sign", "never"]);
    for hash in ["SHA1", "RIPEMD160"] {
        let signature = gpg.sign(&rsa, &["--digest-algo", hash], b"data");
        match checked(&signature, &keys(&gpg.export("Usage"), &pin(&rsa)), b"data") {
            Err(Refusal::WeakHash { hash: found, .. }) => assert_eq!(found, hash),
            other => panic!("{other:?}"),
        }
    }
    let text = gpg.sign(&rsa, &["--textmode"], b"data");
    let refused = checked(&text, &keys(&gpg.export("Usage"), &pin(&rsa)), b"data");
    assert!(matches!(refused, Err(Refusal::WrongKind(_))), "{refused:?}");
    // Signing is taken from it after it has signed.
    let signature = gpg.sign(&rsa, &[], b"data");
    gpg.edit("Usage", "change-usage\ns\nq\nsave\n");
    let refused = checked(&signature, &keys(&gpg.export("Usage"), &pin(&rsa)), b"data");
    assert!(
        matches!(refused, Err(Refusal::WrongUsage { .. })),
        "{refused:?}"
    );
    // A key whose own signature can be forged.
    gpg.run(&[
        "--cert-digest-algo",
        "SHA1",
        "--quick-gen-key",
        "Weak",
        "rsa2048",
        "cert,sign",
        "never",
    ]);
    let weak = gpg.prints("Weak")[0].clone();
    let signature = gpg.sign(&weak, &["--digest-algo", "SHA256"], b"data");
    let refused = checked(&signature, &keys(&gpg.export("Weak"), &pin(&weak)), b"data");
    assert!(
        matches!(&refused, Err(Refusal::WeakHash { hash, .. }) if hash == "SHA1"),
        "{refused:?}"
    );
}

/// A signature and a key, cut off and changed everywhere: never taken for other bytes, and nothing panics.
#[test]
fn damaged_signatures_and_keys_vouch_for_nothing() {
    let gpg = Gpg::new();
    let primary = gpg.key("Fine", ED25519);
    gpg.run(&["--quick-add-key", &primary, "ed25519", "sign", "never"]);
    let subkey = gpg.prints("Fine")[1].clone();
    let (file, signature) = (gpg.export("Fine"), gpg.sign(&subkey, &[], b"data"));
    let trusted = keys(&file, &pin(&primary));
    for at in 0..signature.len() {
        assert!(
            checked(&signature[..at], &trusted, b"data").is_err(),
            "cut at {at}"
        );
        for bit in [0, 3, 7] {
            let mut changed = signature.clone();
            changed[at] ^= 1 << bit;
            // Parts of a signature are not signed: who is said to have made it, the lengths of packets.
            if let Ok(verified) = checked(&changed, &trusted, b"data") {
                assert_eq!(verified.signer.unwrap().key.to_string(), subkey, "at {at}");
            }
            assert!(checked(&changed, &trusted, b"date").is_err(), "at {at}");
        }
    }
    for at in 0..file.len() {
        let mut changed = file.clone();
        changed[at] ^= 4;
        for file in [&changed[..], &file[..at]] {
            let Ok(keys) = Keys::read(&[("changed", file)], &pin(&primary)) else {
                continue;
            };
            if let Ok(verified) = checked(&signature, &keys, b"data") {
                assert_eq!(
                    verified.signer.unwrap().primary.to_string(),
                    primary,
                    "at {at}"
                );
            }
        }
    }
}

/// A stranger's certificate whose subkey is the one that signed: it does not say that it is his.
#[test]
fn a_subkey_belongs_to_the_key_that_it_says_itself() {
    let (gpg, thief) = (Gpg::new(), Gpg::new());
    let owner = gpg.key("Owner", ED25519);
    gpg.run(&["--quick-add-key", &owner, "ed25519", "sign", "never"]);
    let subkey = gpg.prints("Owner")[1].clone();
    let signature = gpg.sign(&subkey, &[], b"data");
    let stranger = thief.key("Stranger", ED25519);
    // His packets, then the owner's subkey with the signature that binds it to the owner.
    let packets = packets(&gpg.export("Owner"));
    let taken: Vec<u8> = [thief.export("Stranger"), packets[3..].concat()].concat();
    let keys = Keys::read(&[("stolen", &taken)], &pin(&stranger)).unwrap();
    let refused = checked(&signature, &keys, b"data").unwrap_err();
    assert!(matches!(refused, Refusal::NotBound { .. }), "{refused}");
}

/// The packets of a file that gpg wrote, in its old format.
fn packets(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    while let Some(tag) = bytes.first() {
        let (header, length) = match tag & 3 {
            0 => (2, usize::from(bytes[1])),
            _ => (3, usize::from(bytes[1]) << 8 | usize::from(bytes[2])),
        };
        let (packet, rest) = bytes.split_at(header + length);
        packets.push(packet.to_vec());
        bytes = rest;
    }
    packets
}

#[test]
fn digests_are_read_as_release_files_list_them() {
    let sum = |digit: &str| digit.repeat(128);
    let file = format!(
        "# MD5 HASH\n00  a.bin\n# SHA1 HASH\n11  a.bin\n# SHA512 HASH\n{}  a.bin\n{}  b.bin\n{} *c.bin\n{}  c.bin\nxy  d.bin\n",
        sum("a"),
        sum("b"),
        sum("c"),
        sum("d"),
    );
    let mut check = Check::insecure().and_digest(digest_of(&file, "a.bin").unwrap());
    check.update(b"something");
    let why = check.finish().unwrap_err().to_string();
    assert!(why.contains(&sum("a")), "{why}");
    for (name, why) in [
        ("none.bin", "no SHA512 is listed for this name"),
        ("c.bin", "it is listed twice, with different values"),
        ("d.bin", "what stands there is no SHA512"),
    ] {
        assert_eq!(
            digest_of(&file, name),
            Err(Refusal::NoDigest {
                name: name.into(),
                why
            })
        );
    }
    assert!(digest_of("", "a.bin").is_err());
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
