//! YAML: what is read is bounded, and every place is one of the text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pilotlight_core::yaml;
use pilotlight_fuzz::{NO_SOURCE, spans_fit};

/// The bound that the parser promises, and what it may have made of one event more.
const MOST: usize = (1 << 20) + 1;

fuzz_target!(|text: &str| {
    match yaml::parse(NO_SOURCE, text) {
        Ok(tree) => assert!(spans_fit(&tree, text) <= MOST),
        Err(error) => assert!(error.span.is_some(), "{}", error.message),
    }
    yaml::integer(text);
    yaml::boolean(text);
});
