//! Firmware for a card: archives, and paths within them.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use pilotlight_install::card::Firmware;

fuzz_target!(|bytes: &[u8]| {
    let Ok(firmware) = Firmware::from_archive(Cursor::new(bytes)) else {
        return;
    };
    for path in firmware.files.keys() {
        assert!(path.split('/').all(|part| !matches!(part, "" | "." | "..")));
        assert!(path.is_ascii() && !path.contains(['\\', '\0', ':']));
        assert!(!path.to_ascii_lowercase().starts_with("efi/"));
    }
});
