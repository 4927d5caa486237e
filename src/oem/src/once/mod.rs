//! What is done once a boot with the platform's metadata: files for other services, the host name, keys, and the
//! word to the platform that the machine is up.
//!
//! The jobs are those of Afterburn, and a unit that calls it may call this. What differs is argued where it does.
//! The platform is asked once for all jobs, within a bound; nothing is written before it has answered.

mod ask;
mod attributes;
mod files;
mod kargs;
mod keys;
mod machine_name;
mod provider;

use std::path::{Path, PathBuf};
use std::time::Duration;

use pilotlight_core::model::Metadata;
use pilotlight_providers::status::{Status, Told};
use pilotlight_providers::{Naming, Platform};

pub use attributes::Names;
pub use kargs::network_kargs;
pub use provider::Provider;

use machine_name::Named;

/// How long the platform is waited for where nobody says otherwise.
///
/// A metadata service can be late: the switch port of a server takes 30 to 50 s until it forwards (IEEE 802.1D), and
/// Azure's service may be away for 70 s while it is updated. Units of `Type=oneshot` have no bound of systemd's, so
/// what waits must end by itself; Afterburn's ten tries at a service that refuses take about 45 s. An answer that
/// waiting does not mend, such as 403, ends the waiting at once.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jobs {
    /// Who says which platform this is.
    pub provider: Provider,
    /// Write the attributes to this file.
    pub attributes: Option<PathBuf>,
    /// Write them to this file by Flatcar's names, and make `coreos` beside it a link to it.
    pub flatcar_attributes: Option<PathBuf>,
    /// Write the host name to this file.
    pub hostname: Option<PathBuf>,
    /// Give the running machine its host name, where nobody else has.
    pub set_hostname: bool,
    /// Write units of systemd-networkd to this directory.
    pub network_units: Option<PathBuf>,
    /// Give this user the platform's keys.
    pub ssh_keys: Option<String>,
    /// Tell the platform that the machine is up.
    pub check_in: bool,
    /// How long the platform is waited for.
    pub patience: Duration,
}

impl Default for Jobs {
    fn default() -> Self {
        Self {
            provider: Provider::Detected,
            attributes: None,
            flatcar_attributes: None,
            hostname: None,
            set_hostname: false,
            network_units: None,
            ssh_keys: None,
            check_in: false,
            patience: PATIENCE,
        }
    }
}

impl Jobs {
    /// Whether nothing is to be done.
    pub fn are_none(&self) -> bool {
        !self.check_in && !self.set_hostname && !self.need_metadata()
    }

    fn need_metadata(&self) -> bool {
        self.ssh_keys.is_some() || self.files().next().is_some()
    }

    /// The files and directories that are written.
    fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let all = [
            &self.attributes,
            &self.flatcar_attributes,
            &self.hostname,
            &self.network_units,
        ];
        all.into_iter().flatten()
    }

    /// Whether a platform has something for any of them.
    pub fn apply_to(&self, platform: Platform) -> bool {
        let metadata = self.attributes.is_some()
            || self.flatcar_attributes.is_some()
            || self.network_units.is_some()
            || self.ssh_keys.is_some();
        (metadata || self.set_hostname) && platform.has_metadata()
            || self.hostname.is_some() && platform.naming() == Naming::Metadata
            || self.check_in && platform.wants_status()
    }
}

/// Whether the platform of this machine has something for any of the jobs, and which it is, in words. Nobody is
/// asked. The error is for a person.
pub fn applies(jobs: &Jobs) -> Result<(bool, String), String> {
    let (platform, because) = jobs.provider.platform()?;
    let said = match because {
        Some(because) => format!("{}, because {because}", platform.name()),
        None => platform.name().to_string(),
    };
    // A board has a name wherever it stands.
    let by_board = jobs.set_hostname && Named::observe(Path::new("/")).has_board();
    Ok((jobs.apply_to(platform) || by_board, said))
}

/// Does the jobs. One that fails does not keep the others from being done, but a machine with one that failed does
/// not say that it is up. The errors are for a person.
pub fn run(jobs: &Jobs) -> Result<(), Vec<String>> {
    let (platform, _) = jobs.provider.platform().map_err(|why| vec![why])?;
    let root = Path::new("/");
    let is_named = |platform| Named::observe(root).settled(platform).is_some();
    // Whoever has a name is not kept waiting for one.
    let asks_for_name = jobs.set_hostname && platform.has_metadata() && !is_named(platform);
    if jobs.need_metadata() || asks_for_name {
        let said = ask::metadata(platform, jobs.patience).map_err(|why| failed(jobs, why))?;
        write(jobs, platform, &said)?;
    } else if jobs.set_hostname {
        let done = machine_name::give(root, platform, None).map_err(|why| vec![why])?;
        tracing::info!("{done}");
    }
    if jobs.check_in {
        match ask::report(platform, &Status::Ready, jobs.patience) {
            Ok(Told::Platform) => tracing::info!("told {} that the machine is up", platform.name()),
            Ok(Told::Nobody) => tracing::warn!(
                "{} does not want to know that the machine is up: nobody is told",
                platform.name()
            ),
            Err(why) => return Err(vec![why]),
        }
    }
    Ok(())
}

/// Why nothing was done, and what is still there of an earlier time.
fn failed(jobs: &Jobs, why: String) -> Vec<String> {
    let there = jobs.files().filter(|path| path.exists());
    let kept = there.map(|path| format!("{} stays as it was", path.display()));
    std::iter::once(why).chain(kept).collect()
}

fn write(jobs: &Jobs, platform: Platform, said: &Metadata) -> Result<(), Vec<String>> {
    let mut wrong = Vec::new();
    let mut job = |outcome: Result<String, String>| match outcome {
        Ok(done) => tracing::info!("{done}"),
        Err(why) => wrong.push(why),
    };
    if let Some(path) = &jobs.attributes {
        job(files::attributes(path, said, Names::Afterburn));
    }
    if let Some(path) = &jobs.flatcar_attributes {
        job(files::attributes(path, said, Names::Flatcar));
    }
    if let Some(user) = &jobs.ssh_keys {
        job(keys::write_keys(
            user,
            said,
            Path::new("/"),
            &crate::state_directory(),
        ));
    }
    if let Some(path) = &jobs.hostname {
        job(files::hostname(path, platform, said));
    }
    if jobs.set_hostname {
        job(machine_name::give(Path::new("/"), platform, Some(said)));
    }
    if let Some(directory) = &jobs.network_units {
        job(files::network_units(directory, platform, said));
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jobs(set: impl FnOnce(&mut Jobs)) -> Jobs {
        let mut jobs = Jobs::default();
        set(&mut jobs);
        jobs
    }

    #[test]
    fn each_job_has_its_platforms() {
        let names = |jobs: &Jobs| {
            let all = Platform::ALL.iter();
            all.filter(|platform| jobs.apply_to(**platform))
                .map(|platform| platform.name())
                .collect::<Vec<_>>()
                .join(" ")
        };
        let clouds = "akamai aliyun aws azure azurestack brightbox cloudstack digitalocean exoscale gcp hetzner \
            ibmcloud kubevirt nutanix openstack oraclecloud packet powervs proxmoxve scaleway stackit upcloud vmware vultr";
        for (jobs, expected) in [
            (jobs(|jobs| jobs.attributes = Some("a".into())), clouds),
            (
                jobs(|jobs| jobs.flatcar_attributes = Some("a".into())),
                clouds,
            ),
            (jobs(|jobs| jobs.ssh_keys = Some("core".into())), clouds),
            (jobs(|jobs| jobs.network_units = Some("a".into())), clouds),
            (
                jobs(|jobs| jobs.hostname = Some("a".into())),
                "aliyun azure azurestack digitalocean exoscale hetzner ibmcloud kubevirt nutanix openstack oraclecloud \
                 packet powervs proxmoxve scaleway stackit upcloud vmware vultr",
            ),
            (jobs(|jobs| jobs.set_hostname = true), clouds),
            (
                jobs(|jobs| jobs.check_in = true),
                "azure azurestack packet scaleway",
            ),
            (Jobs::default(), ""),
        ] {
            assert_eq!(names(&jobs), expected, "{jobs:?}");
            assert_eq!(jobs.are_none(), expected.is_empty());
        }
    }

    #[test]
    fn what_was_there_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let (there, not) = (dir.path().join("there"), dir.path().join("not"));
        std::fs::write(&there, "old").unwrap();
        let jobs = jobs(|jobs| {
            jobs.attributes = Some(there.clone());
            jobs.hostname = Some(not);
        });
        let kept = format!("{} stays as it was", there.display());
        assert_eq!(failed(&jobs, "no".into()), ["no".to_string(), kept]);
    }

    #[test]
    fn a_job_that_fails_leaves_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let mut said = Metadata::default();
        said.set_hostname(Some("vm-1"));
        said.attribute("A", Some("b"));
        let jobs = jobs(|jobs| {
            // A directory is no place for a file.
            jobs.attributes = Some(dir.path().into());
            jobs.hostname = Some(dir.path().join("etc/hostname"));
            jobs.ssh_keys = Some("no-such-user".into());
        });
        let wrong = write(&jobs, Platform::Aws, &said).unwrap_err();
        assert_eq!(wrong.len(), 2, "{wrong:?}");
        let name = std::fs::read_to_string(dir.path().join("etc/hostname"));
        assert_eq!(name.unwrap(), "vm-1\n");
    }
}
