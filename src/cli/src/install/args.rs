//! The command line of `pilotlight install`, and what it asks for.

use std::path::{Path, PathBuf};

use clap::Args;
use pilotlight_core::config::Language;
use pilotlight_core::model::Digest;
use pilotlight_install::boot_arguments::BootArguments;
use pilotlight_install::card::Rpi4;
use pilotlight_install::image::Fingerprint;
use pilotlight_install::release::Running;
use pilotlight_install::request::{
    Asked, AskedCard, AskedConfig, AskedStream, Consent, Download, Request, To, Trust,
};
use pilotlight_install::save::Save;
use pilotlight_install::source::{Network, Place};
use pilotlight_install::stream;

/// Write an OS image to a disk, with the config that its first boot reads
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = EXAMPLES)]
pub struct Install {
    /// The disk, by any of its names, or a file that stands for one
    #[arg(short, long, value_name = "DISK")]
    pub device: Option<PathBuf>,
    /// Take the smallest disk of more than 10 GB that nobody uses
    #[arg(short, long, conflicts_with = "device")]
    pub smallest: bool,
    /// Pass over disks with these major device numbers (with --smallest)
    #[arg(short = 'e', long, value_name = "MAJORS", value_delimiter = ',')]
    pub exclude: Vec<u32>,
    /// Look only at disks with these major device numbers (with --smallest)
    #[arg(short = 'I', long, value_name = "MAJORS", value_delimiter = ',')]
    pub include: Vec<u32>,

    /// Version of Flatcar: a number, current, or a name such as current-2024
    #[arg(short = 'V', long, value_name = "VERSION")]
    pub release_version: Option<String>,
    /// Board of Flatcar: amd64-usr or arm64-usr
    #[arg(short = 'B', long, value_name = "BOARD")]
    pub board: Option<String>,
    /// Channel of Flatcar: stable, beta, alpha, lts
    #[arg(short = 'C', long, value_name = "CHANNEL")]
    pub channel: Option<String>,
    /// OEM of Flatcar's image; '' for none, else that of the running system
    #[arg(short, long, value_name = "OEM")]
    pub oem: Option<String>,
    /// A mirror instead of Flatcar's servers: VERSION/flatcar_production_image.bin.bz2 is below it
    #[arg(short, long, value_name = "URL")]
    pub base_url: Option<String>,
    /// This image; "-" is standard input
    #[arg(short = 'f', long, value_name = "FILE", conflicts_with_all = ["image_url", "stream", "base_url"])]
    pub image_file: Option<PathBuf>,
    /// The image at this URL
    #[arg(long, value_name = "URL", conflicts_with_all = ["stream", "base_url"])]
    pub image_url: Option<String>,
    /// The newest image of a stream of Fedora CoreOS or its kin
    #[arg(long, value_name = "NAME")]
    pub stream: Option<String>,
    /// Where streams are described: NAME.json is below it
    #[arg(long, value_name = "URL", requires = "stream")]
    pub stream_base_url: Option<String>,
    /// Platform of a stream's image
    #[arg(
        long,
        value_name = "NAME",
        requires = "stream",
        default_value = "metal"
    )]
    pub platform: String,
    /// Architecture of a stream's image, if not this machine's
    #[arg(long, value_name = "NAME", requires = "stream")]
    pub architecture: Option<String>,

    /// The config, in any language: a file, a URL, or "-" for standard input
    #[arg(short, long, visible_aliases = ["ignition", "ignition-file", "ignition-url"], value_name = "CONFIG")]
    pub ignition_config: Option<String>,
    /// The config's language; without it, what the content says
    #[arg(long, value_name = "LANGUAGE", value_parser = crate::args::language)]
    pub language: Option<Language>,
    /// Where Butane's local: files and trees: are
    #[arg(long, value_name = "DIR")]
    pub files_dir: Option<PathBuf>,
    /// Make errors of the config's warnings
    #[arg(long)]
    pub strict: bool,
    /// The config has to have this hash: sha256-... or sha512-...
    #[arg(long, value_name = "HASH", value_parser = digest)]
    pub ignition_hash: Option<Digest>,
    /// Take the config from a http: URL without a hash
    #[arg(long)]
    pub insecure_ignition: bool,
    /// A cloud-config for Flatcar's coreos-cloudinit, beside or instead of a config
    #[arg(short, long, value_name = "CONFIG")]
    pub cloud_config: Option<String>,
    /// Trust the authorities in this file for https: URLs as well (PEM)
    #[arg(long, value_name = "FILE")]
    pub authority: Vec<PathBuf>,

    /// Add an argument to the kernel command line of every boot
    #[arg(long, value_name = "ARG", visible_alias = "append")]
    pub append_karg: Vec<String>,
    /// Take an argument away from it
    #[arg(long, value_name = "ARG", visible_alias = "delete")]
    pub delete_karg: Vec<String>,
    /// Consoles instead of the image's: ttyS1,115200n8, tty0
    #[arg(long, value_name = "CONSOLE")]
    pub console: Vec<String>,
    /// Copy the running system's network units
    #[arg(short = 'n', long)]
    pub copy_network: bool,
    /// Copy network units from here
    #[arg(long, value_name = "DIR")]
    pub network_dir: Option<PathBuf>,
    /// Keep partitions with this label, in which * and ? stand for others
    #[arg(long, value_name = "LABEL", value_parser = Save::label)]
    pub save_partlabel: Vec<Save>,
    /// Keep partitions with these numbers: 5, 5-7, 5-, -7
    #[arg(long, value_name = "NUMBERS", allow_hyphen_values = true)]
    pub save_partindex: Vec<Save>,
    /// Have the firmware start the disk: an entry of UEFI's boot menu, in the first place
    #[arg(short = 'u', long)]
    pub uefi: bool,

    /// Make a card that a Raspberry Pi 4 boots from; the board is arm64-usr then, and there is no OEM
    #[arg(long, requires = "firmware")]
    pub rpi4: bool,
    /// Its UEFI firmware: RPi4_UEFI_Firmware_vX.Y.zip, or a directory with the files of it
    #[arg(long, value_name = "ZIP", requires = "rpi4")]
    pub firmware: Option<PathBuf>,
    /// Linux takes the device tree and not ACPI
    #[arg(long, requires = "rpi4")]
    pub rpi4_dt: bool,
    /// Whether memory above 3 GB is hidden
    #[arg(long, value_name = "on|off", requires = "rpi4", value_parser = ["on", "off"])]
    pub rpi4_ram_limit: Option<String>,

    /// Keys that may have signed the image; without one, those in /etc/pilotlight/keys or /usr/share/pilotlight/keys
    /// with the fingerprint of Flatcar's release key
    #[arg(short, long, value_name = "FILE")]
    pub key: Vec<PathBuf>,
    /// Only keys with this fingerprint
    #[arg(long, value_name = "FINGERPRINT")]
    pub fingerprint: Vec<Fingerprint>,
    /// The image's detached signature, a file or URL, if it is not beside the image with .sig behind its name
    #[arg(long, value_name = "FILE")]
    pub signature: Option<String>,
    /// The image has to have this hash as it comes: sha256-... or sha512-...; a signature is not needed then
    #[arg(long, value_name = "HASH", value_parser = digest)]
    pub digest: Option<Digest>,
    /// The image has to have the SHA512 that this file lists for its name, as Flatcar's DIGESTS do; a signature is not
    /// needed then
    #[arg(long, value_name = "FILE", conflicts_with = "digest")]
    pub digests: Option<PathBuf>,
    /// Take an image that nobody vouches for
    #[arg(long)]
    pub insecure: bool,

    /// Take down RAID arrays, logical and encrypted volumes on the disk that nobody uses
    #[arg(long)]
    pub release: bool,
    /// Read everything from the disk again and compare
    #[arg(long)]
    pub read_back: bool,
    /// Do not ask before something is lost
    #[arg(long)]
    pub yes: bool,
    /// Write the image though the disk has it already, with the same config
    #[arg(long)]
    pub again: bool,
    /// Only show what would be done
    #[arg(short = 'y', long, visible_alias = "plan")]
    pub dry_run: bool,
    /// Only download the image and verify it
    #[arg(short = 'D', long)]
    pub download_only: bool,
    /// Where to (with --download-only)
    #[arg(long, value_name = "DIR", requires = "download_only")]
    pub directory: Option<PathBuf>,
    /// Use no network
    #[arg(long)]
    pub offline: bool,
    /// Print the plan, progress and results as lines of JSON
    #[arg(long)]
    pub json: bool,
    /// For scripts of flatcar-install; everything is said without it
    #[arg(short, long, hide = true)]
    pub verbose: bool,
}

const EXAMPLES: &str = "\
Nothing that is written boots before the image has been verified and the config is in its place. The disk's contents
are shown and asked about before; without a terminal --yes is needed, unless the disk is blank.

Examples:
  pilotlight install -d /dev/sda -C stable -i node.bu            the newest stable Flatcar
  pilotlight install -d /dev/sda -V 4230.2.1 -o '' -i node.bu -y what would be done
  pilotlight install -d /dev/disk/by-id/nvme-X -f flatcar_production_image.bin.bz2 -k release.asc
  pilotlight install -d /dev/sda --stream stable -k fedora.gpg -i node.ign --save-partlabel data
  pilotlight install -s -b http://10.0.0.1/flatcar -i https://10.0.0.1/node.ign --authority ca.pem --yes
  pilotlight install -d /dev/mmcblk0 --rpi4 --firmware RPi4_UEFI.zip -i node.bu   a card for a Raspberry Pi 4
  pilotlight install -D -C lts -V current-2024 --directory /srv/images

Exit codes: 0 done, 1 failed or declined, 2 wrong arguments, 77 the disk has this image with this config already.";

/// What the machine has to say to a command line.
#[derive(Clone, Default)]
pub struct Machine {
    /// The running system.
    pub running: Running,
    /// Proxies of the environment.
    pub network: Network,
}

impl Machine {
    /// This one.
    pub fn this() -> Self {
        let text = |paths: &[&str]| {
            let texts = paths
                .iter()
                .filter_map(|path| std::fs::read_to_string(path).ok());
            texts.collect::<Vec<_>>().join("\n")
        };
        // As curl and wget have them; an upper-case HTTP_PROXY could come from a web server's request.
        let variable = |names: &[&str]| {
            let values = names.iter().filter_map(|name| std::env::var(name).ok());
            values.into_iter().find(|value| !value.is_empty())
        };
        let no_proxy = variable(&["no_proxy", "NO_PROXY"]).unwrap_or_default();
        Self {
            running: Running {
                release: text(&["/usr/share/flatcar/release"]),
                update: text(&["/usr/share/flatcar/update.conf", "/etc/flatcar/update.conf"]),
                oem_release: text(&[
                    "/etc/oem-release",
                    "/usr/share/oem/oem-release",
                    "/oem/oem-release",
                ]),
                architecture: std::env::consts::ARCH.into(),
            },
            network: Network {
                http_proxy: variable(&["http_proxy"]),
                https_proxy: variable(&["https_proxy", "HTTPS_PROXY"]),
                no_proxy: no_proxy
                    .split(',')
                    .map(|entry| entry.trim().to_string())
                    .filter(|entry| !entry.is_empty())
                    .collect(),
                ..Network::default()
            },
        }
    }
}

/// `sha256-…` or `sha512-…`.
pub fn digest(text: &str) -> Result<Digest, String> {
    Digest::parse(text).map_err(|error| error.to_string())
}

/// A file, a URL, or `-`.
pub fn place(text: &str) -> Place {
    match text {
        "-" => Place::Stdin,
        url if ["http://", "https://", "tftp://", "s3://", "gs://"]
            .iter()
            .any(|scheme| url.starts_with(scheme)) =>
        {
            Place::Url(url.into())
        }
        path => Place::File(path.into()),
    }
}

/// Reads authorities, each from its file.
pub fn authorities(files: &[PathBuf]) -> Result<Vec<Vec<u8>>, String> {
    (files.iter())
        .map(|path| {
            std::fs::read(path)
                .map_err(|error| format!("while reading {}: {error}", path.display()))
        })
        .collect()
}

impl Install {
    /// Where an image is to be downloaded to, if that is all.
    pub fn download_directory(&self) -> Option<PathBuf> {
        let directory = || self.directory.clone().unwrap_or_else(|| PathBuf::from("."));
        self.download_only.then(directory)
    }

    /// The image that is to be downloaded. The error is what is wrong with the arguments.
    pub fn download(&self, machine: &Machine) -> Result<Download, String> {
        let asked = Download {
            image: self.image(machine),
            trust: self.trust(),
            network: self.network(machine)?,
        };
        match self.offline {
            true => offline(&asked.image, [asked.trust.signature.as_ref()]).map(|()| asked),
            false => Ok(asked),
        }
    }

    /// What is asked for. The error is what is wrong with the arguments.
    pub fn request(&self, machine: &Machine) -> Result<Request, String> {
        let to = match (&self.device, self.smallest) {
            (Some(device), _) => To::Device(device.clone()),
            (None, true) => To::Smallest {
                include: self.include.clone(),
                exclude: self.exclude.clone(),
            },
            (None, false) => {
                return Err("which disk? Name it with -d, or take the smallest with -s".into());
            }
        };
        let network_files = match (&self.network_dir, self.copy_network) {
            (Some(directory), _) => vec![directory.clone()],
            // What the first boot's network generator and the administrator have written.
            (None, true) if self.stream.is_some() => {
                vec!["/etc/NetworkManager/system-connections".into()]
            }
            (None, true) => vec!["/run/systemd/network".into(), "/etc/systemd/network".into()],
            (None, false) => Vec::new(),
        };
        let request = Request {
            to,
            image: self.image(machine),
            trust: self.trust(),
            config: self.ignition_config.as_deref().map(|config| AskedConfig {
                place: place(config),
                digest: self.ignition_hash,
                language: self.language,
                files: self.files_dir.clone(),
                strict: self.strict,
                insecure: self.insecure_ignition,
            }),
            cloud_config: self.cloud_config.as_deref().map(place),
            network_files,
            arguments: BootArguments {
                append: self.append_karg.clone(),
                delete: self.delete_karg.clone(),
                console: self.console.clone(),
            },
            save: [&self.save_partlabel[..], &self.save_partindex[..]].concat(),
            release: self.release,
            read_back: self.read_back,
            boot_entry: self.uefi,
            card: self.firmware.as_ref().map(|firmware| AskedCard {
                firmware: firmware.clone(),
                options: Rpi4 {
                    device_tree: self.rpi4_dt,
                    ram_limit: self.rpi4_ram_limit.as_deref().map(|limit| limit == "on"),
                },
            }),
            dry_run: self.dry_run,
            consent: match self.yes {
                true => Consent::Given,
                false => Consent::Ask,
            },
            once: !self.again,
            network: self.network(machine)?,
        };
        match self.offline {
            true => whole_offline(&request).map(|()| request),
            false => Ok(request),
        }
    }

    fn trust(&self) -> Trust {
        Trust {
            signature: self.signature.as_deref().map(place),
            keys: self.key.clone(),
            pins: self.fingerprint.clone(),
            digest: self.digest,
            digests: self.digests.clone(),
            insecure: self.insecure,
        }
    }

    fn network(&self, machine: &Machine) -> Result<Network, String> {
        Ok(Network {
            authorities: authorities(&self.authority)?,
            ..machine.network.clone()
        })
    }

    fn image(&self, machine: &Machine) -> Asked {
        if let Some(path) = &self.image_file {
            return Asked::At(match path == Path::new("-") {
                true => Place::Stdin,
                false => Place::File(path.clone()),
            });
        }
        if let Some(url) = &self.image_url {
            return Asked::At(Place::Url(url.clone()));
        }
        if let Some(name) = &self.stream {
            let architecture = self.architecture.as_deref();
            let architecture = architecture.unwrap_or(&machine.running.architecture);
            return Asked::Stream(AskedStream {
                base: self.stream_base_url.clone(),
                stream: name.clone(),
                architecture: stream::architecture(architecture).into(),
                platform: self.platform.clone(),
                format: None,
            });
        }
        let mut release = machine.running.release();
        if self.rpi4 {
            release.board = "arm64-usr".into();
            release.oem = String::new();
        }
        release.base = self.base_url.clone();
        // Another channel has other versions than the running system's.
        if let Some(channel) = &self.channel {
            if *channel != release.channel {
                release.version = "current".into();
            }
            release.channel = channel.clone();
        }
        if let Some(board) = &self.board {
            release.board = board.clone();
        }
        if let Some(version) = &self.release_version {
            release.version = version.clone();
        }
        if let Some(oem) = &self.oem {
            release.oem = oem.clone();
        }
        Asked::Release(release)
    }
}

/// Fails if a request would need the network.
pub fn whole_offline(request: &Request) -> Result<(), String> {
    let config = request.config.as_ref().map(|config| &config.place);
    let places = [
        config,
        request.cloud_config.as_ref(),
        request.trust.signature.as_ref(),
    ];
    offline(&request.image, places)
}

/// Fails if an image or one of the other places lies behind the network.
fn offline<'a>(
    image: &'a Asked,
    places: impl IntoIterator<Item = Option<&'a Place>>,
) -> Result<(), String> {
    let Asked::At(image) = image else {
        return Err("--offline leaves only an image in a file: name it with -f".into());
    };
    let mut all = places.into_iter().flatten().chain([image]);
    match all.find(|place| matches!(place, Place::Url(_))) {
        Some(place) => Err(format!(
            "--offline, and {} lies behind the network",
            place.shown()
        )),
        None => Ok(()),
    }
}
