//! The keys of encrypted volumes on their way through the stages, and the end of their making.

use std::path::Path;
use std::time::Duration;

use pilotlight_core::dataurl;
use pilotlight_core::diag::{Diagnostic, Sources};
use pilotlight_core::facts::Facts;
use pilotlight_core::model::{Config, Luks, Resource, Scheme, SysPath};
use pilotlight_core::plan::{crypttab, luks};
use pilotlight_sys::root::Sysroot;
use pilotlight_sys::volumes::KeyStore;
use pilotlight_sys::{DeviceMap, disks};

use crate::blobs::BlobStore;
use crate::executor::Executor;
use crate::failure::Failure;
use crate::options::Options;
use crate::state::Done;

/// Longest key, in bytes (cryptsetup(8), "maximum keyfile size").
const MAX_KEY: u64 = 8 << 20;

/// The keys lie beside the config cache, in memory.
pub fn keys(options: &Options) -> KeyStore {
    let mut name = options.config_cache.as_os_str().to_owned();
    name.push(".keys");
    KeyStore::new(name)
}

/// Puts the keys of the config where the volumes' maker finds them.
pub fn keep_given_keys(
    config: &Config,
    sources: &Sources,
    options: &Options,
) -> Result<(), Failure> {
    let store = BlobStore::beside(&options.config_cache);
    let keys = keys(options);
    for luks in &config.luks {
        let Some(resource) = &luks.key_file else {
            continue;
        };
        let kept = key_bytes(resource, &store).and_then(|key| {
            keys.put(&luks.name, &key)
                .map_err(|error| error.to_string())
        });
        kept.map_err(|cause| Failure::diagnostic(unreadable(luks, &cause), sources.clone()))?;
    }
    Ok(())
}

fn unreadable(luks: &Luks, cause: &str) -> Diagnostic {
    Diagnostic::error(
        luks.at,
        format!(
            "the key of the volume {:?} cannot be used: {cause}",
            luks.name
        ),
    )
}

fn key_bytes(resource: &Resource, store: &BlobStore) -> Result<Vec<u8>, String> {
    if resource.is_fetched() {
        let path = store.path(&resource.blob_key());
        let key =
            pilotlight_sys::read_regular(&path, MAX_KEY).map_err(|error| error.to_string())?;
        return key.ok_or_else(|| "it is not there".into());
    }
    if resource.scheme == Scheme::Empty {
        return Err("it is empty".into());
    }
    dataurl::decode(&resource.url).map_err(|error| error.to_string())
}

/// Forgets all keys of this first boot.
pub fn forget_keys(options: &Options) -> Result<(), Failure> {
    keys(options)
        .clear()
        .map_err(|error| Failure::new(format!("while forgetting the keys of volumes: {error}")))
}

fn list() -> Result<SysPath, Failure> {
    SysPath::parse(crypttab::UNFINISHED).map_err(|error| Failure::new(error.to_string()))
}

/// How long the volumes may take to appear, on a later boot.
const WAIT: Duration = Duration::from_secs(10);

/// Takes the marks away from the volumes that the root lists: after the first-boot marker was removed, or
/// on a later boot if power failed in between.
pub fn finish(root: &Path) -> Result<Done, Failure> {
    let path = list()?;
    let broken = |error: &dyn std::fmt::Display| {
        Failure::new(format!("while finishing the volumes of {path}: {error}"))
    };
    let text = Sysroot::open(root)
        .and_then(|root| root.read_text(&path))
        .map_err(|error| broken(&error))?;
    // The first boot is over: nothing is repeated any more.
    pilotlight_sys::journal::Journal::remove(root).map_err(|error| {
        Failure::new(format!(
            "while removing the journal of the root {}: {error}",
            root.display()
        ))
    })?;
    let Some(text) = text else {
        return Ok(Done::default());
    };
    let text = String::from_utf8_lossy(&text).into_owned();
    let devices: Vec<SysPath> = (text.lines())
        .filter_map(|uuid| SysPath::parse(&format!("/dev/disk/by-uuid/{uuid}")).ok())
        .collect();
    let required: Vec<&SysPath> = devices.iter().collect();
    let disks = disks::observe(disks::Request {
        required: &required,
        optional: &[],
        images: &DeviceMap::new(),
        wait: WAIT,
    })
    .map_err(|error| broken(&error))?;
    let facts = Facts {
        disks,
        texts: [(path, text)].into(),
        ..Facts::default()
    };
    Executor::new(root, Config::default(), Sources::default()).perform_plan(&luks::finish(&facts))
}
