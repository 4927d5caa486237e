//! From nothing to the one merged config: base configs, the user config, and what they refer to.
//!
//! Every config is parsed and validated by itself, at its own version; then `replace` and `merge` are
//! followed depth first (ignition internal/exec/util and engine), within bounds and without cycles.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pilotlight_core::config::{self, Reading};
use pilotlight_core::diag::{Diagnostic, Report, Sources, Span};
use pilotlight_core::first_boot::Kind;
use pilotlight_core::model::{self, Resource};
use pilotlight_core::spec::At;
use pilotlight_core::spec::v3;
use pilotlight_core::{convert, merge, validate};
use pilotlight_fetch::{CONFIG_LIMIT, Client};
use pilotlight_host::{Machine, Spoken, read_bounded};
use pilotlight_providers::{HostError, Platform, UserConfig, metal};

use crate::failure::Failure;
use crate::{transfer, work};

/// How deep configs may refer to configs.
const MAX_DEPTH: usize = 16;
/// How many configs one run reads.
const MAX_CONFIGS: usize = 128;

/// Where configs are looked for.
#[derive(Debug, Clone)]
pub struct Places {
    /// The platform whose provider is asked.
    pub platform: Platform,
    /// Directories of base.d, base.platform.d and user.ign; the first counts most.
    pub config_dirs: [PathBuf; 3],
    /// The kernel command line.
    pub cmdline: PathBuf,
    /// Whether warnings about a config stop the boot.
    pub strict: bool,
}

/// The one config, and how it came about.
#[derive(Debug)]
pub struct Acquired {
    /// The merged config.
    pub wire: v3::Config,
    /// The same as parsed types.
    pub config: model::Config,
    /// Warnings.
    pub report: Report,
    /// The texts that were read.
    pub sources: Sources,
    /// Name of the user config, if there is one.
    pub user_config: Option<String>,
    /// Names of all configs in the order in which they were read.
    pub names: Vec<String>,
}

/// Why there is no config.
#[derive(Debug)]
pub enum Stop {
    /// It lies behind the network; the text says what.
    NeedsNetwork(String),
    /// It is wrong or could not be had.
    Failed(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Stop::Failed(failure)
    }
}

/// Finds, reads and merges all configs of a machine.
pub async fn machine_config(places: &Places, machine: &Machine) -> Result<Acquired, Stop> {
    let mut acquire = Acquire::new(machine.online, places.strict);
    acquire.bound = machine.fetch_timeout;
    acquire.platform = Some(places.platform);
    let mut whole = v3::Config::default();
    for path in base_configs(places).map_err(Failure::new)? {
        let name = path.display().to_string();
        if let Some(bytes) = read(&path)? {
            let base = acquire.config(&name, &bytes, Links::default()).await?;
            whole = merge::configs(whole, base);
        }
    }
    let found = user_config(places, machine).await?;
    let user_name = found.as_ref().map(|found| found.name.clone());
    if let Some(found) = found {
        let user = acquire
            .config(&found.name, &found.bytes, Links::default())
            .await?;
        whole = merge::configs(whole, user);
    }
    acquire.finish(whole, user_name).await
}

/// A config that a person gave on the command line.
#[derive(Clone, Copy)]
pub struct GivenConfig<'a> {
    /// The name that diagnostics show for it.
    pub name: &'a str,
    /// Its text.
    pub bytes: &'a [u8],
    /// Its language and the files that it may take in.
    pub reading: Reading<'a>,
    /// Whether configs and files may be fetched from the network.
    pub online: bool,
    /// Whether warnings count as errors.
    pub strict: bool,
}

/// Reads one config by itself, as `plan` and `apply` do.
pub async fn single_config(given: GivenConfig<'_>) -> Result<Acquired, Stop> {
    let mut acquire = Acquire::new(given.online, given.strict);
    let config = acquire
        .config_as(given.name, given.bytes, given.reading, Links::default())
        .await?;
    acquire.finish(config, Some(given.name.to_string())).await
}

/// The same for callers that are not asynchronous; needing the network is a failure here.
pub fn given_config(given: GivenConfig<'_>) -> Result<Acquired, Failure> {
    match pilotlight_fetch::blocking(single_config(given)) {
        Ok(Ok(acquired)) => Ok(acquired),
        Ok(Err(Stop::Failed(failure))) => Err(failure),
        Ok(Err(Stop::NeedsNetwork(what))) => Err(Failure::new(format!(
            "the network is needed to fetch {what}"
        ))),
        Err(error) => Err(Failure::new(format!(
            "while starting the I/O runtime: {error}"
        ))),
    }
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    read_bounded(path)
        .map_err(|error| Failure::new(format!("while reading {}: {error}", path.display())))
}

/// The user config of the first source that has one: kernel command line, user.ign, platform.
async fn user_config(places: &Places, machine: &Machine) -> Result<Option<UserConfig>, Stop> {
    let line = match read(&places.cmdline)? {
        Some(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        None => String::new(),
    };
    if let Some(found) = pilotlight_host::command_line_config(&line, machine)
        .await
        .map_err(stop)?
    {
        return Ok(Some(found));
    }
    for directory in &places.config_dirs {
        let path = directory.join("user.ign");
        if let Some(bytes) = read(&path)? {
            let name = path.display().to_string();
            return Ok(Some(UserConfig { name, bytes }));
        }
    }
    pilotlight_host::user_config(places.platform, machine)
        .await
        .map_err(stop)
}

fn stop(error: HostError) -> Stop {
    match error {
        HostError::NeedsNetwork(what) => Stop::NeedsNetwork(what),
        HostError::Broken(why) | HostError::Silent(why) => Stop::Failed(Failure::new(why)),
    }
}

/// Base configs in merge order: the OEM partition's, base.d, base.platform.d. Of files with one name
/// in several directories the highest directory's counts.
fn base_configs(places: &Places) -> Result<Vec<PathBuf>, String> {
    let mut list: Vec<PathBuf> = metal::OEM_DIRECTORIES
        .iter()
        .map(|directory| Path::new(directory).join("base/base.ign"))
        .filter(|path| path.exists())
        .take(1)
        .collect();
    let platform = format!("base.platform.d/{}", places.platform.name());
    for part in ["base.d", platform.as_str()] {
        let mut by_name = BTreeMap::new();
        for directory in places
            .config_dirs
            .iter()
            .rev()
            .map(|directory| directory.join(part))
        {
            let entries = match std::fs::read_dir(&directory) {
                Ok(entries) => entries,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => {
                    return Err(format!("while listing {}: {error}", directory.display()));
                }
            };
            for entry in entries {
                let path = entry
                    .map_err(|error| format!("while listing {}: {error}", directory.display()))?
                    .path();
                if let (Some(name), Some("ign")) =
                    (path.file_name(), path.extension().and_then(|e| e.to_str()))
                {
                    by_name.insert(name.to_owned(), path);
                }
            }
        }
        list.extend(by_name.into_values());
    }
    Ok(list)
}

/// The chain of references that led to a config.
#[derive(Debug, Clone, Default)]
struct Links {
    urls: Vec<Arc<str>>,
    fetch: model::FetchOptions,
    authorities: Vec<Vec<u8>>,
}

/// A config being read with all that it refers to. Boxed because configs refer to configs.
type Following<'a> = std::pin::Pin<Box<dyn Future<Output = Result<v3::Config, Stop>> + 'a>>;

struct Acquire {
    online: bool,
    strict: bool,
    /// Longest time of one request, where the config does not say it.
    bound: Option<Duration>,
    /// The platform that gives access to stores.
    platform: Option<Platform>,
    sources: Sources,
    report: Report,
    names: Vec<String>,
    /// What was fetched from the network: a config to which several others refer is asked for once.
    fetched: BTreeMap<String, Vec<u8>>,
}

impl Acquire {
    fn new(online: bool, strict: bool) -> Self {
        Self {
            online,
            strict,
            bound: None,
            platform: None,
            sources: Sources::default(),
            report: Report::default(),
            names: Vec::new(),
            fetched: BTreeMap::new(),
        }
    }

    fn fail(&mut self, diagnostic: Diagnostic) -> Stop {
        self.report.push(diagnostic);
        Stop::Failed(Failure {
            report: std::mem::take(&mut self.report),
            sources: std::mem::take(&mut self.sources),
        })
    }

    /// Parses a config in whatever language it is and follows its references.
    fn config<'a>(&'a mut self, name: &'a str, bytes: &'a [u8], links: Links) -> Following<'a> {
        self.config_as(name, bytes, Reading::default(), links)
    }

    fn config_as<'a>(
        &'a mut self,
        name: &'a str,
        bytes: &'a [u8],
        reading: Reading<'a>,
        links: Links,
    ) -> Following<'a> {
        Box::pin(async move {
            if self.names.len() == MAX_CONFIGS {
                return Err(self.fail(Diagnostic::error(
                    None,
                    format!("the config refers to more than {MAX_CONFIGS} configs"),
                )));
            }
            self.names.push(name.to_string());
            let part = config::Reading {
                part: true,
                ..reading
            };
            let parsed = config::read_as(&mut self.sources, name, bytes, part);
            self.report.extend(parsed.report);
            if self.strict {
                self.report.deny_warnings();
            }
            if self.report.has_errors() {
                return Err(self.failed());
            }
            let Some(wire) = parsed.config else {
                // Empty input is no config, not a wrong one.
                return Ok(v3::Config::default());
            };
            // config::read validated it already: what it found then is not reported a second time.
            let Some(model) =
                validate::lower(&wire, validate::Stage::Merged, &mut Report::default())
            else {
                return Err(self.failed());
            };
            let join = if parsed.appends {
                merge::appended
            } else {
                merge::configs
            };
            self.follow(wire, model, links, join).await
        })
    }

    fn failed(&mut self) -> Stop {
        Stop::Failed(Failure {
            report: std::mem::take(&mut self.report),
            sources: std::mem::take(&mut self.sources),
        })
    }

    async fn follow(
        &mut self,
        mut wire: v3::Config,
        model: model::Config,
        links: Links,
        join: fn(v3::Config, v3::Config) -> v3::Config,
    ) -> Result<v3::Config, Stop> {
        let mut below = Links {
            urls: links.urls,
            fetch: fetch_options(links.fetch, &model.fetch),
            authorities: links.authorities,
        };
        if model.replace.is_none() && model.merge.is_empty() {
            return Ok(wire);
        }
        let authorities = self
            .authorities(&model.fetch.certificate_authorities, &below)
            .await?;
        below.authorities.extend(authorities);
        if let Some(replacement) = &model.replace {
            return self.child(replacement, &below).await;
        }
        // What the references said is used up; the merged config stands for itself.
        wire.ignition.config = v3::IgnitionConfig::default();
        for child in &model.merge {
            let child = self.child(child, &below).await?;
            wire = join(wire, child);
        }
        Ok(wire)
    }

    async fn child(&mut self, resource: &Resource, links: &Links) -> Result<v3::Config, Stop> {
        let mut links = links.clone();
        if links.urls.contains(&resource.url) {
            return Err(self.fail(
                Diagnostic::error(
                    resource.at,
                    format!("the config {} refers to itself", resource.shown()),
                )
                .help("remove this reference, or the one in the other config that leads back here"),
            ));
        }
        if links.urls.len() == MAX_DEPTH {
            return Err(self.fail(Diagnostic::error(
                resource.at,
                format!("configs refer to configs more than {MAX_DEPTH} levels deep"),
            )));
        }
        let bytes = self.fetch(resource, &links, "the config").await?;
        links.urls.push(resource.url.clone());
        self.config(&resource.shown(), &bytes, links).await
    }

    async fn authorities(
        &mut self,
        list: &[Resource],
        links: &Links,
    ) -> Result<Vec<Vec<u8>>, Stop> {
        let mut texts = Vec::new();
        for resource in list {
            texts.push(
                self.fetch(resource, links, "the certificate authority")
                    .await?,
            );
        }
        Ok(texts)
    }

    async fn fetch(
        &mut self,
        resource: &Resource,
        links: &Links,
        what: &str,
    ) -> Result<Vec<u8>, Stop> {
        if resource.scheme.needs_network() && !self.online {
            return Err(Stop::NeedsNetwork(resource.shown()));
        }
        let key = resource.blob_key();
        if let Some(bytes) = self.fetched.get(&key) {
            return Ok(bytes.clone());
        }
        let client = Client::new(transfer::client_config(
            &links.fetch,
            links.authorities.clone(),
            self.bound,
            self.platform,
        ));
        let begun = work::begin(Kind::Transfer);
        let fetched = match transfer::request(resource) {
            Ok(request) => client
                .fetch_to_vec(&request, CONFIG_LIMIT, &Spoken::default())
                .await
                .map_err(|error| error.cause.to_string()),
            Err(why) => Err(why),
        };
        match fetched {
            Ok((bytes, told)) => {
                if resource.scheme.needs_network() {
                    begun.end(|| resource.shown(), 1, Some(told.bytes));
                    self.fetched.insert(key, bytes.clone());
                }
                Ok(bytes)
            }
            Err(why) => Err(self.fail(Diagnostic::error(
                resource.at,
                format!("while fetching {what} {}: {why}", resource.shown()),
            ))),
        }
    }

    /// Validates the merged config once more and makes its certificate authorities independent of
    /// the network, as later stages and later fetches use them.
    async fn finish(
        mut self,
        mut wire: v3::Config,
        user_config: Option<String>,
    ) -> Result<Acquired, Stop> {
        // Whoever else reads the cache is told of the experiment only where the config is part of it.
        let minor = convert::least_minor(&wire).max(v3::NEWEST_MINOR);
        wire.ignition.version = Some(At::new(v3::version_name(minor)));
        // What was found in the single configs is found once more here.
        let mut report = Report::default();
        let merged = validate::lower(&wire, validate::Stage::Merged, &mut report);
        self.report.extend(report);
        let Some(model) = merged else {
            return Err(self.failed());
        };
        if self.strict {
            self.report.deny_warnings();
        }
        if self.report.has_errors() {
            return Err(self.failed());
        }
        let links = Links {
            fetch: fetch_options(model::FetchOptions::default(), &model.fetch),
            ..Links::default()
        };
        let list = &model.fetch.certificate_authorities;
        for (at, text) in self
            .authorities(list, &links)
            .await?
            .into_iter()
            .enumerate()
        {
            if let Some(resource) = wire
                .ignition
                .security
                .tls
                .certificate_authorities
                .get_mut(at)
            {
                embed(resource, &text);
            }
        }
        let Some(model) = validate::lower(&wire, validate::Stage::Merged, &mut Report::default())
        else {
            return Err(self.failed());
        };
        Ok(Acquired {
            wire,
            config: model,
            report: self.report,
            sources: self.sources,
            user_config,
            names: self.names,
        })
    }
}

/// Replaces a resource's URL by its contents.
fn embed(resource: &mut v3::Resource, contents: &[u8]) {
    let url = pilotlight_core::dataurl::encode(contents);
    let span: Option<Span> = resource.source.as_ref().and_then(|source| source.span);
    *resource = v3::Resource {
        at: resource.at,
        source: Some(At { value: url, span }),
        ..v3::Resource::default()
    };
}

/// A child's settings count before its parent's.
fn fetch_options(parent: model::FetchOptions, child: &model::FetchOptions) -> model::FetchOptions {
    let child = child.clone();
    model::FetchOptions {
        response_header_timeout: child
            .response_header_timeout
            .or(parent.response_header_timeout),
        total_timeout: child.total_timeout.or(parent.total_timeout),
        http_proxy: child.http_proxy.or(parent.http_proxy),
        https_proxy: child.https_proxy.or(parent.https_proxy),
        no_proxy: if child.no_proxy.is_empty() {
            parent.no_proxy
        } else {
            child.no_proxy
        },
        certificate_authorities: child.certificate_authorities,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(dir: &Path) -> Places {
        Places {
            platform: Platform::Metal,
            config_dirs: ["run", "etc", "usr"].map(|name| dir.join(name)),
            cmdline: dir.join("cmdline"),
            strict: false,
        }
    }

    fn write(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        pilotlight_fetch::blocking(future).unwrap()
    }

    fn offline() -> Machine {
        Machine::new(false, None)
    }

    fn alone(name: &str, text: &str) -> Result<Acquired, Failure> {
        given_config(GivenConfig {
            name,
            bytes: text.as_bytes(),
            reading: Reading::default(),
            online: false,
            strict: false,
        })
    }

    fn file(path: &str, text: &str) -> String {
        format!(
            r#"{{"ignition":{{"version":"3.2.0"}},"storage":{{"files":[{{"path":"{path}","contents":{{"source":"data:,{text}"}}}}]}}}}"#
        )
    }

    fn source_of(config: &model::Config, path: &str) -> String {
        let found = config
            .files
            .iter()
            .find(|file| file.inode.path.as_str() == path);
        found.unwrap().contents.as_ref().unwrap().url.to_string()
    }

    #[test]
    fn base_configs_come_first_and_the_highest_directory_counts() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        write(&at("usr/base.d/10-a.ign"), &file("/a", "usr"));
        write(&at("run/base.d/10-a.ign"), &file("/a", "run"));
        write(&at("usr/base.d/20-b.ign"), &file("/b", "base"));
        write(&at("usr/base.d/readme.txt"), "not a config");
        write(
            &at("etc/base.platform.d/metal/10-c.ign"),
            &file("/c", "platform"),
        );
        write(
            &at("etc/base.platform.d/qemu/10-c.ign"),
            &file("/c", "other"),
        );
        write(&at("usr/user.ign"), &file("/b", "user"));
        let acquired = run(machine_config(&places(dir.path()), &offline())).unwrap();
        assert_eq!(source_of(&acquired.config, "/a"), "data:,run");
        assert_eq!(source_of(&acquired.config, "/b"), "data:,user");
        assert_eq!(source_of(&acquired.config, "/c"), "data:,platform");
        assert_eq!(
            acquired.user_config,
            Some(at("usr/user.ign").display().to_string())
        );
    }

    #[test]
    fn the_kernel_command_line_counts_before_user_ign_and_needs_the_network() {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("usr/user.ign"), &file("/b", "user"));
        write(
            &dir.path().join("cmdline"),
            "ignition.config.url=http://192.0.2.1/c.ign?token=x\n",
        );
        let stop = run(machine_config(&places(dir.path()), &offline())).unwrap_err();
        let Stop::NeedsNetwork(what) = stop else {
            panic!("{stop:?}")
        };
        assert!(
            what.contains("192.0.2.1/c.ign") && !what.contains("token=x"),
            "{what}"
        );
    }

    #[test]
    fn no_config_at_all_is_an_empty_config() {
        let dir = tempfile::tempdir().unwrap();
        let acquired = run(machine_config(&places(dir.path()), &offline())).unwrap();
        assert_eq!(acquired.user_config, None);
        assert!(acquired.config.files.is_empty());
    }

    #[test]
    fn merged_children_count_and_replacements_replace() {
        let child = pilotlight_core::dataurl::encode(file("/a", "child").as_bytes());
        let parent = format!(
            r#"{{"ignition":{{"version":"3.2.0","config":{{"merge":[{{"source":"{child}"}}]}}}},
                "storage":{{"files":[{{"path":"/a","mode":384,"contents":{{"source":"data:,parent"}}}}]}}}}"#
        );
        let acquired = alone("p", &parent).unwrap();
        assert_eq!(source_of(&acquired.config, "/a"), "data:,child");
        assert_eq!(
            acquired.config.files[0].mode.map(|mode| mode.bits()),
            Some(0o600)
        );
        let merge = format!(r#""merge":[{{"source":"{child}"}}]"#);
        let replace = parent.replace(&merge, &format!(r#""replace":{{"source":"{child}"}}"#));
        let acquired = alone("p", &replace).unwrap();
        assert_eq!(acquired.config.files[0].mode, None);
    }

    #[test]
    fn version_2_appends_where_version_3_merges() {
        let child = r#"{"ignition":{"version":"2.3.0"},"storage":{"files":[
            {"filesystem":"root","path":"/a","contents":{"source":"data:,child"}}]}}"#;
        let child = pilotlight_core::dataurl::encode(child.as_bytes());
        let parent = format!(
            r#"{{"ignition":{{"version":"2.3.0","config":{{"append":[{{"source":"{child}"}}]}}}},
                "storage":{{"files":[{{"filesystem":"root","path":"/a","mode":384,
                    "contents":{{"source":"data:,parent"}}}}]}}}}"#
        );
        let acquired = alone("p", &parent).unwrap();
        assert_eq!(source_of(&acquired.config, "/a"), "data:,child");
        // The later file is the whole file: nothing of the earlier one is left.
        assert_eq!(acquired.config.files[0].mode, None);
    }

    #[test]
    fn the_cache_names_the_experimental_version_only_where_it_is_needed() {
        let version = |filesystem: &str| {
            let text = format!(
                r#"{{"ignition":{{"version":"3.7.0-experimental"}},"storage":{{"filesystems":[{filesystem}]}}}}"#
            );
            let wire = alone("v", &text).unwrap().wire;
            wire.ignition.version.unwrap().value
        };
        assert_eq!(version(r#"{"device":"/dev/a","format":"ext4"}"#), "3.6.0");
        assert_eq!(
            version(r#"{"device":"tag","format":"virtiofs","path":"/mnt"}"#),
            "3.7.0-experimental"
        );
    }
}
