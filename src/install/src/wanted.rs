//! Everything that is put into the installed system, read and checked before anything is written.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use pilotlight_core::config::{MAX_CONFIG, Reading};
use pilotlight_core::translate::LocalFiles;
use pilotlight_sys::LocalDirectory;

use crate::card::{self, CardError, Firmware};
use crate::config;
use crate::document::{SMALL, document};
use crate::error::{InstallError, reading};
use crate::plan::{Card, Content, Named, Wanted};
use crate::request::{AskedConfig, Request};
use crate::source::{Network, Place};
use crate::voice::Voice;

/// How many files configure a network.
const NETWORK_FILES: usize = 256;

/// Everything that is put into the installed system, read and checked.
pub(crate) fn wanted(request: &Request, voice: &Arc<dyn Voice>) -> Result<Wanted, InstallError> {
    let mut wanted = Wanted {
        save: request.save.clone(),
        release: request.release,
        read_back: request.read_back,
        arguments: request.arguments.clone(),
        boot_entry: request.boot_entry,
        network: network_files(&request.network_files)?,
        ..Wanted::default()
    };
    if let Some(asked) = &request.card {
        let firmware = Firmware::open(&asked.firmware).map_err(CardError::from)?;
        // What nobody could write is found out before anything is.
        let planned = card::plan(&firmware, asked.options, None)?;
        let arguments = planned.arguments.into_iter().map(String::from);
        wanted.arguments.append.extend(arguments);
        wanted.card = Some(Card {
            from: asked.firmware.display().to_string(),
            firmware: Arc::new(firmware),
            options: asked.options,
        });
    }
    if let Some(asked) = &request.config {
        wanted.config = Some(config_of(asked, &request.network, voice)?);
    }
    if let Some(place) = &request.cloud_config {
        let bytes = document(place, MAX_CONFIG as u64, &request.network, voice)?;
        let name = place.shown();
        // It is checked like any config, and installed as it is: coreos-cloudinit reads it.
        let checked =
            config::read(&name, &bytes, Reading::default(), false).map_err(InstallError::Config)?;
        warn(&checked.warnings, voice);
        wanted.cloud_config = Some(Content {
            what: format!("{name} ({} bytes)", bytes.len()),
            bytes,
        });
    }
    Ok(wanted)
}

fn warn(warnings: &str, voice: &Arc<dyn Voice>) {
    if !warnings.is_empty() {
        voice.note(warnings.trim_end());
    }
}

/// Reads and checks a config.
pub fn config_of(
    asked: &AskedConfig,
    network: &Network,
    voice: &Arc<dyn Voice>,
) -> Result<Content, InstallError> {
    let name = asked.place.shown();
    if let Place::Url(url) = &asked.place
        && url.starts_with("http:")
        && asked.digest.is_none()
        && !asked.insecure
    {
        return Err(InstallError::Asked(format!(
            "{name} comes over plain HTTP, so that anybody on the way can change it: give its --ignition-hash, use https, or say --insecure-ignition"
        )));
    }
    let bytes = document(&asked.place, MAX_CONFIG as u64, network, voice)?;
    if let Some(digest) = asked.digest.filter(|digest| !digest.fits(&bytes)) {
        return Err(InstallError::Config(format!(
            "{name} does not have the hash {digest}"
        )));
    }
    let files = match &asked.files {
        Some(path) => {
            let opened = LocalDirectory::open(path);
            Some(opened.map_err(reading(&path.display().to_string()))?)
        }
        None => None,
    };
    let how = Reading {
        language: asked.language,
        files: files.as_ref().map(|files| files as &dyn LocalFiles),
        ..Reading::default()
    };
    let checked = config::read(&name, &bytes, how, asked.strict).map_err(InstallError::Config)?;
    warn(&checked.warnings, voice);
    Ok(checked.content)
}

/// The files of directories; of files with one name the last directory's counts.
fn network_files(directories: &[PathBuf]) -> Result<Vec<Named>, InstallError> {
    let mut files = BTreeMap::new();
    for directory in directories {
        let fail = || reading(&directory.display().to_string());
        let entries = match std::fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(fail()(error)),
        };
        for entry in entries {
            let path = entry.map_err(fail())?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            if !path.is_file() {
                continue;
            }
            let bytes = pilotlight_sys::read_regular(&path, SMALL).map_err(fail())?;
            let content = Content {
                what: format!("{}", path.display()),
                bytes: bytes.unwrap_or_default(),
            };
            files.insert(name.to_string(), content);
            if files.len() > NETWORK_FILES {
                let cause = io::Error::other(format!("there are more than {NETWORK_FILES} files"));
                return Err(fail()(cause));
            }
        }
    }
    Ok(files.into_iter().collect())
}
