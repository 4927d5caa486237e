//! A detached signature that is compared with the bytes as they come.

use std::fmt;

use digest::DynDigest;
use pgp::composed::{Deserializable, DetachedSignature, SignedPublicKey};
use pgp::packet::{PublicKey, PublicSubkey, Signature, SignatureType, SignatureVersionSpecific};
use pgp::types::{KeyDetails, VerifyingKey};

use super::Signer;
use super::fingerprint::Fingerprint;
use super::keys::Keys;
use super::refusal::Refusal;
use super::trust::{lasting, made, made_before, primary, subkey, understood, weak};

/// Signatures that are read from one file: several keys may have signed.
const SIGNATURES: usize = 16;

/// Bytes of a file of signatures that are read.
const LONGEST: usize = 1 << 20;

/// Signatures, all that is wrong with which would be what they were made for.
pub(super) struct Signatures(Vec<Pending>);

struct Pending {
    signature: Signature,
    key: Key,
    hash: Box<dyn DynDigest + Send>,
    signer: Signer,
}

/// The key that is said to have signed.
#[derive(Clone)]
enum Key {
    Primary(Box<PublicKey>),
    Sub(Box<PublicSubkey>),
}

impl Signatures {
    pub(super) fn read(bytes: &[u8], keys: &Keys, now: u64) -> Result<Self, Refusal> {
        let refused = |why: String| Refusal::NoSignature(why);
        if bytes.is_empty() {
            return Err(refused("it is empty".into()));
        }
        if bytes.len() > LONGEST {
            return Err(refused(format!("it has more than {LONGEST} bytes")));
        }
        let (found, _) = DetachedSignature::from_reader_many(bytes)
            .map_err(|cause| refused(cause.to_string()))?;
        let (mut pending, mut why) = (Vec::new(), None);
        for signature in found.take(SIGNATURES) {
            let signature = signature
                .map_err(|cause| refused(cause.to_string()))?
                .signature;
            match begin(signature, keys, now) {
                Ok(valid) => pending.push(valid),
                // The first reason is told; the other signatures may be for others.
                Err(refusal) => why = why.or(Some(refusal)),
            }
        }
        if pending.is_empty() {
            return Err(why.unwrap_or_else(|| refused("it has none".into())));
        }
        Ok(Self(pending))
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        for pending in &mut self.0 {
            pending.hash.update(bytes);
        }
    }

    pub(super) fn finish(self) -> Result<Signer, Refusal> {
        let mut why = None;
        for pending in self.0 {
            match pending.finish() {
                Ok(signer) => return Ok(signer),
                Err(refusal) => why = why.or(Some(refusal)),
            }
        }
        Err(why.unwrap_or_else(|| Refusal::NoSignature("it has none".into())))
    }
}

/// Looks at all that can be known of a signature before the first byte.
fn begin(signature: Signature, keys: &Keys, now: u64) -> Result<Pending, Refusal> {
    let kind = |what: &str| Refusal::WrongKind(what.into());
    let Some(config) = signature.config() else {
        return Err(kind("of a version that is not known"));
    };
    if signature.typ() != Some(SignatureType::Binary) {
        return Err(kind("of a text, a key or something else"));
    }
    if let Some(hash) = weak(&signature) {
        return Err(Refusal::WeakHash {
            what: "the image".into(),
            hash,
        });
    }
    if !understood(&signature) {
        return Err(kind("with a condition that only its author knows"));
    }
    let mut hash = config
        .hash_alg
        .new_hasher()
        .map_err(|_| kind("with an unknown hash"))?;
    match &config.version_specific {
        SignatureVersionSpecific::V4 => {}
        SignatureVersionSpecific::V6 { salt } if config.hash_alg.salt_len() == Some(salt.len()) => {
            hash.update(salt);
        }
        _ => return Err(kind("of version 3, which says nothing of its hash")),
    }
    let Some(made) = made(&signature) else {
        return Err(kind("without the time when it was made"));
    };
    let (certificate, key) = issuer(&signature, keys)?;
    made_before(made, now)?;
    lasting(&signature, now)?;
    primary(certificate, now, matches!(key, Key::Primary(_)))?;
    if let Key::Sub(_) = &key {
        let own = key.fingerprint();
        let of_it = certificate
            .public_subkeys
            .iter()
            .filter(|sub| Fingerprint::of(&sub.key) == own);
        // The same one may be there twice; one that was taken back is so wherever it stands.
        for sub in of_it {
            subkey(certificate, sub, now)?;
        }
    }
    let user = certificate.details.users.first();
    let user = user
        .map(|user| String::from_utf8_lossy(user.id.id()).into_owned())
        .unwrap_or_default();
    let signer = Signer {
        primary: Fingerprint::of(&certificate.primary_key),
        key: key.fingerprint(),
        user: user
            .chars()
            .filter(|char| !char.is_control())
            .take(200)
            .collect(),
        made,
    };
    Ok(Pending {
        signature,
        key,
        hash,
        signer,
    })
}

/// The trusted key that a signature says it is of. That it says so proves nothing yet.
fn issuer<'a>(
    signature: &Signature,
    keys: &'a Keys,
) -> Result<(&'a SignedPublicKey, Key), Refusal> {
    let (prints, ids) = (signature.issuer_fingerprint(), signature.issuer_key_id());
    let named = |key: &dyn KeyDetails| {
        if prints.is_empty() {
            ids.contains(&&key.legacy_key_id())
        } else {
            prints.contains(&&key.fingerprint())
        }
    };
    let among = |keys: &'a [SignedPublicKey]| {
        keys.iter().find_map(|certificate| {
            if named(&certificate.primary_key) {
                return Some((
                    certificate,
                    Key::Primary(Box::new(certificate.primary_key.clone())),
                ));
            }
            let sub = certificate
                .public_subkeys
                .iter()
                .find(|sub| named(&sub.key))?;
            Some((certificate, Key::Sub(Box::new(sub.key.clone()))))
        })
    };
    if let Some(found) = among(&keys.trusted) {
        return Ok(found);
    }
    if let Some((certificate, key)) = among(&keys.others) {
        return Err(Refusal::NotPinned {
            key: key.fingerprint(),
            primary: Fingerprint::of(&certificate.primary_key),
        });
    }
    let key = match (prints.first(), ids.first()) {
        (Some(print), _) => print.to_string().to_uppercase(),
        (None, Some(id)) => id.to_string().to_uppercase(),
        (None, None) => "that it does not name".into(),
    };
    Err(Refusal::UnknownKey { key })
}

impl Pending {
    fn finish(mut self) -> Result<Signer, Refusal> {
        let wrong = || Refusal::BadSignature {
            key: self.signer.key.clone(),
        };
        let config = self.signature.config().ok_or_else(wrong)?;
        let length = config
            .hash_signature_data(&mut self.hash)
            .map_err(|_| wrong())?;
        self.hash
            .update(&config.trailer(length).map_err(|_| wrong())?);
        let hash = self.hash.finalize_reset();
        let value = self.signature.signature().ok_or_else(wrong)?;
        let begins = self
            .signature
            .signed_hash_value()
            .is_some_and(|first| hash.starts_with(&first));
        let right = begins
            && match &self.key {
                Key::Primary(key) => key.verify(config.hash_alg, &hash, value).is_ok(),
                Key::Sub(key) => key.verify(config.hash_alg, &hash, value).is_ok(),
            };
        if right { Ok(self.signer) } else { Err(wrong()) }
    }
}

impl Key {
    fn fingerprint(&self) -> Fingerprint {
        match self {
            Self::Primary(key) => Fingerprint::of(&**key),
            Self::Sub(key) => Fingerprint::of(&**key),
        }
    }
}

impl fmt::Debug for Signatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|pending| &pending.signer))
            .finish()
    }
}
