//! The kernel command line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pilotlight_providers::cmdline::{arguments, config_url};

fuzz_target!(|line: &str| {
    config_url(line);
    let list = arguments(line);
    let quoted: Vec<String> = list
        .iter()
        .map(|argument| format!("\"{argument}\""))
        .collect();
    assert_eq!(arguments(&quoted.join(" ")), list);
});
