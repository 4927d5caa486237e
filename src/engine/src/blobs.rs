//! Fetched contents, kept from the fetch stage to the files stage.
//!
//! Everything remote is fetched and verified before the first disk is touched: a 404 must not surface
//! when the data is gone. What does not fit is left to the files stage, which streams it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use pilotlight_core::diag::{Diagnostic, Report};
use pilotlight_core::first_boot::Kind;
use pilotlight_core::hex;
use pilotlight_core::model::{Config, Resource};
use pilotlight_core::ordered::{Arrange as _, Gather as _};
use pilotlight_core::plan::{Blob, Blobs};
use pilotlight_fetch::{Cause, Client};
use pilotlight_host::Spoken;
use serde::{Deserialize, Serialize};

use crate::{transfer, work};

/// Name of the index beside the contents, whose names are hashes.
const INDEX: &str = "index.json";
/// Largest index that is read, in bytes.
const MAX_INDEX: u64 = 256 << 20;
/// Transfers that run side by side.
const PARALLEL: usize = 4;

/// The directory of fetched contents, one file per blob and an index.
#[derive(Debug, Clone)]
pub struct BlobStore {
    directory: PathBuf,
    /// The private directory around it that goes with it, where there is one.
    around: Option<PathBuf>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Index {
    blobs: BTreeMap<String, Blob>,
}

impl BlobStore {
    /// The store that belongs to a config cache: `/run/ignition.json` → `/run/ignition.json.blobs`.
    pub fn beside(config_cache: &Path) -> Self {
        let mut name = config_cache.as_os_str().to_owned();
        name.push(".blobs");
        Self {
            directory: name.into(),
            around: None,
        }
    }

    /// A store that belongs to this process alone, in the directory for temporary files.
    ///
    /// Others may write to that one: what they cannot guess they cannot take first.
    pub fn temporary() -> Result<Self, String> {
        let parent = std::env::temp_dir();
        let around = pilotlight_sys::temporary_directory(&parent, "contents").map_err(|error| {
            format!(
                "while making a directory for fetched contents in {}: {error}",
                parent.display()
            )
        })?;
        Ok(Self {
            directory: around.join("blobs"),
            around: Some(around),
        })
    }

    /// Whether a config refers to anything that is fetched or unpacked before it is written.
    pub fn is_needed(config: &Config) -> bool {
        !wanted(config).is_empty()
    }

    /// Path of a blob's bytes.
    pub fn path(&self, key: &str) -> PathBuf {
        self.directory.join(key)
    }

    /// What an earlier stage has fetched.
    pub fn index(&self) -> std::io::Result<Blobs> {
        match pilotlight_sys::read_regular(&self.directory.join(INDEX), MAX_INDEX)? {
            Some(bytes) => {
                let index: Index = serde_json::from_slice(&bytes).map_err(std::io::Error::other)?;
                Ok(Blobs(index.blobs))
            }
            None => Ok(Blobs::default()),
        }
    }

    /// Removes the contents. The index stays: by it a files stage that is run again knows what it has written.
    pub fn remove_contents(&self) {
        let removed = (|| {
            for entry in std::fs::read_dir(&self.directory)? {
                let path = entry?.path();
                if path.file_name().is_some_and(|name| name != INDEX) {
                    std::fs::remove_file(path)?;
                }
            }
            Ok(())
        })();
        Self::tell(&self.directory, removed);
    }

    /// Removes the store. What cannot be removed is left in memory or in a directory for temporary files.
    pub fn remove(&self) {
        let all = self.around.as_ref().unwrap_or(&self.directory);
        Self::tell(all, std::fs::remove_dir_all(all));
    }

    /// What cannot be removed is no reason to fail: all is written.
    fn tell(what: &Path, removed: std::io::Result<()>) {
        match removed {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!("while removing {}: {error}", what.display());
            }
            _ => {}
        }
    }

    /// Fetches and verifies all that the config's files refer to and that needs work: remote contents
    /// and compressed ones. The same resource is fetched once.
    pub async fn fill(&self, config: &Config, client: Client) -> Result<(), Report> {
        let wanted = wanted(config);
        if wanted.is_empty() {
            return Ok(());
        }
        let broken = |error: std::io::Error| Report {
            items: vec![Diagnostic::error(
                None,
                format!(
                    "while keeping fetched contents in {}: {error}",
                    self.directory.display()
                ),
            )],
        };
        // What an interrupted earlier run left here may be half a file.
        match std::fs::remove_dir_all(&self.directory) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(broken(error));
            }
            _ => {}
        }
        pilotlight_sys::private_directory(&self.directory).map_err(broken)?;
        let budget = pilotlight_sys::free_space(&self.directory).map_err(broken)? / 2;
        let (index, report) = self.fetch_all(wanted, client, budget).await;
        if report.has_errors() {
            return Err(report);
        }
        let text = serde_json::to_vec(&index).map_err(|error| broken(error.into()))?;
        File::create_new(self.directory.join(INDEX))
            .and_then(|mut file| file.write_all(&text))
            .map_err(broken)
    }

    async fn fetch_all(
        &self,
        wanted: BTreeMap<String, Resource>,
        client: Client,
        budget: u64,
    ) -> (Index, Report) {
        // One voice for all: those that wait for the same server need not say so four times.
        let tools = Rc::new((client, Spoken::default()));
        let mut index = Index::default();
        let mut report = Report::default();
        let mut left = budget;
        let local = tokio::task::LocalSet::new();
        local
            .run_until(async {
                let mut running = tokio::task::JoinSet::new();
                let mut waiting = wanted.into_iter();
                loop {
                    while running.len() < PARALLEL {
                        let Some((key, resource)) = waiting.next() else {
                            break;
                        };
                        // Each transfer may use what is left for all of them: the worst case is bounded
                        // by the number of transfers that run at once.
                        let bound = left / PARALLEL as u64;
                        running.spawn_local(fetch_one(
                            tools.clone(),
                            self.path(&key),
                            key,
                            resource,
                            bound,
                        ));
                    }
                    match running.join_next().await {
                        None => break,
                        Some(Ok(Ok(Some((key, blob))))) => {
                            left = left.saturating_sub(blob.len);
                            index.blobs.insert(key, blob);
                        }
                        Some(Ok(Ok(None))) => {}
                        Some(Ok(Err(diagnostic))) => report.push(diagnostic),
                        Some(Err(error)) => {
                            report.error(None, format!("a transfer ended unexpectedly: {error}"))
                        }
                    }
                }
            })
            .await;
        // In the order of the config, whoever was first to fail.
        report.items.arrange_by_key(|item| item.span);
        (index, report)
    }
}

/// Fetches one resource; `None` when it is larger than the bound and is left to the files stage.
async fn fetch_one(
    tools: Rc<(Client, Spoken)>,
    path: PathBuf,
    key: String,
    resource: Resource,
    bound: u64,
) -> Result<Option<(String, Blob)>, Diagnostic> {
    let failed = |cause: String| {
        Diagnostic::error(
            resource.at,
            format!("while fetching {}: {cause}", resource.shown()),
        )
    };
    let mut file = File::create_new(&path).map_err(|error| failed(error.to_string()))?;
    let mut request = transfer::request(&resource).map_err(failed)?;
    request.max_bytes = Some(bound);
    let (client, spoken) = &*tools;
    let begun = work::begin(Kind::Transfer);
    match client.fetch(&request, &mut file, spoken).await {
        Ok(fetched) => {
            begun.end(|| resource.shown(), 1, Some(fetched.bytes));
            let blob = Blob {
                sha256: hex::encode(&fetched.sha256),
                len: fetched.bytes,
            };
            Ok(Some((key, blob)))
        }
        Err(error) => match error.cause {
            Cause::TooLarge { .. } => {
                tracing::info!(
                    "{} is larger than the {bound} bytes that may be kept in memory: the files stage fetches it",
                    resource.shown()
                );
                std::fs::remove_file(&path).map_err(|error| failed(error.to_string()))?;
                Ok(None)
            }
            cause => Err(failed(cause.to_string())),
        },
    }
}

/// The resources of all files that planning cannot decode by itself, by key.
fn wanted(config: &Config) -> BTreeMap<String, Resource> {
    config
        .files
        .iter()
        .flat_map(|file| file.contents.iter().chain(&file.append))
        .chain(config.luks.iter().filter_map(|luks| luks.key_file.as_ref()))
        .filter(|resource| resource.is_fetched())
        .map(|resource| (resource.blob_key(), resource.clone()))
        .gather()
}
