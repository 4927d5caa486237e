//! Container Linux Configs.
#![no_main]

use pilotlight_core::config::Language;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    pilotlight_fuzz::front_door(Some(Language::ContainerLinux), bytes);
});
