//! The command line of `pilotlight` as types.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};
use pilotlight_boot::{platform, report};
use pilotlight_core::config::Language;
use pilotlight_providers::Platform;

use crate::install::{ImageJob, Install};
use crate::oem::Oem;

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
  pilotlight validate node.bu                           find mistakes before the machine does
  pilotlight convert node.bu --to 3.4 --pretty          any config language as Ignition JSON
  pilotlight schema 3.4                                 the JSON schema of a version, for editors
  pilotlight report                                     what the stages of this boot did
  pilotlight detect                                     which platform this machine is of, and why
  pilotlight metadata                                   what the platform says of this machine
  pilotlight install -d /dev/sda -i node.bu             an OS image to a disk, with its config
  pilotlight oem plan                                   what the daemon would do to the network
  pilotlight oem once --ssh-keys core                   what a boot needs of the platform: keys, names, attributes

Exit codes: 0 done, 1 failed, 2 wrong arguments.";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what a config would do, operation by operation with the reason, without touching anything
    Plan(Plan),
    /// Write a config's files, directories, links, users and units into a directory tree
    Apply(Apply),
    /// Check configs and point at every mistake
    Validate(Validate),
    /// Turn a config of any language into Ignition JSON of a chosen version, or into a MachineConfig
    Convert(Convert),
    /// Print the JSON schema of a version of the Ignition specification
    Schema(Schema),
    /// Show what the stages of this boot did
    Report(Report),
    /// Say which platform this machine is of, and from which evidence
    Detect(Detect),
    /// Show what the platform says of this machine: names, addresses, SSH keys
    Metadata(Metadata),
    Oem(Oem),
    /// Take the user config, which may hold secrets, away from where the hypervisor keeps it (vmware, virtualbox)
    #[command(disable_help_flag = true)]
    Rmcfg {
        /// --platform NAME, --applies, --log-to-stdout, --help
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
    Install(Box<Install>),
    #[command(subcommand)]
    Image(ImageJob),
    /// Finish the encrypted volumes of a first boot that was cut short at its very end
    #[command(hide = true)]
    Finish {
        /// The root, which lists them
        #[arg(long, value_name = "DIR")]
        root: PathBuf,
    },
}

/// A config in any language.
#[derive(Debug, Args)]
pub struct Input {
    /// The config; "-" is standard input
    pub config: PathBuf,
    #[command(flatten)]
    pub reading: ReadingArgs,
}

/// How configs are read.
#[derive(Debug, Default, Args)]
pub struct ReadingArgs {
    /// The config's language; without it, what the content says
    #[arg(long, value_name = "LANGUAGE", value_parser = language)]
    pub language: Option<Language>,
    /// Where Butane's local: files and trees: are
    #[arg(long, short = 'd', value_name = "DIR")]
    pub files_dir: Option<PathBuf>,
    /// Make errors of warnings
    #[arg(long)]
    pub strict: bool,
}

pub fn language(name: &str) -> Result<Language, String> {
    Language::parse(name).ok_or_else(|| {
        let known: Vec<&str> = Language::ALL.iter().map(|known| known.name()).collect();
        format!("known are {}", known.join(", "))
    })
}

#[derive(Debug, Args)]
#[command(after_help = "\
Lines that begin with \"!\" destroy data that is there now. Disks are drawn before and after: what is kept,
new (+), changed (~) and destroyed (!).

Examples:
  pilotlight plan node.ign
  pilotlight plan node.ign --disk disk.img=/dev/vda --disk data.img=/dev/vdb
  pilotlight plan node.ign --disk disk.img=/dev/vda --svg disks.svg
  pilotlight plan - --root /mnt/sysroot --json < node.ign

A disk that no --disk stands for is looked at on this machine.")]
pub struct Plan {
    #[command(flatten)]
    pub input: Input,
    /// Let a disk image stand for a device of the config; may be given several times
    #[arg(long, value_name = "IMAGE=DEVICE")]
    pub disk: Vec<ImageOf>,
    /// Compare with the tree below this directory; without it, with an empty root
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Show the files that come from the platform too: what it says of the machine, as "pilotlight metadata
    /// --json" prints it
    #[arg(long, value_name = "FILE", requires = "platform")]
    pub metadata: Option<PathBuf>,
    /// The platform that says it
    #[arg(long, value_name = "PLATFORM", value_parser = Platform::parse, requires = "metadata")]
    pub platform: Option<Platform>,
    /// Draw the disks before and after as an SVG picture in this file
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
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
    #[command(flatten)]
    pub input: Input,
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
#[command(after_help = "\
Reads Ignition 2.0 to 3.7-experimental, Butane, Container Linux Config, cloud-config and scripts.
Configs that a config refers to are not fetched; \"pilotlight plan\" does that.

Examples:
  pilotlight validate node.ign
  pilotlight validate --strict --files-dir files *.bu
  generate | pilotlight validate --json -

Exit codes: 0 the configs can be used, 1 one cannot, 2 wrong arguments.")]
pub struct Validate {
    /// The configs; "-" is standard input
    #[arg(required = true)]
    pub config: Vec<PathBuf>,
    #[command(flatten)]
    pub reading: ReadingArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
What the chosen version cannot say is an error that names it.

Examples:
  pilotlight convert node.bu --to 3.4 > node.ign
  pilotlight convert old-2.3.ign --pretty
  pilotlight convert user-data.yaml --language cloud-config")]
pub struct Convert {
    #[command(flatten)]
    pub input: Input,
    /// The version of the Ignition specification, as in 3.4; 3.6 unless the config is one of OpenShift's, which
    /// becomes a MachineConfig
    #[arg(long, value_name = "VERSION", value_parser = minor)]
    pub to: Option<u8>,
    /// Indent the JSON
    #[arg(long, short)]
    pub pretty: bool,
    /// Write to this file
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Schema {
    /// The version of the Ignition specification, as in 3.4
    #[arg(default_value = "3.6", value_parser = minor)]
    pub version: u8,
}

/// The minor version of `3.N` or `3.N.0`; 3.7 may be called experimental.
fn minor(text: &str) -> Result<u8, String> {
    let plain = text.trim_end_matches("-experimental");
    let plain = plain
        .strip_suffix(".0")
        .filter(|short| *short != "3")
        .unwrap_or(plain);
    plain
        .strip_prefix("3.")
        .and_then(|minor| minor.parse().ok())
        .filter(|minor| *minor <= 7)
        .ok_or_else(|| "versions are 3.0 to 3.7".into())
}

#[derive(Debug, Args)]
#[command(after_help = "\
Times are those of this boot: a machine that was restarted since has nothing to report but its journal.
docs/report.schema.json says what --json prints. Exit codes: 0 done, 1 a stage failed, 2 wrong arguments.

Examples:
  pilotlight report
  pilotlight report --svg boot.svg         the timeline: stages, operations, transfers, and the time between
  pilotlight report --json --state ./copied-from-a-node")]
pub struct Report {
    /// The state that the stages wrote
    #[arg(long, value_name = "FILE", default_value = report::STATE)]
    pub state: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Draw the timeline into this file as well
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The kernel arguments ignition.platform.id=, flatcar.oem.id= and coreos.oem.id= count before what the machine
shows; of each the last on the line counts. A machine that nothing is known of is metal.

Examples:
  pilotlight detect
  pilotlight detect --json
  pilotlight detect --root ./copied        another machine's /sys and /proc, copied to this directory")]
pub struct Detect {
    /// Print JSON, with all evidence
    #[arg(long)]
    pub json: bool,
    /// Print OEM_ID, PLATFORM_ID and FIRST_BOOT (no, asked, detected) for the initramfs
    #[arg(long, conflicts_with = "json")]
    pub env: bool,
    /// Print the words of the kernel command line, one a line, without their quotation marks
    #[arg(long, conflicts_with_all = ["json", "env"])]
    pub words: bool,
    /// Print the network arguments that the hypervisor has for this machine, one a line
    #[arg(long, conflicts_with_all = ["json", "env", "words"])]
    pub network_kargs: bool,
    /// Look at sys and proc below this directory
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub root: PathBuf,
    /// Read the kernel command line from this file instead of proc/cmdline
    #[arg(long, value_name = "FILE")]
    pub cmdline: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Tokens and credentials are never printed; user data are not metadata.

Examples:
  pilotlight metadata
  pilotlight metadata --platform aws --json
  pilotlight metadata --attributes /run/metadata/afterburn     AFTERBURN_... lines, for EnvironmentFile=
  pilotlight metadata --network-units /run/systemd/network     bonds, addresses and routes of Equinix Metal")]
pub struct Metadata {
    /// The platform; without it, the one that \"pilotlight detect\" says
    #[arg(long, value_name = "PLATFORM", value_parser = Platform::parse)]
    pub platform: Option<Platform>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Write the attributes to this file instead of printing what the platform says
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    pub attributes: Option<PathBuf>,
    /// Write units of systemd-networkd to this directory instead, where the network does not tell what they have:
    /// those that the first boot writes to /etc/systemd/network
    #[arg(long, value_name = "DIR", conflicts_with = "json")]
    pub network_units: Option<PathBuf>,
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

impl From<Detect> for platform::Detect {
    fn from(given: Detect) -> Self {
        Self {
            json: given.json,
            env: given.env,
            words: given.words,
            network_kargs: given.network_kargs,
            root: given.root,
            cmdline: given.cmdline,
        }
    }
}

impl From<Metadata> for platform::Metadata {
    fn from(given: Metadata) -> Self {
        Self {
            platform: given.platform,
            json: given.json,
            attributes: given.attributes,
            network_units: given.network_units,
        }
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
    fn versions_are_named_short_or_in_full() {
        for (text, expected) in [
            ("3.4", Some(4)),
            ("3.0", Some(0)),
            ("3.0.0", Some(0)),
            ("3.7.0-experimental", Some(7)),
            ("3.8", None),
            ("2.3.0", None),
            ("3", None),
            ("", None),
        ] {
            assert_eq!(minor(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Arguments::command().debug_assert();
    }
}
