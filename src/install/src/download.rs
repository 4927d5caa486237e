//! An image into a directory, with its signature beside it: whole and verified, or not at all.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::request::Request;
use crate::run::{InstallError, located_without_disk};
use crate::source;
use crate::voice::Voice;

/// Bytes that are read at once.
const CHUNK: usize = 256 << 10;

/// Downloads and verifies the image that is asked for; answers its path. Until it is verified it has another name.
pub fn download(
    request: &Request,
    directory: &Path,
    voice: &Arc<dyn Voice>,
) -> Result<PathBuf, InstallError> {
    let found = located_without_disk(request, voice)?;
    let path = directory.join(&found.name);
    let during = |path: &Path| {
        let what = path.display().to_string();
        move |cause: io::Error| InstallError::Io { what, cause }
    };
    let partial = directory.join(format!(".{}.part", found.name));
    let mut opened = source::open(&found.place, &request.network, voice)
        .map_err(during(Path::new(&found.place.shown())))?;
    let mut check = found.check;
    let mut fetch = || -> Result<(), InstallError> {
        let mut file = File::create(&partial).map_err(during(&partial))?;
        let mut buffer = vec![0; CHUNK];
        loop {
            let read = match opened.bytes.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(during(Path::new(&found.place.shown()))(error)),
            };
            check.update(&buffer[..read]);
            file.write_all(&buffer[..read]).map_err(during(&partial))?;
        }
        file.sync_all().map_err(during(&partial))
    };
    let done = fetch().and_then(|()| {
        check.finish().map_err(|refusal| {
            InstallError::Unverified(format!("{}: {refusal}", found.place.shown()))
        })
    });
    if let Err(error) = done {
        // The first error is the one to report.
        let _ = fs::remove_file(&partial);
        return Err(error);
    }
    if let Some(signature) = found.signature {
        let beside = directory.join(format!("{}.sig", found.name));
        pilotlight_sys::replace_file(&beside, &signature, 0o644).map_err(during(&beside))?;
    }
    fs::rename(&partial, &path).map_err(during(&path))?;
    Ok(path)
}
