//! The config cache: the merged config from the fetch stages to the later ones.
//!
//! Beside the config, in the form that Ignition itself reads, stands where each value was first
//! written, so that an error in a late stage still points at the user's own line.

use std::path::{Path, PathBuf};

use pilotlight_core::diag::{Report, Sources};
use pilotlight_core::{cache, model, validate};
use pilotlight_host::read_bounded;

use crate::acquire::Acquired;
use crate::failure::Failure;

/// The file with the places.
fn origins(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".origins");
    name.into()
}

/// Writes the cache. The config comes last: its presence says that all is there.
///
/// As long as the rehearsal goes after it, memory holds the config once, as what it means.
pub fn write(path: &Path, acquired: &mut Acquired) -> Result<(), Failure> {
    let encoded = cache::encode(&std::mem::take(&mut acquired.wire));
    let places = cache::origins(&encoded, &acquired.sources);
    for (path, text, mode) in [
        (origins(path), places, 0o600),
        (path.to_path_buf(), encoded.text, 0o640),
    ] {
        pilotlight_sys::replace_file(&path, &text, mode).map_err(|error| {
            Failure::new(format!(
                "while writing the config cache {}: {error}",
                path.display()
            ))
        })?;
    }
    Ok(())
}

/// SHA-256 of a config as the cache would hold it, in hexadecimal digits.
pub fn digest(acquired: &Acquired) -> String {
    cache::digest(&cache::encode(&acquired.wire).text)
}

/// What the cache holds.
pub struct Cached {
    /// The merged config.
    pub config: model::Config,
    /// The texts that it was written in.
    pub sources: Sources,
    /// SHA-256 of the config, in hexadecimal digits.
    pub digest: String,
}

/// Reads the cache.
pub fn read(path: &Path) -> Result<Cached, Failure> {
    let broken = |why: String| {
        Failure::new(format!(
            "while reading the config cache {}: {why}",
            path.display()
        ))
    };
    let bytes = |path: &Path| read_bounded(path).map_err(|error| broken(error.to_string()));
    let Some(config) = bytes(path)? else {
        return Err(broken(
            "it does not exist; the fetch stages write it".into(),
        ));
    };
    let digest = cache::digest(&config);
    let config = String::from_utf8(config).map_err(|error| broken(error.to_string()))?;
    let places = bytes(&origins(path))?;
    let mut sources = Sources::default();
    let mut report = Report::default();
    let name = path.display().to_string();
    let decoded = match cache::decode(&mut sources, &name, config, places.as_deref()) {
        Ok(wire) => validate::lower(&wire, validate::Stage::Merged, &mut report),
        Err(found) => {
            report = found;
            None
        }
    };
    match decoded {
        Some(config) if !report.has_errors() => Ok(Cached {
            config,
            sources,
            digest,
        }),
        _ => Err(Failure { report, sources }),
    }
}
