//! Each stage: which parts it consists of, and the loop observe → plan → apply over them.
//!
//! The real run and the dry run share [`Part::plan`]; they differ in where the facts come from.

use std::path::Path;
use std::time::Duration;

use pilotlight_core::diag::{Report, Severity, Sources};
use pilotlight_core::facts::Facts;
use pilotlight_core::model::{Config, Mode, SysPath};
use pilotlight_core::needs_network;
use pilotlight_core::op::{Content, OwnerRef};
use pilotlight_core::plan::{self, Blobs, Planned, Want};
use pilotlight_fetch::Client;
use pilotlight_providers::{HostError, Platform};

use crate::acquire::{self, Acquired, Places, Stop};
use crate::apply::Hands;
use crate::blobs::BlobStore;
use crate::failure::Failure;
use crate::machine::Machine;
use crate::options::{Options, Stage};
use crate::state::{Done, State};
use crate::{cache, log, platform, result_file, transfer, volumes};

/// A part of a stage: planned and applied as one, on facts observed right before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Kernel arguments.
    KernelArguments,
    /// Partition tables.
    Partitions,
    /// RAID arrays.
    Raid,
    /// Encrypted volumes.
    Luks,
    /// File systems.
    Filesystems,
    /// Mounts below the root.
    Mounts,
    /// Undoing the mounts.
    Unmounts,
    /// Groups and users.
    Accounts,
    /// Files, directories, links, units, SSH keys.
    Tree,
    /// Whether what will be written can be labelled, where the root has an SELinux policy.
    Policy,
    /// Labelling what was written.
    Relabel,
    /// Taking the marks of being made away from encrypted volumes, when the first boot is done.
    Finish,
}

/// What planning needs besides config and facts.
#[derive(Debug, Default)]
pub struct Surroundings {
    /// What was fetched.
    pub blobs: Blobs,
    /// Write SSH keys to authorized_keys.d/ignition.
    pub ssh_key_fragment: bool,
    /// Files that the agent itself adds.
    pub extra: Vec<Want>,
    /// What the platform adds.
    pub platform: Option<platform::Said>,
}

impl Part {
    /// Plans the part: pure.
    pub fn plan(self, config: &Config, facts: &Facts, around: &Surroundings) -> Planned {
        match self {
            Part::KernelArguments => plan::kargs::plan(&config.kernel_arguments, facts),
            Part::Partitions => {
                plan::raid::check(config).and_then(|()| plan::disks::plan(&config.disks, facts))
            }
            Part::Raid => plan::raid::plan(config, facts),
            Part::Luks => plan::luks::plan(config, facts),
            Part::Filesystems => plan::filesystems::plan(&config.filesystems, facts),
            Part::Mounts => plan::mounts::plan(config, facts),
            Part::Unmounts => plan::mounts::unmount(config, facts),
            Part::Accounts => plan::accounts::plan(&config.groups, &config.users, facts),
            Part::Tree => {
                let wants = extra_wants(config, facts, around)?;
                let amended = plan::crypttab::amended(config, facts);
                let config = amended.as_ref().unwrap_or(config);
                plan::tree::plan(config, &wants, facts, &around.blobs)
            }
            Part::Policy => plan::selinux::check(facts).map(|()| plan::Plan::default()),
            Part::Relabel => {
                plan::selinux::plan(config, &extra_wants(config, facts, around)?, facts)
            }
            Part::Finish => Ok(plan::luks::finish(facts)),
        }
    }
}

/// Wants that are not files of the config: SSH keys, and what the agent itself adds.
pub fn extra_wants(
    config: &Config,
    facts: &Facts,
    around: &Surroundings,
) -> Result<Vec<Want>, Report> {
    let keys = plan::ssh_keys::key_files(&config.users, &facts.accounts, around.ssh_key_fragment)?;
    let mut wants = plan::want::of_homes(config, &facts.accounts);
    wants.extend(keys.iter().flat_map(plan::want::of_key_file));
    wants.extend(plan::crypttab::wants(config, facts, &around.blobs));
    wants.extend(around.extra.iter().cloned());
    if let Some(said) = &around.platform {
        let accounts = &facts.accounts;
        said.add_to(&mut wants, &keys, config, accounts, around.ssh_key_fragment);
    }
    Ok(wants)
}

/// Runs the stage that the options name.
pub fn run(options: &Options, state: &mut State) -> Result<Done, Failure> {
    match options.stage {
        Stage::FetchOffline => fetch(options, state, false),
        Stage::Fetch => fetch(options, state, true),
        Stage::Kargs => kargs(options, state),
        Stage::Disks => disks(options, state),
        Stage::Mount => later(options, &[Part::Mounts]),
        Stage::Umount => umount(options, state),
        Stage::Files => files(options, state),
    }
}

/// Finds the config and fetches what it refers to, or asks for the network.
fn fetch(options: &Options, state: &mut State, online: bool) -> Result<Done, Failure> {
    let machine = Machine::new(online, bound(options));
    let places = Places {
        platform: options.platform,
        config_dirs: options.config_dirs.clone(),
        cmdline: options.cmdline.clone(),
        strict: options.strict,
    };
    let work = async {
        let acquired = match acquire::machine_config(&places, &machine).await {
            Ok(acquired) => acquired,
            Err(Stop::NeedsNetwork(what)) => return ask_for_network(&options.neednet, &what),
            Err(Stop::Failed(failure)) => return Err(failure),
        };
        if !online && let Some((_, what)) = needs_network(&acquired.config).first() {
            return ask_for_network(&options.neednet, what);
        }
        state.user_config_provided = acquired.user_config.is_some();
        state.warnings.clear();
        warn(&acquired.report, &acquired.sources, state);
        announce(&acquired);
        prefetch(options, &acquired).await?;
        if let Some(what) = ask_platform(options, &machine, state).await {
            return ask_for_network(&options.neednet, &what);
        }
        cache::write(&options.config_cache, &acquired)?;
        Ok(Done::default())
    };
    pilotlight_fetch::blocking(work)
        .map_err(|error| Failure::new(format!("while starting the I/O runtime: {error}")))?
}

/// Asks the platform about the machine and keeps the answer. What lies behind the network is returned; what is
/// broken is a warning, for the config is there.
async fn ask_platform(options: &Options, machine: &Machine, state: &mut State) -> Option<String> {
    let kept = match platform::ask(options.platform, machine).await {
        Ok(None) => return None,
        Ok(Some(said)) => {
            platform::keep(&options.config_cache, &said).map_err(|error| error.to_string())
        }
        Err(HostError::NeedsNetwork(what)) => return Some(what),
        Err(HostError::Broken(why) | HostError::Silent(why)) => Err(why),
    };
    if let Err(why) = kept {
        let line = format!(
            "warning: host name, SSH keys and network that the platform gives are missing: {why}"
        );
        tracing::warn!("{line}");
        log::console(&format!("pilotlight: {line}"));
        state.warnings.push(line);
    }
    None
}

/// How long one request for a config may take. A mistake in the kernel argument is no reason not to boot.
fn bound(options: &Options) -> Option<Duration> {
    // What cannot be read is reported where the config is looked for.
    let line = std::fs::read(&options.cmdline).unwrap_or_default();
    options
        .bound_by(&String::from_utf8_lossy(&line))
        .unwrap_or_else(|error| {
            tracing::warn!("{error}");
            log::console(&format!("pilotlight: warning: {error}"));
            options.fetch_timeout
        })
}

async fn prefetch(options: &Options, acquired: &Acquired) -> Result<(), Failure> {
    let client = client(&acquired.config, Some(options.platform)).map_err(Failure::new)?;
    BlobStore::beside(&options.config_cache)
        .fill(&acquired.config, client)
        .await
        .map_err(|report| Failure {
            report,
            sources: acquired.sources.clone(),
        })
}

/// A client with the merged config's settings, whose authorities are all `data:` URLs by now.
pub fn client(config: &Config, platform: Option<Platform>) -> Result<Client, String> {
    let authorities = config
        .fetch
        .certificate_authorities
        .iter()
        .map(|resource| {
            pilotlight_core::dataurl::decode(&resource.url).map_err(|error| error.to_string())
        })
        .collect::<Result<_, _>>()?;
    let settings = transfer::client_config(&config.fetch, authorities, None, platform);
    Ok(Client::new(settings))
}

/// Asks the initramfs for the network; the fetch stage then starts over.
fn ask_for_network(neednet: &Path, what: &str) -> Result<Done, Failure> {
    tracing::info!("the network is needed to fetch {what}");
    pilotlight_sys::replace_file(neednet, b"", 0o644).map_err(|error| {
        Failure::new(format!(
            "while asking for the network by {}: {error}",
            neednet.display()
        ))
    })?;
    Ok(Done::default())
}

/// Warnings go where they are seen: the log, the console, the state and so the result.
fn warn(report: &Report, sources: &Sources, state: &mut State) {
    for item in &report.items {
        let text = item.render(sources);
        match item.severity {
            Severity::Hint => tracing::info!("{}", text.trim_end()),
            _ => {
                tracing::warn!("{}", text.trim_end());
                let line = text.lines().next().unwrap_or_default();
                log::console(&format!("pilotlight: {line}"));
                state.warnings.push(line.into());
            }
        }
    }
}

fn announce(acquired: &Acquired) {
    for name in &acquired.names {
        let kind = if Some(name) == acquired.user_config.as_ref() {
            "user"
        } else {
            "base"
        };
        tracing::info!(
            MESSAGE_ID = log::CONFIG_FOUND,
            IGNITION_CONFIG_TYPE = kind,
            IGNITION_CONFIG_SRC = name.as_str(),
            "using the {kind} config {name}"
        );
    }
    if acquired.user_config.is_none() {
        tracing::info!("there is no user config");
    }
}

/// Runs parts of a stage after the fetch stages, with the cached config.
fn later(options: &Options, parts: &[Part]) -> Result<Done, Failure> {
    let (config, sources) = cache::read(&options.config_cache)?;
    hands(options, config, sources).run(parts, &Surroundings::default())
}

/// Each layer is planned when the one below it is there. Disks of a fresh image are looked for whatever the
/// config says.
fn disks(options: &Options, state: &mut State) -> Result<Done, Failure> {
    let (config, sources) = cache::read(&options.config_cache)?;
    volumes::keep_given_keys(&config, &sources, options)?;
    let layers = [Part::Partitions, Part::Raid, Part::Luks, Part::Filesystems];
    let (done, notes) = hands(options, config, sources.clone())
        .started_with(&options.cmdline)
        .run_noting(&layers, &Surroundings::default())?;
    warn(&notes, &sources, state);
    Ok(done)
}

/// It also runs after a stage that failed, so that it does not say anything about the first boot.
fn umount(options: &Options, state: &State) -> Result<Done, Failure> {
    let (config, sources) = cache::read(&options.config_cache)?;
    let done = hands(options, config, sources).run(&[Part::Unmounts], &Surroundings::default())?;
    volumes::forget_keys(options)?;
    if state.has_done(Stage::Files) {
        BlobStore::beside(&options.config_cache).remove();
    }
    Ok(done)
}

fn hands(options: &Options, config: Config, sources: Sources) -> Hands {
    Hands::new(&options.root, config, sources)
        .with_keys(volumes::keys(options))
        .on(options.platform)
}

/// Changes kernel arguments. If the machine has to restart for them, this does not return: the stages
/// after this one are for the next boot.
fn kargs(options: &Options, state: &mut State) -> Result<Done, Failure> {
    let (config, sources) = cache::read(&options.config_cache)?;
    let wanted = &config.kernel_arguments;
    if wanted.should_exist.is_empty() && wanted.should_not_exist.is_empty() {
        return Ok(Done::default());
    }
    let (done, notes) = hands(options, config, sources.clone())
        .started_with(&options.cmdline)
        .run_noting(&[Part::KernelArguments], &Surroundings::default())?;
    warn(&notes, &sources, state);
    Ok(done)
}

fn files(options: &Options, state: &State) -> Result<Done, Failure> {
    let (config, sources) = cache::read(&options.config_cache)?;
    let store = BlobStore::beside(&options.config_cache);
    let blobs = store
        .index()
        .map_err(|error| Failure::new(format!("while reading the fetched contents: {error}")))?;
    let hands = hands(options, config, sources).with_blobs(store.clone());
    let mut around = Surroundings {
        blobs,
        ssh_key_fragment: options.ssh_key_fragment,
        ..Surroundings::default()
    };
    let mut done = hands.run(&[Part::Policy, Part::Accounts], &around)?;
    around.platform = said(options, &hands);
    done.operations += hands.run(&[Part::Tree], &around)?.operations;
    hands.announce_keys();
    let result = Surroundings {
        extra: vec![result_want(&hands, state)?],
        ..Surroundings::default()
    };
    hands.write_result(&result)?;
    around.extra = result.extra;
    done.operations += hands.run(&[Part::Relabel], &around)?.operations;
    // They are written, and may be secrets. After a failure they stay: the stage can be run again without
    // the servers.
    store.remove_contents();
    Ok(done)
}

/// What the platform has said, for users that exist by now.
fn said(options: &Options, hands: &Hands) -> Option<platform::Said> {
    let read = || -> std::io::Result<Option<platform::Said>> {
        let Some(kept) = platform::kept(&options.config_cache)? else {
            return Ok(None);
        };
        let accounts = hands
            .accounts()
            .map_err(|failure| std::io::Error::other(failure.render()))?;
        let fragment = options.ssh_key_fragment;
        platform::Said::new(options.platform, &kept, &accounts, fragment, |path| {
            hands.read(path)
        })
        .map(Some)
    };
    read().unwrap_or_else(|error| {
        tracing::warn!("host name and SSH keys of the platform are left out: {error}");
        None
    })
}

/// The file that says what provisioned the root.
fn result_want(hands: &Hands, state: &State) -> Result<Want, Failure> {
    let broken = |error: &dyn std::fmt::Display| {
        Failure::new(format!("while making {}: {error}", result_file::PATH))
    };
    let path = SysPath::parse(result_file::PATH).map_err(|error| broken(&error))?;
    let previous = hands.read(&path).map_err(|error| broken(&error))?;
    if previous.is_some() {
        tracing::warn!("{path} exists: this root was provisioned before");
    }
    // Containers and chroots may have no boot id; that is no reason to fail.
    let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let text = result_file::contents(
        &boot_id,
        std::time::SystemTime::now(),
        state.user_config_provided,
        &state.warnings,
        previous.as_deref(),
    );
    Ok(Want {
        path,
        kind: plan::want::Kind::File {
            contents: Some(Content::inline("the result of this run", text)),
            append: Vec::new(),
            mode: Some(Mode::OWNER_ONLY),
        },
        user: Some(OwnerRef::Id(0)),
        group: Some(OwnerRef::Id(0)),
        overwrite: true,
        keep_attributes: false,
        at: None,
        why: "others ask it later whether and when the root was provisioned".into(),
    })
}
