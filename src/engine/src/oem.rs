//! `oem:///FILE`: contents from the OEM partition, where the initramfs has mounted it.

use std::path::Path;

use pilotlight_core::dataurl;
use pilotlight_core::translate::LocalFiles as _;
use pilotlight_sys::LocalDirectory;

/// The file as a `data:` URL, from the first of the directories that has it. Nothing above them is read.
pub fn data_url(url: &str, directories: &[&str]) -> Result<String, String> {
    let path = url
        .split_once("://")
        .map_or("", |(_, path)| path)
        .trim_start_matches('/');
    let mut why = format!("there is no OEM partition at {}", directories.join(" or "));
    for directory in directories {
        let Ok(opened) = LocalDirectory::open(Path::new(directory)) else {
            continue;
        };
        match opened.read(path) {
            Ok(contents) => return Ok(dataurl::encode(&contents)),
            Err(error) => why = format!("{directory}/{path}: {error}"),
        }
    }
    Err(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_from_the_first_directory_that_has_them() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        std::fs::create_dir_all(at("old/ca")).unwrap();
        std::fs::create_dir_all(at("new")).unwrap();
        std::fs::write(at("old/ca/root.pem"), "old").unwrap();
        std::fs::write(at("old/agent"), "old").unwrap();
        std::fs::write(at("new/agent"), "new").unwrap();
        let (new, old) = (at("new"), at("old"));
        let directories = [new.as_str(), old.as_str()];
        let read =
            |url: &str| data_url(url, &directories).map(|url| dataurl::decode(&url).unwrap());
        assert_eq!(read("oem:///agent").unwrap(), b"new");
        assert_eq!(read("oem:///ca/root.pem").unwrap(), b"old");
        assert!(
            read("oem:///none")
                .unwrap_err()
                .contains("old/none: No such file")
        );
        assert!(read("oem:///../secret").unwrap_err().contains("leads out"));
        let missing = data_url("oem:///a", &["/nonexistent"]).unwrap_err();
        assert_eq!(missing, "there is no OEM partition at /nonexistent");
    }
}
