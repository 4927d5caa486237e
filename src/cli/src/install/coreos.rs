//! `coreos-installer`: its jobs `install`, `download` and `list-stream`. Those for ISO and PXE images are not here.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use pilotlight_core::model::Digest;
use pilotlight_install::boot_arguments::BootArguments;
use pilotlight_install::located::stream_of;
use pilotlight_install::request::{
    self, Asked, AskedConfig, AskedStream, Consent, Request, To, Trust,
};
use pilotlight_install::save::Save;
use pilotlight_install::source::{Network, Place};
use pilotlight_install::stream;
use pilotlight_install::voice::{Spoken, Voice};

use super::args::{Machine, digest, whole_offline};
use super::{ended_download, failed, install, wrong};

/// Installer for Fedora CoreOS and its kin
#[derive(Debug, Parser)]
#[command(name = "coreos-installer", version)]
struct CoreosInstaller {
    #[command(subcommand)]
    job: Job,
}

#[derive(Debug, Subcommand)]
enum Job {
    /// Install to a disk
    Install(Box<Install>),
    /// Download an image
    Download(Download),
    /// List available images of a stream
    ListStream(Described),
}

#[derive(Debug, Args)]
struct Described {
    /// Stream
    #[arg(short, long, value_name = "NAME", default_value = "stable")]
    stream: String,
    /// Where streams are described
    #[arg(long, value_name = "URL")]
    stream_base_url: Option<String>,
    /// Architecture; list-stream lists all without it
    #[arg(short, long, value_name = "NAME")]
    architecture: Option<String>,
}

#[derive(Debug, Args)]
struct Install {
    #[command(flatten)]
    described: Described,
    /// The image at this URL
    #[arg(short = 'u', long, value_name = "URL", conflicts_with_all = ["image_file", "stream"])]
    image_url: Option<String>,
    /// This image
    #[arg(short = 'f', long, value_name = "PATH", conflicts_with = "stream")]
    image_file: Option<PathBuf>,
    /// The config, in any language
    #[arg(short, long, value_name = "PATH", conflicts_with = "ignition_url")]
    ignition_file: Option<PathBuf>,
    /// The config at this URL
    #[arg(short = 'I', long, value_name = "URL")]
    ignition_url: Option<String>,
    /// Its digest: sha256-... or sha512-...
    #[arg(long, value_name = "DIGEST", value_parser = digest)]
    ignition_hash: Option<Digest>,
    /// Platform
    #[arg(short, long, value_name = "NAME", default_value = "metal")]
    platform: String,
    /// Kernel console
    #[arg(long, value_name = "SPEC")]
    console: Vec<String>,
    /// Append a kernel argument
    #[arg(long, value_name = "ARG")]
    append_karg: Vec<String>,
    /// Delete a kernel argument
    #[arg(long, value_name = "ARG")]
    delete_karg: Vec<String>,
    /// Copy the network configuration of the running system
    #[arg(short = 'n', long)]
    copy_network: bool,
    /// Where it is
    #[arg(
        long,
        value_name = "PATH",
        default_value = "/etc/NetworkManager/system-connections/"
    )]
    network_dir: PathBuf,
    /// Save partitions with this label (glob)
    #[arg(long, value_name = "LABEL", value_parser = Save::label, value_delimiter = ',')]
    save_partlabel: Vec<Save>,
    /// Save partitions with this number or range
    #[arg(
        long,
        value_name = "ID",
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    save_partindex: Vec<Save>,
    /// Use no network
    #[arg(long)]
    offline: bool,
    /// Skip signature verification
    #[arg(long)]
    insecure: bool,
    /// Allow a config by plain HTTP without a digest
    #[arg(long)]
    insecure_ignition: bool,
    /// Accepted: nothing is cleared on error, because nothing boots that is not whole
    #[arg(long)]
    preserve_on_error: bool,
    /// Accepted: a server that does not answer is asked until it does
    #[arg(long, value_name = "N")]
    fetch_retries: Option<String>,
    /// Keys that may have signed the image
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
    /// Destination device
    #[arg(value_name = "DEST_DEVICE")]
    device: PathBuf,
}

#[derive(Debug, Args)]
struct Download {
    #[command(flatten)]
    described: Described,
    /// Platform
    #[arg(short, long, value_name = "NAME", default_value = "metal")]
    platform: String,
    /// Image format
    #[arg(short, long, value_name = "NAME", default_value = "raw.xz")]
    format: String,
    /// The image at this URL
    #[arg(short = 'u', long, value_name = "URL", conflicts_with = "stream")]
    image_url: Option<String>,
    /// Directory
    #[arg(short = 'C', long, value_name = "PATH", default_value = ".")]
    directory: PathBuf,
    /// Skip signature verification
    #[arg(long)]
    insecure: bool,
    /// Keys that may have signed the image
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
    /// Accepted: a server that does not answer is asked until it does
    #[arg(long, value_name = "N")]
    fetch_retries: Option<String>,
}

impl Described {
    fn asked(&self, platform: &str, format: Option<&str>) -> AskedStream {
        let architecture = self
            .architecture
            .as_deref()
            .unwrap_or(std::env::consts::ARCH);
        AskedStream {
            base: self.stream_base_url.clone(),
            stream: self.stream.clone(),
            architecture: stream::architecture(architecture).into(),
            platform: platform.into(),
            format: format.map(Into::into),
        }
    }
}

impl Install {
    fn request(&self, network: Network) -> Result<Request, String> {
        let image = match (&self.image_file, &self.image_url) {
            (Some(path), _) => Asked::At(Place::File(path.clone())),
            (None, Some(url)) => Asked::At(Place::Url(url.clone())),
            (None, None) => Asked::Stream(self.described.asked(&self.platform, None)),
        };
        let config = (self.ignition_file.clone().map(Place::File))
            .or_else(|| self.ignition_url.clone().map(Place::Url));
        let request = Request {
            to: To::Device(self.device.clone()),
            image,
            trust: Trust {
                keys: self.key.clone(),
                insecure: self.insecure,
                ..Trust::default()
            },
            config: config.map(|place| AskedConfig {
                place,
                digest: self.ignition_hash,
                language: None,
                files: None,
                strict: false,
                insecure: self.insecure_ignition,
            }),
            cloud_config: None,
            network_files: match self.copy_network {
                true => vec![self.network_dir.clone()],
                false => Vec::new(),
            },
            arguments: BootArguments {
                append: self.append_karg.clone(),
                delete: self.delete_karg.clone(),
                console: self.console.clone(),
            },
            save: [&self.save_partlabel[..], &self.save_partindex[..]].concat(),
            release: false,
            read_back: false,
            boot_entry: false,
            card: None,
            dry_run: false,
            consent: Consent::Given,
            once: false,
            network,
        };
        match self.offline {
            true => whole_offline(&request).map(|()| request),
            false => Ok(request),
        }
    }
}

impl Download {
    fn asked(&self, network: Network) -> request::Download {
        request::Download {
            image: match &self.image_url {
                Some(url) => Asked::At(Place::Url(url.clone())),
                None => Asked::Stream(self.described.asked(&self.platform, Some(&self.format))),
            },
            trust: Trust {
                keys: self.key.clone(),
                insecure: self.insecure,
                ..Trust::default()
            },
            network,
        }
    }
}

/// What reads its arguments, for its man page.
#[cfg(test)]
pub fn command() -> clap::Command {
    <CoreosInstaller as clap::CommandFactory>::command()
}

/// Does what that tool does. Exit codes: 0 done, 1 failed, 2 wrong arguments.
pub fn coreos_installer(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let words = std::iter::once("coreos-installer".into()).chain(arguments);
    let given = match CoreosInstaller::try_parse_from(words) {
        Ok(given) => given,
        Err(error) => error.exit(),
    };
    let network = Machine::this().network;
    match given.job {
        Job::Install(given) => match given.request(network) {
            Ok(request) => install(&request, None),
            Err(why) => wrong(&why),
        },
        Job::Download(given) => ended_download(&given.asked(network), &given.directory, None),
        Job::ListStream(given) => list(&given, &network),
    }
}

fn list(given: &Described, network: &Network) -> ExitCode {
    let voice: Arc<dyn Voice> = Arc::new(Spoken::new(None));
    let network = Network {
        patience: Some(Duration::from_secs(60)),
        ..network.clone()
    };
    let stream = match stream_of(&given.asked("metal", None), &network, &voice) {
        Ok(stream) => stream,
        Err(error) => return failed(&error),
    };
    let wanted = given.architecture.as_deref().map(stream::architecture);
    let list = stream.list(wanted);
    let heading = ["Architecture", "Platform", "Format"].map(String::from);
    let rows: Vec<[String; 3]> = std::iter::once(heading)
        .chain(list.into_iter().map(|image| image.key))
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let (first, second) = (width(0), width(1));
    let text: String = (rows.iter())
        .map(|[architecture, platform, format]| {
            format!("{architecture:first$}  {platform:second$}  {format}\n")
        })
        .collect();
    pilotlight_boot::out::last(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(line: &str) -> Result<Request, String> {
        let words = ["coreos-installer", "install"]
            .into_iter()
            .chain(line.split_whitespace());
        let given = CoreosInstaller::try_parse_from(words).map_err(|error| error.to_string())?;
        let Job::Install(given) = given.job else {
            return Err("another job".into());
        };
        given.request(Network::default())
    }

    #[test]
    fn every_option_of_the_tool_means_what_it_meant() {
        let given = request(
            "/dev/sda -s next -a arm64 -p metal --stream-base-url http://m/ -I https://h/c.ign --console ttyS0 \
             --append-karg a --delete-karg b -n --save-partlabel data* --save-partindex 5-,3 --insecure \
             --insecure-ignition --preserve-on-error --fetch-retries 5",
        )
        .unwrap();
        let Asked::Stream(asked) = &given.image else {
            panic!()
        };
        assert_eq!(
            (asked.stream.as_str(), asked.architecture.as_str()),
            ("next", "aarch64")
        );
        assert_eq!(given.save.len(), 3);
        assert_eq!(given.arguments.append, ["a"]);
        assert_eq!(given.network_files.len(), 1);
        assert!(given.trust.insecure);
        for (line, words) in [
            ("", "DEST_DEVICE"),
            ("/dev/sda -f x -u http://h/x", "cannot be used with"),
            ("/dev/sda --offline", "only an image in a file"),
            ("/dev/sda --ignition-hash x", "invalid value"),
        ] {
            let Err(said) = request(line) else {
                panic!("{line}")
            };
            assert!(said.contains(words), "{line}: {said}");
        }
    }
}
