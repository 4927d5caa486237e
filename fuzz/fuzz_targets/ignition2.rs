//! Ignition 2: its own translation, and that what is appended twice is read as well.
#![no_main]

use pilotlight_core::config::Language;
use pilotlight_core::diag::Sources;
use pilotlight_core::merge;
use pilotlight_fuzz::{front_door, lowered, read};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    front_door(Some(Language::Ignition), bytes);
    let mut sources = Sources::default();
    let parsed = read(&mut sources, Some(Language::Ignition), bytes);
    if let Some(config) = parsed.config.filter(|_| parsed.appends) {
        lowered(&merge::appended(config.clone(), config), &sources);
    }
});
