//! What a certificate says of its keys, and whether it may be believed: rpgp tells whether the mathematics of a
//! signature are right; when a key is valid and what it is for is decided here (RFC 9580, sections 5.2.3 and 10.1).

use pgp::composed::{SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType, SubpacketData};
use pgp::types::{KeyDetails, Tag};

use super::fingerprint::Fingerprint;
use super::refusal::{Moment, Refusal};

/// Clocks that are no further apart are right.
const APART: u64 = 24 * 60 * 60;

/// Whether the primary key is valid at `now`, and may sign where it has `signed` itself.
pub(super) fn primary(key: &SignedPublicKey, now: u64, signed: bool) -> Result<(), Refusal> {
    let primary = &key.primary_key;
    let own = Fingerprint::of(primary);
    // A key that its owner took back is not for use any more, whenever and with whichever hash that was said.
    let revoked = |signature: &&Signature| {
        signature.typ() == Some(SignatureType::KeyRevocation)
            && signature.verify_key(primary).is_ok()
    };
    if let Some(signature) = key.details.revocation_signatures.iter().find(revoked) {
        return Err(Refusal::KeyRevoked {
            key: own,
            why: words(signature),
        });
    }

    let direct = key.details.direct_signatures.iter().filter(|signature| {
        signature.typ() == Some(SignatureType::Key) && signature.verify_key(primary).is_ok()
    });
    let users = key.details.users.iter().flat_map(|user| {
        let certified = |signature: &&Signature| {
            signature
                .verify_certification(primary, Tag::UserId, &user.id)
                .is_ok()
        };
        let valid: Vec<_> = user.signatures.iter().filter(certified).collect();
        // A name that was taken back says nothing of the key any more.
        let taken_back =
            |signature: &&Signature| signature.typ() == Some(SignatureType::CertRevocation);
        if valid.iter().any(taken_back) {
            Vec::new()
        } else {
            valid
        }
    });
    let newest = newest(
        direct.chain(users),
        now,
        &own,
        "no signature of its own is valid",
    )?;
    made_before(u64::from(primary.created_at().as_secs()), now)?;
    expiry(newest, u64::from(primary.created_at().as_secs()), now, &own)?;
    if signed && !newest.key_flags().sign() {
        return Err(Refusal::WrongUsage { key: own });
    }
    Ok(())
}

/// Whether a subkey of a valid primary key is valid at `now` and may sign.
pub(super) fn subkey(
    key: &SignedPublicKey,
    subkey: &SignedPublicSubKey,
    now: u64,
) -> Result<(), Refusal> {
    let own = Fingerprint::of(&subkey.key);
    let valid: Vec<_> = subkey
        .signatures
        .iter()
        .filter(|signature| {
            signature
                .verify_subkey_binding(&key.primary_key, &subkey.key)
                .is_ok()
        })
        .collect();
    let of = |kind| {
        valid
            .iter()
            .copied()
            .filter(move |signature| signature.typ() == Some(kind))
    };
    if let Some(signature) = of(SignatureType::SubkeyRevocation).next() {
        return Err(Refusal::KeyRevoked {
            key: own,
            why: words(signature),
        });
    }
    let binding = newest(
        of(SignatureType::SubkeyBinding),
        now,
        &own,
        "no signature of the primary key for it is valid",
    )?;
    let created = u64::from(subkey.key.created_at().as_secs());
    made_before(created, now)?;
    expiry(binding, created, now, &own)?;
    if !binding.key_flags().sign() {
        return Err(Refusal::WrongUsage { key: own });
    }
    // Otherwise anybody could say that a stranger's key is a subkey of his own.
    let back = binding.embedded_signature().filter(|back| {
        weak(back).is_none()
            && back
                .verify_primary_key_binding(&subkey.key, &key.primary_key)
                .is_ok()
    });
    match back {
        Some(_) => Ok(()),
        None => Err(Refusal::NotBound {
            key: own,
            why: "it does not say itself that it belongs to the primary key".into(),
        }),
    }
}

/// The newest of some signatures that are valid otherwise; it counts alone.
fn newest<'a>(
    signatures: impl Iterator<Item = &'a Signature>,
    now: u64,
    key: &Fingerprint,
    none: &str,
) -> Result<&'a Signature, Refusal> {
    let (mut newest, mut refused) = (None::<(u64, &Signature)>, None);
    for signature in signatures {
        let Some(made) = made(signature).filter(|_| understood(signature)) else {
            continue;
        };
        if let Some(hash) = weak(signature) {
            refused = Some(Refusal::WeakHash {
                what: format!("the key {key}"),
                hash,
            });
        } else if let Err(why) = made_before(made, now).and_then(|()| lasting(signature, now)) {
            refused = Some(why);
        } else if newest.is_none_or(|(before, _)| before <= made) {
            newest = Some((made, signature));
        }
    }
    match newest {
        Some((_, signature)) => Ok(signature),
        None => Err(refused.unwrap_or_else(|| Refusal::NotBound {
            key: key.clone(),
            why: none.into(),
        })),
    }
}

/// The name of a signature's hash where it can be forged, or nothing is known of it.
pub(super) fn weak(signature: &Signature) -> Option<String> {
    match signature.hash_alg() {
        Some(
            HashAlgorithm::Sha224
            | HashAlgorithm::Sha256
            | HashAlgorithm::Sha384
            | HashAlgorithm::Sha512
            | HashAlgorithm::Sha3_256
            | HashAlgorithm::Sha3_512,
        ) => None,
        Some(other) => Some(other.to_string()),
        None => Some("an unknown hash".into()),
    }
}

/// When a signature was made, as it says itself.
pub(super) fn made(signature: &Signature) -> Option<u64> {
    signature.created().map(|made| u64::from(made.as_secs()))
}

/// Whether nothing stands in it that must not be passed over: a critical notation is a condition that only its author
/// knows.
pub(super) fn understood(signature: &Signature) -> bool {
    let unknown = |data: &SubpacketData| matches!(data, SubpacketData::Notation(_));
    signature.config().is_some_and(|config| {
        !config
            .hashed_subpackets()
            .any(|packet| packet.is_critical && unknown(&packet.data))
    })
}

/// Whether a signature has not expired.
pub(super) fn lasting(signature: &Signature, now: u64) -> Result<(), Refusal> {
    let lasts = signature
        .signature_expiration_time()
        .map_or(0, |lasts| u64::from(lasts.as_secs()));
    let on = made(signature).unwrap_or(0) + lasts;
    if lasts != 0 && on <= now {
        return Err(Refusal::SignatureExpired { on: Moment(on) });
    }
    Ok(())
}

pub(super) fn made_before(made: u64, now: u64) -> Result<(), Refusal> {
    if made > now + APART {
        return Err(Refusal::NotYet {
            made: Moment(made),
            now: Moment(now),
        });
    }
    Ok(())
}

fn expiry(signature: &Signature, created: u64, now: u64, key: &Fingerprint) -> Result<(), Refusal> {
    let lasts = signature
        .key_expiration_time()
        .map_or(0, |lasts| u64::from(lasts.as_secs()));
    if lasts != 0 && created + lasts <= now {
        return Err(Refusal::KeyExpired {
            key: key.clone(),
            on: Moment(created + lasts),
        });
    }
    Ok(())
}

/// What the owner wrote of the reason, as one line.
fn words(revocation: &Signature) -> String {
    let words = revocation
        .revocation_reason_string()
        .map(|words| words.to_vec())
        .unwrap_or_default();
    String::from_utf8_lossy(&words)
        .chars()
        .filter(|char| !char.is_control())
        .take(200)
        .collect()
}
