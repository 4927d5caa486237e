//! The text of a unit, which is part of a config.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::json;

fuzz_target!(|text: &str| {
    let config = json!({
        "ignition": {"version": "3.4.0"},
        "systemd": {"units": [{
            "name": "a.service",
            "enabled": true,
            "contents": text,
            "dropins": [{"name": "b.conf", "contents": text}],
        }]},
    });
    pilotlight_fuzz::front_door(None, config.to_string().as_bytes());
});
