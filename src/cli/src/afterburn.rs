//! The old names `afterburn` and `coreos-metadata`: the command line of Afterburn 5.11.
//!
//! Without a subcommand it is the one of older versions, which took a single dash before long names, as Go does.
//! All that is wrong, arguments too, ends with exit code 1. Standard output has only help and version.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use pilotlight_boot::out;
use pilotlight_oem::once::{self, Jobs};

use crate::once::{ended, provider};

const EXAMPLES: &str = "\
Examples:
  afterburn --cmdline --attributes=/run/metadata/afterburn
  afterburn --provider=aws --ssh-keys=core
  afterburn --provider=azure --check-in

\"pilotlight oem once\" is the same with more: it detects the platform, and knows the names of Flatcar.";

/// Afterburn's jobs, done by pilotlight
#[derive(Debug, Parser)]
#[command(name = "afterburn", display_name = "Afterburn", version = VERSION, propagate_version = true)]
enum Afterburn {
    /// Do several jobs with one answer of the platform; this is meant where no command is given
    #[command(after_help = EXAMPLES)]
    Multi(Multi),
    /// Experimental commands
    #[command(subcommand)]
    Exp(Exp),
    /// Write parts of an Ignition config; not done by pilotlight
    RenderIgnition(RenderIgnition),
}

/// The version whose arguments these are.
const VERSION: &str = concat!("5.11.0 (pilotlight ", env!("CARGO_PKG_VERSION"), ")");

/// Whom it may be asked which platform this is.
#[derive(Debug, Args)]
#[group(id = "who", required = true, multiple = false)]
struct Who {
    /// The platform
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// The platform is the one that the kernel command line names
    #[arg(long)]
    cmdline: bool,
}

#[derive(Debug, Args)]
struct Multi {
    #[command(flatten)]
    who: Who,
    /// Write the attributes to this file
    #[arg(long, value_name = "FILE")]
    attributes: Option<PathBuf>,
    /// Tell the platform that the machine is up
    #[arg(long)]
    check_in: bool,
    /// Write the host name to this file
    #[arg(long, value_name = "FILE")]
    hostname: Option<PathBuf>,
    /// Write units of systemd-networkd to this directory
    #[arg(long, value_name = "DIR")]
    network_units: Option<PathBuf>,
    /// Not done by pilotlight
    #[arg(long, value_name = "DIR")]
    netplan_config: Option<PathBuf>,
    /// Not done by pilotlight
    #[arg(long, value_name = "DIR")]
    networkmanager_profiles: Option<PathBuf>,
    /// Give this user the SSH keys of the platform
    #[arg(long, value_name = "USER")]
    ssh_keys: Option<String>,
    /// How Afterburn calls itself where no command is given.
    #[arg(long, hide = true)]
    legacy_cli: bool,
}

#[derive(Debug, Subcommand)]
enum Exp {
    /// Write kernel arguments for the network of the initramfs, unless the kernel command line has some
    RdNetworkKargs(Kargs),
}

#[derive(Debug, Args)]
struct Kargs {
    #[command(flatten)]
    who: Who,
    /// The arguments where the platform has none for this machine
    #[arg(long, value_name = "ARGUMENTS")]
    default_value: String,
}

#[derive(Debug, Args)]
struct RenderIgnition {
    #[command(flatten)]
    who: Who,
    /// The directory of the parts
    #[arg(long, value_name = "DIR")]
    render_ignition_dir: PathBuf,
    /// No part with the host name
    #[arg(long)]
    disable_hostname_fragment: bool,
    /// No part with the platform's user
    #[arg(long)]
    disable_user_fragment: bool,
}

/// What reads its arguments, for its man page.
#[cfg(test)]
pub fn command() -> clap::Command {
    <Afterburn as clap::CommandFactory>::command()
}

/// Does what Afterburn would do.
pub fn afterburn(called: OsString, arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let words = std::iter::once(called).chain(translated(arguments));
    match Afterburn::try_parse_from(words) {
        Ok(Afterburn::Multi(given)) => multi(given),
        Ok(Afterburn::Exp(Exp::RdNetworkKargs(given))) => {
            pilotlight_host::log::start_on_stderr();
            let who = provider(given.who.provider, given.who.cmdline);
            ended(once::network_kargs(&who, &given.default_value).map_err(|why| vec![why]))
        }
        Ok(Afterburn::RenderIgnition(_)) => ended(Err(vec![
            "pilotlight does not write parts of Ignition configs: its first boot takes host name and keys from the \
             platform itself"
                .into(),
        ])),
        Err(stop) if matches!(stop.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            out::last(&stop.to_string())
        }
        Err(stop) => {
            eprint!("{stop}");
            ExitCode::FAILURE
        }
    }
}

fn multi(given: Multi) -> ExitCode {
    pilotlight_host::log::start_on_stderr();
    for (name, wanted) in [
        ("--netplan-config", &given.netplan_config),
        ("--networkmanager-profiles", &given.networkmanager_profiles),
    ] {
        if wanted.is_some() {
            return ended(Err(vec![format!(
                "{name} is not done by pilotlight, which configures systemd-networkd: --network-units"
            )]));
        }
    }
    let jobs = Jobs {
        provider: provider(given.who.provider, given.who.cmdline),
        attributes: given.attributes,
        flatcar_attributes: None,
        hostname: given.hostname,
        set_hostname: false,
        network_units: given.network_units,
        ssh_keys: given.ssh_keys,
        check_in: given.check_in,
        patience: once::PATIENCE,
    };
    if jobs.are_none() {
        eprintln!("warning: nothing is asked for, and nothing is done");
    }
    ended(once::run(&jobs))
}

/// The arguments as they are today. Where there is no command, one dash before a name of more than a letter stands
/// for two.
fn translated(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut words: Vec<OsString> = arguments.collect();
    let commanded = words
        .first()
        .is_some_and(|first| !first.as_bytes().starts_with(b"-"));
    if commanded {
        return words;
    }
    for word in &mut words {
        let bytes = word.as_bytes();
        if bytes.len() > 2 && bytes.starts_with(b"-") && !bytes.starts_with(b"--") {
            *word = OsString::from_vec([b"-", bytes].concat());
        }
    }
    words.insert(0, "multi".into());
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Afterburn::command().debug_assert();
    }

    #[test]
    fn without_a_command_there_is_one() {
        for (line, expected) in [
            ("-cmdline -attributes=a", "multi --cmdline --attributes=a"),
            (
                "--cmdline -ssh-keys core",
                "multi --cmdline --ssh-keys core",
            ),
            ("-h", "multi -h"),
            ("-", "multi -"),
            ("multi -cmdline", "multi -cmdline"),
            ("exp x -y", "exp x -y"),
        ] {
            let words = translated(line.split(' ').map(OsString::from));
            assert_eq!(words.join(" ".as_ref()), *expected, "{line}");
        }
        assert_eq!(translated(std::iter::empty()), ["multi"]);
    }
}
