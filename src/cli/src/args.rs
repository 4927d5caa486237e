//! The command line of `pilotlight` as types.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};

/// First-boot provisioning agent for image-based Linux.
///
/// pilotlight shows what a config would do, and does it: on the first boot, stage by stage, under the
/// name "ignition"; or to a directory tree.
#[derive(Debug, Parser)]
#[command(name = "pilotlight", version, after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  pilotlight plan node.ign --disk disk.img=/dev/vda     what would be done to this disk
  pilotlight plan node.ign --root ./tree --json         the same for a directory tree, for machines
  pilotlight apply node.ign --root ./tree               write files, users and units into a tree
  pilotlight validate node.ign                          find mistakes before the machine does
  pilotlight report                                     what the stages of this boot did

Exit codes: 0 done, 1 failed, 2 wrong arguments.";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what a config would do, operation by operation with the reason, without touching anything
    Plan(Plan),
    /// Write a config's files, directories, links, users and units into a directory tree
    Apply(Apply),
    /// Check a config and point at every mistake
    Validate(Validate),
    /// Show what the stages of this boot did
    Report(Report),
    /// Write man pages and shell completions into a directory
    #[cfg(feature = "docs")]
    #[command(hide = true)]
    Docs {
        /// The directory
        directory: PathBuf,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
Lines that begin with \"!\" destroy data that is there now.

Examples:
  pilotlight plan node.ign
  pilotlight plan node.ign --disk disk.img=/dev/vda --disk data.img=/dev/vdb
  pilotlight plan - --root /mnt/sysroot --json < node.ign

A disk that no --disk stands for is looked at on this machine.")]
pub struct Plan {
    /// The config; "-" is standard input
    pub config: PathBuf,
    /// Let a disk image stand for a device of the config; may be given several times
    #[arg(long, value_name = "IMAGE=DEVICE")]
    pub disk: Vec<ImageOf>,
    /// Compare with the tree below this directory; without it, with an empty root
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Do not fetch anything from the network
    #[arg(long)]
    pub offline: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  pilotlight apply node.ign --root ./tree

Disks and file systems in the config are an error unless --ignore-unsupported is given.")]
pub struct Apply {
    /// The config; "-" is standard input
    pub config: PathBuf,
    /// The directory tree to write to
    #[arg(long, value_name = "DIR")]
    pub root: PathBuf,
    /// Do not fetch anything from the network
    #[arg(long)]
    pub offline: bool,
    /// Pass over disks, file systems and kernel arguments
    #[arg(long)]
    pub ignore_unsupported: bool,
}

#[derive(Debug, Args)]
pub struct Validate {
    /// The config; "-" is standard input
    pub config: PathBuf,
}

#[derive(Debug, Args)]
pub struct Report {
    /// The state that the stages wrote
    #[arg(long, value_name = "FILE", default_value = "/run/ignition/state")]
    pub state: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `IMAGE=DEVICE`: a file and the device of the config that it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageOf {
    pub image: PathBuf,
    pub device: String,
}

impl FromStr for ImageOf {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        // Image names may hold "=", device paths hardly ever do.
        match text.rsplit_once('=') {
            Some((image, device)) if !image.is_empty() && device.starts_with('/') => Ok(Self {
                image: image.into(),
                device: device.into(),
            }),
            _ => Err("expected IMAGE=DEVICE, as in disk.img=/dev/vda".into()),
        }
    }
}

/// `ignition-apply` takes the arguments of [`Apply`], but writes to `/` by default.
#[derive(Debug, Parser)]
#[command(name = "ignition-apply")]
struct IgnitionApply {
    config: PathBuf,
    #[arg(long, default_value = "/")]
    root: PathBuf,
    #[arg(long)]
    offline: bool,
    #[arg(long)]
    ignore_unsupported: bool,
}

#[derive(Debug, Parser)]
#[command(name = "ignition-validate")]
struct IgnitionValidate {
    config: PathBuf,
}

fn named(name: &str, arguments: impl Iterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    std::iter::once(OsString::from(name)).chain(arguments)
}

impl Command {
    /// Reads the command line of `ignition-apply`.
    pub fn parse_as_apply(arguments: impl Iterator<Item = OsString>) -> Command {
        let given = IgnitionApply::parse_from(named("ignition-apply", arguments));
        Command::Apply(Apply {
            config: given.config,
            root: given.root,
            offline: given.offline,
            ignore_unsupported: given.ignore_unsupported,
        })
    }

    /// Reads the command line of `ignition-validate`.
    pub fn parse_as_validate(arguments: impl Iterator<Item = OsString>) -> Command {
        let given = IgnitionValidate::parse_from(named("ignition-validate", arguments));
        Command::Validate(Validate {
            config: given.config,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_stands_for_a_device() {
        let parsed: ImageOf = "a=b.img=/dev/vda".parse().unwrap();
        assert_eq!(
            (parsed.image, parsed.device.as_str()),
            ("a=b.img".into(), "/dev/vda")
        );
        assert!("disk.img".parse::<ImageOf>().is_err());
        assert!("=/dev/vda".parse::<ImageOf>().is_err());
        assert!("disk.img=vda".parse::<ImageOf>().is_err());
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Arguments::command().debug_assert();
    }
}
