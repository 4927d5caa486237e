//! The front door: any bytes, in whichever language they are taken for.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pilotlight_fuzz::front_door(None, bytes));
