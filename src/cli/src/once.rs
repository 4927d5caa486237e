//! `pilotlight oem once`: what a boot needs of the platform.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgGroup, Args};
use pilotlight_oem::once::{self, Jobs, Provider};

#[derive(Debug, Default, Args)]
#[command(group(ArgGroup::new("which").args(["provider", "cmdline"])))]
#[command(after_help = "\
The platform is asked once for all jobs. Nothing is written before it has answered, each file is replaced whole, and
on failure the old one stays. Where neither --provider nor --cmdline is given, the platform is the one that
\"pilotlight detect\" says. A program that is called afterburn or coreos-metadata takes the arguments of those.

Examples:
  pilotlight oem once --attributes /run/metadata/afterburn        AFTERBURN_... lines, for EnvironmentFile=
  pilotlight oem once --flatcar-attributes /run/metadata/flatcar  COREOS_... lines; /run/metadata/coreos leads to them
  pilotlight oem once --attributes /dev/stdout                    to look at them
  pilotlight oem once --ssh-keys core --hostname /etc/hostname
  pilotlight oem once --check-in --timeout 300
  pilotlight oem once --check-in --applies                        for ExecCondition= of a unit

Exit codes: 0 done, 1 failed or does not apply, 2 wrong arguments.")]
pub struct Once {
    /// The platform, by a name that Afterburn, Flatcar or pilotlight has for it
    #[arg(long, visible_alias = "platform", value_name = "NAME")]
    pub provider: Option<String>,
    /// The platform is the one that the kernel command line names, and nothing else is looked at
    #[arg(long)]
    pub cmdline: bool,
    /// Write the attributes to this file
    #[arg(long, value_name = "FILE")]
    pub attributes: Option<PathBuf>,
    /// Write the attributes to this file by Flatcar's names, and make "coreos" beside it a link to it
    #[arg(long, value_name = "FILE")]
    pub flatcar_attributes: Option<PathBuf>,
    /// Tell the platform that the machine is up, where it wants to know
    #[arg(long)]
    pub check_in: bool,
    /// Write the host name to this file, where the platform gives one
    #[arg(long, value_name = "FILE")]
    pub hostname: Option<PathBuf>,
    /// Give the running machine its host name, where neither /etc/hostname nor the network has: that of the platform,
    /// or rpi4-SERIAL on a Raspberry Pi
    #[arg(long)]
    pub set_hostname: bool,
    /// Write units of systemd-networkd to this directory, where the network does not tell what they have
    #[arg(long, value_name = "DIR")]
    pub network_units: Option<PathBuf>,
    /// Give this user the SSH keys of the platform
    #[arg(long, value_name = "USER")]
    pub ssh_keys: Option<String>,
    /// How long the platform is waited for at most
    #[arg(long, value_name = "SECONDS", default_value_t = once::PATIENCE.as_secs(),
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub timeout: u64,
    /// Only say by the exit code whether the platform has something for any of these jobs; nobody is asked
    #[arg(long)]
    pub applies: bool,
}

/// Does what is asked for.
pub fn run(given: &Once) -> ExitCode {
    let jobs = Jobs {
        provider: provider(given.provider.clone(), given.cmdline),
        attributes: given.attributes.clone(),
        flatcar_attributes: given.flatcar_attributes.clone(),
        hostname: given.hostname.clone(),
        set_hostname: given.set_hostname,
        network_units: given.network_units.clone(),
        ssh_keys: given.ssh_keys.clone(),
        check_in: given.check_in,
        patience: Duration::from_secs(given.timeout),
    };
    if jobs.are_none() {
        eprintln!(
            "error: nothing is asked for: add --attributes, --flatcar-attributes, --hostname, --set-hostname, \
             --network-units, --ssh-keys or --check-in"
        );
        return ExitCode::from(2);
    }
    pilotlight_host::log::start_on_stderr();
    match given.applies {
        true => applies(&jobs),
        false => ended(once::run(&jobs)),
    }
}

fn applies(jobs: &Jobs) -> ExitCode {
    match once::applies(jobs) {
        Ok((true, _)) => ExitCode::SUCCESS,
        Ok((false, platform)) => {
            eprintln!("the platform has nothing of the kind: it is {platform}");
            ExitCode::FAILURE
        }
        Err(why) => ended(Err(vec![why])),
    }
}

/// Whom the arguments let say which platform this is.
pub fn provider(name: Option<String>, cmdline: bool) -> Provider {
    match name {
        Some(name) => Provider::Named(name),
        None if cmdline => Provider::KernelArgument,
        None => Provider::Detected,
    }
}

/// The exit code of a job; what failed goes to standard error.
pub fn ended(outcome: Result<(), Vec<String>>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(wrong) => {
            for why in wrong {
                eprintln!("error: {}", why.trim_end());
            }
            ExitCode::FAILURE
        }
    }
}
