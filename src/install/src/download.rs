//! An image into a directory, with its signature beside it: whole and verified, or not at all.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::InstallError;
use crate::located::{file_name, locate};
use crate::request::Download;
use crate::source;
use crate::voice::Voice;
use crate::vouched::vouched;

/// Bytes that are read at once.
const CHUNK: usize = 256 << 10;

/// Downloads and verifies the image that is asked for; answers its path. Until it is verified it has another name.
pub fn download(
    asked: &Download,
    directory: &Path,
    voice: &Arc<dyn Voice>,
) -> Result<PathBuf, InstallError> {
    let located = locate(&asked.image, None, &asked.network, voice)?;
    let name = file_name(&located.place)
        .filter(|name| !matches!(*name, "" | "." | ".."))
        .ok_or_else(|| {
            InstallError::Asked(format!(
                "{} has no name that a file could have",
                located.shown
            ))
        })?;
    let vouched = vouched(&located, &asked.trust, &asked.network, voice)?;
    voice.note(&vouched.words);
    let path = directory.join(name);
    let during = |path: &Path| {
        let what = path.display().to_string();
        move |cause: io::Error| InstallError::Io { what, cause }
    };
    let partial = directory.join(format!(".{name}.part"));
    let mut opened = source::open(&located.place, &asked.network, voice)
        .map_err(during(Path::new(&located.shown)))?;
    let mut check = vouched.check;
    let mut fetch = || -> Result<(), InstallError> {
        let mut file = File::create(&partial).map_err(during(&partial))?;
        let mut buffer = vec![0; CHUNK];
        loop {
            let read = match opened.bytes.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(during(Path::new(&located.shown))(error)),
            };
            check.update(&buffer[..read]);
            file.write_all(&buffer[..read]).map_err(during(&partial))?;
        }
        file.sync_all().map_err(during(&partial))
    };
    let done = fetch().and_then(|()| {
        check
            .finish()
            .map_err(|refusal| InstallError::Unverified(format!("{}: {refusal}", located.shown)))
    });
    if let Err(error) = done {
        // The first error is the one to report.
        let _ = fs::remove_file(&partial);
        return Err(error);
    }
    if let Some(signature) = vouched.signature {
        let beside = directory.join(format!("{name}.sig"));
        pilotlight_sys::replace_file(&beside, &signature, 0o644).map_err(during(&beside))?;
    }
    fs::rename(&partial, &path).map_err(during(&path))?;
    Ok(path)
}
