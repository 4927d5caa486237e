//! What vouches for an image: its signature with the keys that count, or a digest that a person gave.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use pilotlight_core::hex;
use sha2::{Digest as _, Sha256};

use crate::document::{SMALL, document, regular_file};
use crate::error::InstallError;
use crate::image::{Check, Digest, FLATCAR, Fingerprint, Keys, Pins, digest_of};
use crate::located::{Located, file_name};
use crate::request::Trust;
use crate::source::Network;
use crate::voice::Voice;

/// Where keys are looked for that nobody names, the first folder that there is.
pub const KEY_FOLDERS: &[&str] = &["/etc/pilotlight/keys", "/usr/share/pilotlight/keys"];
/// How many keys a folder may hold.
const KEYS: usize = 64;

/// What vouches for an image.
pub(crate) struct Vouched {
    pub(crate) check: Check,
    /// What tells the image from others.
    pub(crate) identity: Option<String>,
    /// Who does, in words.
    pub(crate) words: String,
    /// The signature, where there is one.
    pub(crate) signature: Option<Vec<u8>>,
}

pub(crate) fn vouched(
    located: &Located,
    trust: &Trust,
    network: &Network,
    voice: &Arc<dyn Voice>,
) -> Result<Vouched, InstallError> {
    let given = given_digest(located, trust)?;
    let vouched = signed(located, trust, given.as_ref(), network, voice)?;
    // The first is the stream's, which came from the same server as the image.
    let Some(digest) = given.or(located.digest) else {
        return Ok(vouched);
    };
    let identity = (vouched.identity).or_else(|| given.map(|digest| format!("{digest:?}")));
    Ok(Vouched {
        check: vouched.check.and_digest(digest),
        identity,
        ..vouched
    })
}

fn signed(
    located: &Located,
    trust: &Trust,
    given: Option<&Digest>,
    network: &Network,
    voice: &Arc<dyn Voice>,
) -> Result<Vouched, InstallError> {
    let unsigned = |words: String| Vouched {
        check: Check::insecure(),
        identity: None,
        words,
        signature: None,
    };
    if trust.insecure {
        return Ok(unsigned(format!(
            "WARNING: {} IS NOT VERIFIED, because --insecure was given: whoever can change it has the machine",
            located.shown
        )));
    }
    let place = trust.signature.as_ref().or(located.signature.as_ref());
    let by_digest = |why: &str| {
        given.map(|_| {
            unsigned(format!(
                "{} has to have the digest that was given ({why})",
                located.shown
            ))
        })
    };
    let Some(place) = place else {
        let why = "it comes without a signature";
        return by_digest(why).ok_or_else(|| {
            InstallError::Unverified(format!("nobody vouches for {}: {why}; name one with --signature, a digest with --digest, or say --insecure", located.shown))
        });
    };
    let signature = match document(place, SMALL, network, voice) {
        Ok(signature) => signature,
        Err(error) => {
            return by_digest("without a signature").ok_or_else(|| {
                InstallError::Unverified(format!("nobody vouches for {}: {error}; put the signature there, name it with --signature, or say --insecure", located.shown))
            });
        }
    };
    let keys = keys(trust)?;
    let check = Check::signature(&signature, &keys, SystemTime::now()).map_err(|refusal| {
        InstallError::Unverified(format!(
            "{} does not vouch for the image: {refusal}",
            place.shown()
        ))
    })?;
    let identity = hex::encode(&Sha256::digest(&signature));
    Ok(Vouched {
        check,
        identity: Some(identity),
        words: format!("{} is checked by {}", located.shown, place.shown()),
        signature: Some(signature),
    })
}

/// The keys that count.
fn keys(trust: &Trust) -> Result<Keys, InstallError> {
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    let folder = match trust.keys.is_empty() {
        true => keys_in_folder(),
        false => Vec::new(),
    };
    for path in trust.keys.iter().chain(&folder) {
        files.push((path.display().to_string(), regular_file(path)?));
    }
    if files.is_empty() {
        return Err(InstallError::Unverified(format!(
            "there is no key that could vouch for the image: name one with --key, or put it into {}",
            KEY_FOLDERS[0]
        )));
    }
    let pins = match (trust.pins.is_empty(), trust.keys.is_empty()) {
        (false, _) => Pins::Only(trust.pins.clone()),
        (true, false) => Pins::AsGiven,
        (true, true) => {
            let flatcar: Result<Fingerprint, String> = FLATCAR.parse();
            Pins::Only(vec![flatcar.map_err(InstallError::Unverified)?])
        }
    };
    let files: Vec<(&str, &[u8])> = (files.iter())
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
        .collect();
    Keys::read(&files, &pins).map_err(|refusal| InstallError::Unverified(refusal.to_string()))
}

/// The files of the first folder of keys that there is, in the order of their names.
fn keys_in_folder() -> Vec<PathBuf> {
    let folder = KEY_FOLDERS.iter().find(|folder| Path::new(folder).is_dir());
    let mut paths: Vec<PathBuf> = (folder.and_then(|folder| std::fs::read_dir(folder).ok()))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .take(KEYS)
        .collect();
    paths.sort();
    paths
}

/// The digest that a person gave, by itself or in a list.
fn given_digest(located: &Located, trust: &Trust) -> Result<Option<Digest>, InstallError> {
    match (&trust.digest, &trust.digests) {
        (Some(digest), _) => Ok(Some(*digest)),
        (None, None) => Ok(None),
        (None, Some(path)) => {
            let shown = path.display().to_string();
            let text = regular_file(path)?;
            let name = file_name(&located.place).unwrap_or_default();
            let found = digest_of(&String::from_utf8_lossy(&text), name);
            found.map(Some).map_err(|refusal| {
                InstallError::Unverified(format!("{shown} does not vouch for the image: {refusal}"))
            })
        }
    }
}
