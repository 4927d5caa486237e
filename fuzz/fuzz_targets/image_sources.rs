//! What servers say of where images are: stream metadata, and version.txt of Flatcar's releases.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pilotlight_install::located::sha256;
use pilotlight_install::release::Release;
use pilotlight_install::stream::Stream;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(stream) = Stream::parse(bytes) {
        // All that is listed can be chosen by its name, and is the same then.
        for listed in stream.list(None).iter().take(64) {
            let [architecture, platform, format] = &listed.key;
            let chosen = stream.choose(architecture, platform, format);
            assert_eq!(chosen.as_ref(), Ok(listed));
            assert!(stream.list(Some(architecture)).contains(listed));
            let digits = &listed.artifact.sha256;
            let is_one = digits.len() == 64 && digits.bytes().all(|c| c.is_ascii_hexdigit());
            assert_eq!(sha256(digits).is_ok(), is_one, "{digits:?}");
        }
        if let Err(error) = stream.choose("x86_64", "metal", "raw.xz") {
            let _ = error.to_string();
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let release = Release {
            base: Some("http://mirror/x/".into()),
            channel: "stable".into(),
            board: "amd64-usr".into(),
            version: "current".into(),
            oem: String::new(),
        };
        // Whatever a server says: the image is below the mirror, one folder down.
        if let Ok(resolved) = release.resolved(text) {
            let url = resolved.image_url();
            let below = url.strip_prefix("http://mirror/x/").unwrap_or_default();
            let parts: Vec<&str> = below.split('/').collect();
            assert!(parts.len() == 2 && parts[0] != ".." && parts[0] != ".", "{url}");
        }
    }
});
