//! Keys, signatures and files of digests: none vouches for bytes that nobody signed.
#![no_main]

use std::time::{Duration, UNIX_EPOCH};

use libfuzzer_sys::fuzz_target;
use pilotlight_install::image::{Check, Keys, Pins, digest_of};

fuzz_target!(|bytes: &[u8]| {
    let Some((split, bytes)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    let at = usize::from(u16::from_le_bytes(*split)).min(bytes.len());
    let (keys, signature) = bytes.split_at(at);
    if let Ok(keys) = Keys::read(&[("keys", keys)], &Pins::AsGiven) {
        let now = UNIX_EPOCH + Duration::from_secs(1_795_900_000);
        if let Ok(mut check) = Check::signature(signature, &keys, now) {
            check.update(b"what nobody signed");
            assert!(check.finish().is_err());
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        for word in text.split_whitespace().take(8) {
            let _ = digest_of(text, word);
        }
    }
});
