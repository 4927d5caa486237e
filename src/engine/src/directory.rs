//! The files part of a config on a directory tree: no first boot, no disks, no platform.

use std::path::Path;

use pilotlight_core::diag::Diagnostic;
use pilotlight_core::model::KernelArguments;
use pilotlight_core::plan::{Part, Surroundings};

use crate::acquire::{self, Acquired, GivenConfig, Stop};
use crate::blobs::BlobStore;
use crate::executor::{Executor, lock_root};
use crate::failure::Failure;
use crate::journal::Log;
use crate::{cache, transfer};

/// Does the files part of a config to a directory tree.
///
/// Nothing is labelled for SELinux: a container may not, and who makes an image of it labels that.
/// Sections about disks, file systems and kernel arguments are an error unless `ignore_unsupported`.
pub fn apply_to_directory(
    given: GivenConfig<'_>,
    root: &Path,
    ignore_unsupported: bool,
) -> Result<(), Failure> {
    let work = async {
        let acquired = match acquire::single_config(given).await {
            Ok(acquired) => acquired,
            Err(Stop::Failed(failure)) => return Err(failure),
            Err(Stop::NeedsNetwork(what)) => {
                return Err(Failure::new(format!(
                    "the network is needed to fetch {what}"
                )));
            }
        };
        let digest = cache::digest(&acquired);
        let Acquired {
            mut config,
            sources,
            report,
            ..
        } = acquired;
        for warning in &report.items {
            tracing::warn!("{}", warning.render(&sources).trim_end());
        }
        let disks = config.disks.first().map(|disk| ("storage.disks", disk.at));
        let raid = config.raid.first().map(|raid| ("storage.raid", raid.at));
        let luks = config.luks.first().map(|luks| ("storage.luks", luks.at));
        let filesystems = config
            .filesystems
            .first()
            .map(|fs| fs.at)
            .or(config.shares.first().map(|share| share.at))
            .map(|at| ("storage.filesystems", at));
        let arguments = &config.kernel_arguments;
        let named = arguments.should_exist.iter();
        let named = named.chain(&arguments.should_not_exist).next();
        let arguments = named.map(|_| ("kernelArguments", arguments.at));
        if let Some((section, at)) = disks.or(raid).or(luks).or(filesystems).or(arguments) {
            if !ignore_unsupported {
                let diagnostic = Diagnostic::error(
                    at,
                    format!("{section} cannot be applied to a directory tree"),
                )
                .help("remove the section, or pass over it with --ignore-unsupported");
                return Err(Failure::diagnostic(diagnostic, sources));
            }
            config.disks.clear();
            config.raid.clear();
            config.luks.clear();
            config.filesystems.clear();
            config.shares.clear();
            config.kernel_arguments = KernelArguments::default();
        }
        let client = transfer::client(&config, None).map_err(Failure::new)?;
        let store = match BlobStore::is_needed(&config) {
            true => Some(BlobStore::temporary().map_err(Failure::new)?),
            false => None,
        };
        let filled = match &store {
            Some(store) => store.fill(&config, client).await,
            None => Ok(()),
        };
        Ok((config, sources, digest, store, filled))
    };
    let (config, sources, digest, store, filled) = pilotlight_fetch::blocking(work)
        .map_err(|error| Failure::new(format!("while starting the I/O runtime: {error}")))??;
    let outcome = (|| {
        filled.map_err(|report| Failure {
            report,
            sources: sources.clone(),
        })?;
        let around = Surroundings {
            blobs: (store.as_ref().map(BlobStore::index).transpose())
                .map_err(|error| {
                    Failure::new(format!("while reading the fetched contents: {error}"))
                })?
                .unwrap_or_default(),
            ssh_key_fragment: std::env::var("IGNITION_WRITE_AUTHORIZED_KEYS_FRAGMENT")
                .is_ok_and(|value| crate::options::truth(&value)),
            ..Surroundings::default()
        };
        let _lock = lock_root(root)?;
        let log = Log::in_root(root, &digest)?;
        let mut executor = Executor::new(root, config, sources.clone()).writing(log);
        if let Some(store) = &store {
            executor = executor.with_blobs(store.clone());
        }
        let (done, notes) = executor.run_noting(&[Part::Accounts, Part::Tree], &around)?;
        for note in &notes.items {
            tracing::warn!("{}", note.render(&sources).trim_end());
        }
        executor.seal()?;
        Ok(done)
    })();
    if let Some(store) = store {
        store.remove();
    }
    let done = outcome?;
    tracing::info!(
        "{} operations performed below {}",
        done.operations,
        root.display()
    );
    Ok(())
}
