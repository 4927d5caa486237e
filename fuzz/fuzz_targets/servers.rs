//! What servers without proof of who they are say: TFTP's packets, and the refusals of stores.
//!
//! The files are compiled on their own: all of the crate that they belong to would take minutes.
#![no_main]
#![allow(dead_code)]

#[path = "../../src/fetch/src/refusal_text.rs"]
mod refusal_text;
#[path = "../../src/fetch/src/tftp_packet.rs"]
mod tftp_packet;

/// As much of the crate's errors as the files need.
mod error {
    #[derive(Debug)]
    pub enum Cause {
        Absent(String),
        Refused(String),
    }
}

use libfuzzer_sys::fuzz_target;
use tftp_packet::{BLOCK, Reader, Step};

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    for name in ["Code", "Region", "Endpoint"] {
        if let Some(found) = refusal_text::element(&text, name) {
            assert!(!found.contains('<') && text.contains(found));
            refusal_text::is_word(found);
        }
    }
    refusal_text::region_of(&text);

    // Packets, each behind its length.
    let mut reader = Reader::new();
    let mut rest = bytes;
    while let Some((&length, after)) = rest.split_first() {
        let (packet, after) = after.split_at(usize::from(length).min(after.len()));
        rest = after;
        match reader.take(packet) {
            Ok(Step::Take { bytes, last, .. }) => {
                assert!(bytes.len() <= BLOCK && packet.ends_with(bytes));
                if last {
                    return;
                }
            }
            Ok(_) => {}
            Err(error::Cause::Absent(said) | error::Cause::Refused(said)) => {
                assert!(said.len() < 2000 && !said.contains(char::is_control));
                return;
            }
        }
        if packet.len() % 7 == 3 {
            reader.remind();
        }
    }
});
