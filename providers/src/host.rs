//! What a provider may ask of the machine.

use std::future::Future;
use std::time::Duration;

use pilotlight_core::http::{Method, Reply};
use pilotlight_core::redact;

/// Why the machine did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// The answer lies behind a network that is not up yet.
    #[error("the network is needed to fetch {0}")]
    NeedsNetwork(String),
    /// No answer within the request's own bound ([`Patience::bound`]); asking again may help.
    #[error("{0}")]
    Silent(String),
    /// The answer exists or should exist, but could not be had.
    #[error("{0}")]
    Broken(String),
}

/// The machine as providers see it. `Ok(None)` means absent.
pub trait Host {
    /// A variable of the agent's environment.
    fn variable(&self, name: &str) -> Option<String>;
    /// Seconds since 1970 by the machine's clock.
    fn seconds(&self) -> u64;
    /// A file of the initramfs; missing is `None`. Reading is bounded.
    fn read_file(&self, path: &str) -> Result<Option<Vec<u8>>, HostError>;
    /// Whether there is QEMU's firmware configuration.
    fn has_fw_cfg(&self) -> FwCfg;
    /// An item of QEMU's firmware configuration (docs/specs/fw_cfg of QEMU).
    fn fw_cfg(&self, name: &str) -> Result<Option<Vec<u8>>, HostError>;
    /// Files of the first device that is the right one, once it appears; `None` if it has not within the bound.
    /// An `Err` is a device that was found and could not be read.
    fn device_files(
        &self,
        wanted: &DeviceFiles<'_>,
    ) -> impl Future<Output = Result<Option<Found>, HostError>>;
    /// The bytes of a device that holds no file system, without the NULs at its end; `None` if there is no such
    /// device within the bound.
    fn raw_device(
        &self,
        path: &str,
        wait: Duration,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, HostError>>;
    /// Loads a module of the kernel, where it is not there and can be had.
    fn load_module(&self, name: &str);
    /// What the host has given this guest of Hyper-V: key and value of the pool that the host writes.
    fn hyperv_pairs(&self) -> Result<Vec<(String, String)>, HostError>;
    /// A property that the host has for this guest of VirtualBox.
    fn guest_property(&self, name: &str) -> Result<Option<Vec<u8>>, HostError>;
    /// A variable that the hypervisor has for this VMware guest, without `guestinfo.`.
    fn guestinfo(&self, key: &str) -> Result<Option<Vec<u8>>, HostError>;
    /// Asks a server and gives its answer, whatever its status, once asking again is of no use
    /// (see [`Ask::patience`]); 5xx, 429 and a broken connection never come back as an answer.
    fn http(&self, ask: &Ask) -> impl Future<Output = Result<Reply, HostError>>;
}

/// Whether a machine has QEMU's firmware configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FwCfg {
    /// It has.
    #[default]
    Present,
    /// It could have, but has not.
    Absent,
    /// No machine of this architecture has.
    Never,
}

/// Which device is the right one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which<'a> {
    /// One whose file system has one of these labels.
    Label(&'a [&'a str]),
    /// A CD-ROM.
    Optical,
    /// The one at this path.
    Path(&'a str),
}

/// Files wanted of a device, which is mounted for reading, for this process alone.
#[derive(Debug, Clone, Copy)]
pub struct DeviceFiles<'a> {
    /// The device.
    pub which: Which<'a>,
    /// Formats that are mounted; whatever parses a foreign device can err.
    pub formats: &'a [&'a str],
    /// A file without which it is not the right device.
    pub mark: Option<&'a str>,
    /// Files, paths from the device's top.
    pub files: &'a [&'a str],
    /// How long the device may take to appear.
    pub wait: Duration,
    /// What it is called while it is waited for.
    pub what: &'a str,
}

/// A device, and the files that were wanted of it, in the order in which they were.
#[derive(Clone, PartialEq, Eq)]
pub struct Found {
    /// The device.
    pub device: String,
    /// The files; absent ones are `None`.
    pub files: Vec<Option<Vec<u8>>>,
}

/// One request to a platform's server. It has no `Debug`: headers hold tokens.
#[derive(Clone, Default)]
pub struct Ask {
    /// Method.
    pub method: Method,
    /// URL.
    pub url: String,
    /// Headers; where there is no `Accept`, that of configs is sent.
    pub headers: Vec<(&'static str, String)>,
    /// Body; empty is none.
    pub body: Vec<u8>,
    /// Which answers are worth asking again after, and for how long.
    pub patience: Patience,
    /// Never through a proxy: an address of the machine's own link.
    pub direct: bool,
    /// How the server is reached.
    pub way: Way,
}

/// How a server is reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Way {
    /// As any other.
    #[default]
    Usual,
    /// From a port below 1024, which only root may have.
    LowPort,
    /// By the virtual sockets of the hypervisor (vsock(7)), without any network: the host, at this port.
    Hypervisor(u32),
}

impl Ask {
    /// A GET without headers.
    pub fn get(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            ..Self::default()
        }
    }

    /// A GET of an address on the machine's own link, without headers.
    pub fn link(url: impl Into<String>) -> Self {
        Self {
            direct: true,
            ..Self::get(url)
        }
    }

    /// The URL as it may be shown.
    pub fn shown(&self) -> String {
        redact::url(&self.url)
    }

    /// The same with other patience.
    #[must_use]
    pub fn patient(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// The same with one more header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// How long a platform's answers are worth asking again after.
///
/// 5xx, 429 and a missing or broken connection are asked again after in any case, for as long as the
/// caller waits: for ever on a first boot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Patience {
    /// Further statuses, each with the time since its first appearance after which it is an answer.
    pub statuses: &'static [(u16, Duration)],
    /// Bound of the whole request where the answer is not vital; `None` is the caller's.
    pub bound: Option<Duration>,
}
