//! User data as clouds deliver it: what is wrapped means what it means without its wrapping.
#![no_main]

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use libfuzzer_sys::fuzz_target;
use pilotlight_core::cache;
use pilotlight_core::dataurl;
use pilotlight_core::diag::Sources;
use pilotlight_fuzz::{front_door, read};

fuzz_target!(|bytes: &[u8]| {
    let Some((layers, inside)) = bytes.split_first() else {
        return;
    };
    // Two bits for each layer, from the innermost.
    let mut wrapped = inside.to_vec();
    for layer in [layers & 3, layers >> 2 & 3, layers >> 4 & 3] {
        wrapped = match layer {
            1 => gzip(&wrapped),
            2 => base64(&wrapped).into_bytes(),
            3 => mime(&wrapped).into_bytes(),
            _ => wrapped,
        };
    }
    front_door(None, &wrapped);
    if let (Some(expected), Some(found)) = (meaning(inside), meaning(&wrapped)) {
        assert_eq!(expected, found);
    }
});

fn meaning(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut sources = Sources::default();
    let config = read(&mut sources, None, bytes).config?;
    Some(cache::encode(&config).text)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).expect("memory is written");
    gzip.finish().expect("memory is written")
}

fn base64(bytes: &[u8]) -> String {
    let url = dataurl::encode(bytes);
    url.split_once(',').map_or("", |(_, data)| data).to_owned()
}

fn mime(bytes: &[u8]) -> String {
    format!(
        "Content-Type: multipart/mixed; boundary=\"x\"\nMIME-Version: 1.0\n\n--x\nContent-Type: text/plain\n\
         Content-Transfer-Encoding: base64\n\n{}\n--x--\n",
        base64(bytes)
    )
}
