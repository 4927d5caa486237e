//! The kernel command line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pilotlight_core::cmdline::{FirstBoot, last_value, words};
use pilotlight_providers::cmdline::config_url;

fuzz_target!(|line: &str| {
    config_url(line);
    FirstBoot::of(line);
    last_value(line, &["ignition.platform.id", "root"]);
    // Marks in the middle of an argument are its own, and no second pair may stand around it.
    let plain: Vec<String> = words(line)
        .into_iter()
        .filter(|word| !word.contains('"'))
        .collect();
    let quoted: Vec<String> = plain.iter().map(|word| format!("\"{word}\"")).collect();
    assert_eq!(words(&quoted.join(" ")), plain);
});
