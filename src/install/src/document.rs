//! Small documents, whole: configs, signatures, keys, lists of digests.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use crate::error::{InstallError, reading};
use crate::source::{Network, Place};
use crate::voice::Voice;

/// Largest key, signature and DIGESTS file, in bytes.
pub(crate) const SMALL: u64 = 1 << 20;

/// A document from anywhere, of at most `limit` bytes.
pub(crate) fn document(
    place: &Place,
    limit: u64,
    network: &Network,
    voice: &Arc<dyn Voice>,
) -> Result<Vec<u8>, InstallError> {
    let bounded = |bytes: Vec<u8>| match bytes.len() as u64 > limit {
        true => Err(io::Error::other(format!("it is larger than {limit} bytes"))),
        false => Ok(bytes),
    };
    let read = match place {
        Place::Url(url) => return Ok(network.document(url, limit, voice)?),
        // A pipe will do, as a shell makes one of a program's output.
        Place::File(path) => File::open(path).and_then(|file| {
            let mut bytes = Vec::new();
            file.take(limit + 1).read_to_end(&mut bytes)?;
            bounded(bytes)
        }),
        Place::Stdin => {
            let mut bytes = Vec::new();
            (io::stdin().take(limit + 1).read_to_end(&mut bytes)).and_then(|_| bounded(bytes))
        }
    };
    read.map_err(reading(&place.shown()))
}

/// A regular file of at most [`SMALL`] bytes that has to be there.
pub(crate) fn regular_file(path: &Path) -> Result<Vec<u8>, InstallError> {
    pilotlight_sys::read_regular(path, SMALL)
        .and_then(|bytes| bytes.ok_or_else(|| io::ErrorKind::NotFound.into()))
        .map_err(reading(&path.display().to_string()))
}
