//! What a person asks of an installation, whichever of the three command lines it was said on.

use std::path::PathBuf;

use pilotlight_core::config::Language;
use pilotlight_core::model::Digest;

use crate::boot_arguments::BootArguments;
use crate::card::Rpi4;
use crate::image::Fingerprint;
use crate::release::Release;
use crate::save::Save;
use crate::source::{Network, Place};

/// An installation.
#[derive(Clone)]
pub struct Request {
    /// Where to.
    pub to: To,
    /// Which image.
    pub image: Asked,
    /// What vouches for it.
    pub trust: Trust,
    /// The config.
    pub config: Option<AskedConfig>,
    /// A cloud-config for Flatcar, which is checked like any config.
    pub cloud_config: Option<Place>,
    /// Files of these directories configure the network.
    pub network_files: Vec<PathBuf>,
    /// Kernel arguments.
    pub arguments: BootArguments,
    /// Partitions that stay.
    pub save: Vec<Save>,
    /// Whether unused devices that stand on the disk are taken down.
    pub release: bool,
    /// Whether what was written is read back.
    pub read_back: bool,
    /// Whether the firmware is to start the disk.
    pub boot_entry: bool,
    /// What makes a card of it that a Raspberry Pi 4 boots from.
    pub card: Option<AskedCard>,
    /// Whether only to show what would be done.
    pub dry_run: bool,
    /// Whether anybody is asked before something is lost.
    pub consent: Consent,
    /// Whether a disk that has all of this already is left alone.
    pub once: bool,
    /// How servers are asked.
    pub network: Network,
}

/// An image that is downloaded, and goes to no disk.
#[derive(Clone)]
pub struct Download {
    /// Which image.
    pub image: Asked,
    /// What vouches for it.
    pub trust: Trust,
    /// How servers are asked.
    pub network: Network,
}

/// A Raspberry Pi 4's firmware.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedCard {
    /// The archive, or a directory with its files.
    pub firmware: PathBuf,
    /// What of it is chosen.
    pub options: Rpi4,
}

/// Where an image is written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// A disk by any of its names, or a file.
    Device(PathBuf),
    /// The smallest disk that nobody uses.
    Smallest {
        /// Major numbers; all where none are given.
        include: Vec<u32>,
        /// Major numbers.
        exclude: Vec<u32>,
    },
}

/// An image as it was asked for.
#[derive(Clone, PartialEq, Eq)]
pub enum Asked {
    /// By its place.
    At(Place),
    /// A release of Flatcar.
    Release(Release),
    /// The newest of a stream.
    Stream(AskedStream),
}

/// An image of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedStream {
    /// Where streams are described, if not at Fedora's place.
    pub base: Option<String>,
    /// Its name.
    pub stream: String,
    /// Architecture, by the kernel's name.
    pub architecture: String,
    /// Platform.
    pub platform: String,
    /// Format; that for the disk's sectors where none is given.
    pub format: Option<String>,
}

/// What vouches for an image.
#[derive(Clone, Default)]
pub struct Trust {
    /// Where its signature is, if not beside it.
    pub signature: Option<Place>,
    /// Files with keys; those of the documented folders where there are none.
    pub keys: Vec<PathBuf>,
    /// The keys that count; Flatcar's release key for keys that nobody named.
    pub pins: Vec<Fingerprint>,
    /// Its digest.
    pub digest: Option<Digest>,
    /// A file that lists digests by the names of files, as Flatcar's DIGESTS do.
    pub digests: Option<PathBuf>,
    /// Whether an image is taken that nobody vouches for.
    pub insecure: bool,
}

/// A config as it was asked for.
#[derive(Clone)]
pub struct AskedConfig {
    /// Where it is.
    pub place: Place,
    /// Its digest.
    pub digest: Option<Digest>,
    /// Its language; that of its content where none is given.
    pub language: Option<Language>,
    /// Where Butane's local files are.
    pub files: Option<PathBuf>,
    /// Whether warnings are errors.
    pub strict: bool,
    /// Whether it may come over plain HTTP without a digest.
    pub insecure: bool,
}

/// Who is asked before something is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// It was given on the command line, or the command line never asked for it.
    Given,
    /// A person at the terminal; without one nothing is done.
    Ask,
}
