//! Each stage: what it does, in order. Planning is the core's; here plans are asked for and performed.

use std::path::Path;
use std::time::Duration;

use pilotlight_core::diag::{Report, Severity, Sources};
use pilotlight_core::model::Config;
use pilotlight_core::needs_network;
use pilotlight_core::op::{MountOp, Op};
use pilotlight_core::plan::platform::FromPlatform;
use pilotlight_core::plan::result::Provisioned;
use pilotlight_core::plan::{Part, Surroundings};
use pilotlight_host::{Machine, log};
use pilotlight_providers::HostError;

use crate::acquire::{self, Acquired, Places, Stop};
use crate::blobs::BlobStore;
use crate::cache::Cached;
use crate::executor::{Executor, lock_root};
use crate::failure::Failure;
use crate::journal::{Earlier, Log};
use crate::options::{Options, Stage};
use crate::rehearsal::Rehearsal;
use crate::state::{Done, State};
use crate::{cache, platform, result_file, transfer, volumes};

/// Runs the stage that the options name.
pub fn run(options: &Options, state: &mut State) -> Result<Done, Failure> {
    match options.stage {
        Stage::FetchOffline => fetch(options, state, false),
        Stage::Fetch => fetch(options, state, true),
        Stage::Kargs => kargs(options, state),
        Stage::Disks => disks(options, state),
        Stage::Mount => mount(options, state),
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
        let mut acquired = match acquire::machine_config(&places, &machine).await {
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
        cache::write(&options.config_cache, &mut acquired)?;
        rehearse(options, &acquired, state)?;
        Ok(Done::default())
    };
    pilotlight_fetch::blocking(work)
        .map_err(|error| Failure::new(format!("while starting the I/O runtime: {error}")))?
}

/// All stages after this one, on what the machine shows by now. The config is cached whatever comes out, for
/// whoever looks at the machine then.
fn rehearse(options: &Options, acquired: &Acquired, state: &State) -> Result<(), Failure> {
    let around = Surroundings {
        blobs: index(&BlobStore::beside(&options.config_cache))?,
        ssh_key_fragment: options.ssh_key_fragment,
        platform: from_platform(options),
        result: Some(provisioned(state)),
    };
    let journal = Log::before_root(options, "")?;
    (Rehearsal::of(options, &acquired.config, &acquired.sources).after(&Earlier::of(&journal)))
        .all(&around)
}

/// Asks the platform about the machine and keeps the answer. What lies behind the network is returned; what is
/// broken is a warning, for the config is there.
async fn ask_platform(options: &Options, machine: &Machine, state: &mut State) -> Option<String> {
    let kept = match pilotlight_host::ask(options.platform, machine).await {
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
    let line = pilotlight_sys::read_beginning(&options.cmdline, 1 << 20);
    let line = line.ok().flatten().unwrap_or_default();
    options
        .bound_by(&String::from_utf8_lossy(&line))
        .unwrap_or_else(|error| {
            tracing::warn!("{error}");
            log::console(&format!("pilotlight: warning: {error}"));
            options.fetch_timeout
        })
}

async fn prefetch(options: &Options, acquired: &Acquired) -> Result<(), Failure> {
    let client =
        transfer::client(&acquired.config, Some(options.platform)).map_err(Failure::new)?;
    BlobStore::beside(&options.config_cache)
        .fill(&acquired.config, client)
        .await
        .map_err(|report| Failure {
            report,
            sources: acquired.sources.clone(),
        })
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
                // Distributions show what has the priority of a warning at every login, a line each.
                let (first, rest) = text
                    .trim_end()
                    .split_once('\n')
                    .unwrap_or((text.trim_end(), ""));
                tracing::warn!("{first}");
                if !rest.is_empty() {
                    tracing::info!("{rest}");
                }
                let line = text.lines().next().unwrap_or_default();
                log::console(&format!("pilotlight: {line}"));
                state.warnings.push(line.into());
            }
        }
    }
}

/// Notes in the log which configs there are (Ignition's catalogue of messages). As with Ignition there is an entry of
/// the system's base configs whether there are any or not.
fn announce(acquired: &Acquired) {
    let of_system = [("base", "system")].into_iter();
    let named =
        acquired
            .names
            .iter()
            .map(|name| match Some(name) == acquired.user_config.as_ref() {
                true => ("user", name.as_str()),
                false => ("base", name.as_str()),
            });
    for (kind, name) in of_system.chain(named) {
        tracing::info!(
            MESSAGE_ID = log::CONFIG_FOUND,
            IGNITION_CONFIG_TYPE = kind,
            IGNITION_CONFIG_SRC = name,
            IGNITION_CONFIG_REFERENCED = "false",
            "using the {kind} config {name}"
        );
    }
    if acquired.user_config.is_none() {
        tracing::info!("there is no user config");
    }
}

/// Mounts what the config names below the root. Where, is kept before it is done: that, and nothing else, is
/// unmounted again.
fn mount(options: &Options, state: &mut State) -> Result<Done, Failure> {
    let cached = cache::read(&options.config_cache)?;
    let sources = cached.sources.clone();
    let executor = executor(options, cached.config, cached.sources);
    let plan = executor.plan(Part::Mounts, &Surroundings::default())?;
    let points = plan.steps.iter().filter_map(|step| match &step.op {
        Op::Mount(MountOp::Mount { path, .. }) => Some(path.clone()),
        _ => None,
    });
    state.mounted.extend(points);
    state.save(&options.state_file).map_err(|error| {
        let place = options.state_file.display();
        Failure::new(format!("while writing the state {place}: {error}"))
    })?;
    let done = executor.perform_plan(&plan)?;
    warn(&plan.notes, &sources, state);
    Ok(done)
}

/// Each layer is planned when the one below it is there. Disks of a fresh image are looked for whatever the
/// config says.
fn disks(options: &Options, state: &mut State) -> Result<Done, Failure> {
    let Cached {
        config,
        sources,
        digest,
    } = cache::read(&options.config_cache)?;
    volumes::keep_given_keys(&config, &sources, options)?;
    let journal = Log::before_root(options, &digest)?;
    // The devices may be others by now than when the config was fetched.
    (Rehearsal::of(options, &config, &sources).after(&Earlier::of(&journal)))
        .stages(&[Stage::Disks, Stage::Mount])?;
    let layers: Vec<Part> = Stage::Disks.parts().collect();
    let (done, notes) = executor(options, config, sources.clone())
        .writing(journal)
        .started_with(&options.cmdline)
        .run_noting(&layers, &Surroundings::default())?;
    warn(&notes, &sources, state);
    Ok(done)
}

/// It also runs after a stage that failed, so that it does not say anything about the first boot.
fn umount(options: &Options, state: &mut State) -> Result<Done, Failure> {
    let cached = cache::read(&options.config_cache)?;
    let done = executor(options, cached.config, cached.sources)
        .having_mounted(state.mounted.clone())
        .run(&[Part::Unmounts], &Surroundings::default())?;
    state.mounted.clear();
    volumes::forget_keys(options)?;
    if state.has_done(Stage::Files) {
        BlobStore::beside(&options.config_cache).remove();
    }
    Ok(done)
}

fn executor(options: &Options, config: Config, sources: Sources) -> Executor {
    Executor::new(&options.root, config, sources)
        .with_keys(volumes::keys(options))
        .on(options.platform)
}

/// Changes kernel arguments. If the machine has to restart for them, this does not return: the stages
/// after this one are for the next boot.
fn kargs(options: &Options, state: &mut State) -> Result<Done, Failure> {
    let Cached {
        config,
        sources,
        digest,
    } = cache::read(&options.config_cache)?;
    let wanted = &config.kernel_arguments;
    if wanted.should_exist.is_empty() && wanted.should_not_exist.is_empty() {
        return Ok(Done::default());
    }
    let (done, notes) = executor(options, config, sources.clone())
        .writing(Log::before_root(options, &digest)?)
        .started_with(&options.cmdline)
        .run_noting(&[Part::KernelArguments], &Surroundings::default())?;
    warn(&notes, &sources, state);
    Ok(done)
}

fn files(options: &Options, state: &mut State) -> Result<Done, Failure> {
    let Cached {
        config,
        sources,
        digest,
    } = cache::read(&options.config_cache)?;
    let store = BlobStore::beside(&options.config_cache);
    let around = Surroundings {
        blobs: index(&store)?,
        ssh_key_fragment: options.ssh_key_fragment,
        platform: from_platform(options),
        result: Some(provisioned(state)),
    };
    let _lock = lock_root(&options.root)?;
    let journal = Log::with_root(options, &digest)?;
    // Now the root is there: what it holds was not known before.
    (Rehearsal::of(options, &config, &sources).after(&Earlier::of(&journal))).files(&around)?;
    let executor = executor(options, config, sources.clone())
        .writing(journal)
        .with_blobs(store.clone());
    let parts: Vec<Part> = Stage::Files.parts().collect();
    let (done, notes) = executor.run_noting(&parts, &around)?;
    warn(&notes, &sources, state);
    executor.announce_keys(&around);
    executor.seal()?;
    // They are written, and may be secrets. After a failure they stay: the stage can be run again without
    // the servers.
    store.remove_contents();
    Ok(done)
}

fn index(store: &BlobStore) -> Result<pilotlight_core::plan::Blobs, Failure> {
    store
        .index()
        .map_err(|error| Failure::new(format!("while reading the fetched contents: {error}")))
}

/// What the platform has said. Nothing of it is worth a boot.
fn from_platform(options: &Options) -> Option<FromPlatform> {
    let kept = platform::kept(&options.config_cache).unwrap_or_else(|error| {
        tracing::warn!("host name and SSH keys of the platform are left out: {error}");
        None
    });
    kept.map(|said| platform::given(options.platform, said))
}

/// What the result file says of this run.
fn provisioned(state: &State) -> Provisioned {
    result_file::provisioned(state.user_config_provided, &state.warnings)
}
