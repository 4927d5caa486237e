//! `data:` URLs.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pilotlight_core::dataurl::{decode, encode};

fuzz_target!(|bytes: &[u8]| {
    assert_eq!(decode(&encode(bytes)).as_deref(), Ok(bytes));
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    for url in [
        text,
        &format!("data:{text}"),
        &format!("data:;base64,{text}"),
    ] {
        if let Ok(data) = decode(url) {
            assert!(data.len() <= url.len());
            assert_eq!(decode(&encode(&data)), Ok(data));
        }
    }
});
