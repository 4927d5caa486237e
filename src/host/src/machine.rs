//! The real machine as providers see it.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use pilotlight_core::http::Reply;
use pilotlight_fetch::{
    ACCEPT_CONFIG, CONFIG_LIMIT, Cause, Client, ClientConfig, Progress, Request,
};
use pilotlight_providers::{Ask, DeviceFiles, Found, FwCfg, Host, HostError, Way};
use pilotlight_sys::{hyperv, virtualbox};

use crate::{devices, log, plain_http};

/// Where the kernel shows QEMU's firmware configuration (Documentation/ABI/testing/sysfs-firmware-qemu_fw_cfg).
const FW_CFG: &str = "/sys/firmware/qemu_fw_cfg";

/// The machine that the agent runs on.
pub struct Machine {
    /// Whether fetching from the network is allowed in this stage.
    pub online: bool,
    /// Longest time for one request for a config, or for several of which none is answered; `None` is for ever.
    pub fetch_timeout: Option<Duration>,
    /// Keeps its connections from one request to the next. It has no proxy: those are named by the config,
    /// which is what is looked for here.
    client: Rc<Client>,
    /// Most bytes of an answer.
    limit: u64,
    /// What is said about all requests.
    spoken: Spoken,
    /// Why nothing was answered last.
    silence: RefCell<Option<String>>,
}

impl Machine {
    /// The machine as a stage sees it.
    pub fn new(online: bool, fetch_timeout: Option<Duration>) -> Self {
        let client = Client::new(ClientConfig {
            total_timeout: fetch_timeout,
            ..ClientConfig::default()
        });
        Self {
            online,
            fetch_timeout,
            client: Rc::new(client),
            limit: CONFIG_LIMIT,
            spoken: Spoken::default(),
            silence: RefCell::default(),
        }
    }

    /// The same for services of which none speaks HTTPS: the authorities of the system are not read.
    #[must_use]
    pub fn without_authorities(self) -> Self {
        let client = Client::new(ClientConfig {
            system_authorities: false,
            total_timeout: self.fetch_timeout,
            ..ClientConfig::default()
        });
        Self {
            client: Rc::new(client),
            ..self
        }
    }

    /// The machine as a daemon sees it, which is in no hurry: a server may keep a request for `fetch_timeout`, an
    /// answer has at most `limit` bytes, and who waits for it says so. Without `https` the authorities of the system
    /// are not read.
    pub fn of_daemon(fetch_timeout: Duration, limit: u64, https: bool) -> Self {
        let client = Client::new(ClientConfig {
            system_authorities: https,
            response_header_timeout: fetch_timeout,
            total_timeout: Some(fetch_timeout),
            ..ClientConfig::default()
        });
        Self {
            client: Rc::new(client),
            limit,
            spoken: Spoken {
                silent: true,
                ..Spoken::default()
            },
            ..Self::new(true, Some(fetch_timeout))
        }
    }

    /// The same, with its connections, for what has to be answered sooner.
    #[must_use]
    pub fn within(&self, fetch_timeout: Duration) -> Self {
        Self {
            online: self.online,
            fetch_timeout: Some(fetch_timeout),
            client: self.client.clone(),
            limit: self.limit,
            spoken: Spoken {
                silent: self.spoken.silent,
                ..Spoken::default()
            },
            silence: RefCell::default(),
        }
    }

    /// Begins something new: the time that was waited for answers so far does not count for it.
    pub fn begin_anew(&self) {
        self.spoken.begun.set(None);
        self.silence.take();
    }
}

/// Reads a whole file of at most [`CONFIG_LIMIT`] bytes; `None` where there is no such file.
pub fn read_bounded(path: &Path) -> std::io::Result<Option<Vec<u8>>> {
    // One byte more than allowed is read, so that the config parser can say that it is too large.
    pilotlight_sys::read_beginning(path, CONFIG_LIMIT + 1)
}

impl Host for Machine {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn read_file(&self, path: &str) -> Result<Option<Vec<u8>>, HostError> {
        read_bounded(Path::new(path))
            .map_err(|error| HostError::Broken(format!("while reading {path}: {error}")))
    }

    fn seconds(&self) -> u64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |since| since.as_secs())
    }

    fn has_fw_cfg(&self) -> FwCfg {
        // QEMU has it in its machines of all other architectures that images are made for.
        if cfg!(any(target_arch = "s390x", target_arch = "powerpc64")) {
            return FwCfg::Never;
        }
        if !Path::new(FW_CFG).exists() {
            // No module and no such hardware look the same here; a machine without the interface has no items.
            self.load_module("qemu_fw_cfg");
        }
        match Path::new(FW_CFG).exists() {
            true => FwCfg::Present,
            false => FwCfg::Absent,
        }
    }

    async fn device_files(&self, wanted: &DeviceFiles<'_>) -> Result<Option<Found>, HostError> {
        devices::files(wanted)
    }

    async fn raw_device(&self, path: &str, wait: Duration) -> Result<Option<Vec<u8>>, HostError> {
        devices::raw(path, wait)
    }

    fn load_module(&self, name: &str) {
        if let Err(error) = pilotlight_sys::tool::run("modprobe", &[name], None) {
            tracing::warn!("while loading the module {name}: {error}");
        }
    }

    fn hyperv_pairs(&self) -> Result<Vec<(String, String)>, HostError> {
        let what = "while asking Hyper-V for key-value pairs";
        match hyperv::pairs() {
            Ok(Some(pairs)) => Ok(pairs),
            Ok(None) => Err(HostError::Broken(format!(
                "{what}: there is no /dev/vmbus/hv_kvp; load hv_utils, and switch \"Data Exchange\" on for this guest, \
                 or name the platform \"metal\" if there is no config"
            ))),
            Err(error) => Err(HostError::Broken(format!("{what}: {error}"))),
        }
    }

    fn guest_property(&self, name: &str) -> Result<Option<Vec<u8>>, HostError> {
        virtualbox::guest_property(name).map_err(|error| {
            HostError::Broken(format!(
                "while asking VirtualBox for the guest property {name}: {error}"
            ))
        })
    }

    fn guestinfo(&self, key: &str) -> Result<Option<Vec<u8>>, HostError> {
        devices::vmware(key)
    }

    fn fw_cfg(&self, name: &str) -> Result<Option<Vec<u8>>, HostError> {
        let item = format!("{FW_CFG}/by_name/{name}");
        if !Path::new(&item).exists() {
            return Ok(None);
        }
        read_item(&item)
            .map(Some)
            .map_err(|error| HostError::Broken(format!("while reading {item}: {error}")))
    }

    async fn http(&self, ask: &Ask) -> Result<Reply, HostError> {
        let is_guest = matches!(ask.way, Way::Hypervisor(_));
        if !self.online && !is_guest {
            return Err(HostError::NeedsNetwork(ask.shown()));
        }
        let waited = self.spoken.begin();
        if ask.way != Way::Usual {
            return self.plain(ask);
        }
        let mut request = request(ask);
        if let Some(bound) = self.fetch_timeout {
            let left = bound.saturating_sub(waited);
            if left.is_zero() {
                let why = self.silence.borrow().clone().unwrap_or_default();
                return Err(HostError::Broken(why));
            }
            request.total_timeout = Some(request.total_timeout.map_or(left, |own| own.min(left)));
        }
        let asked = self.client.ask(&request, self.limit, &self.spoken);
        match asked.await {
            Ok(reply) => {
                self.spoken.begun.set(None);
                Ok(reply)
            }
            Err(error) => {
                let why = error.to_string();
                self.silence.replace(Some(why.clone()));
                let own_bound = ask.patience.bound.is_some();
                Err(match error.cause {
                    // Where the caller's bound is over, the next ask ends at once.
                    Cause::Timeout { .. } if own_bound => HostError::Silent(why),
                    _ => HostError::Broken(why),
                })
            }
        }
    }
}

impl Machine {
    /// Asks over a connection of a way of its own, until there is an answer or the bound is over. The thread waits: a
    /// boot has nothing else to do before it has its config.
    fn plain(&self, ask: &Ask) -> Result<Reply, HostError> {
        let begun = Instant::now();
        for attempt in 1.. {
            let why = match plain_http::ask(ask, self.limit, ONE_ANSWER) {
                Ok(reply) if reply.status < 500 && reply.status != 429 => {
                    self.spoken.begun.set(None);
                    return Ok(reply);
                }
                Ok(reply) => format!("{} answers {}", ask.shown(), reply.status),
                Err(error) => format!("while fetching {}: {error}", ask.shown()),
            };
            let over =
                |bound: Option<Duration>| bound.is_some_and(|bound| begun.elapsed() >= bound);
            if over(self.fetch_timeout) {
                return Err(HostError::Broken(why));
            }
            if over(ask.patience.bound) {
                return Err(HostError::Silent(why));
            }
            let what = format!("{} ({why})", ask.shown());
            self.spoken
                .waiting(&what, begun.elapsed(), attempt, Some(BETWEEN));
            std::thread::sleep(BETWEEN);
        }
        Err(HostError::Broken(format!(
            "{} does not answer",
            ask.shown()
        )))
    }
}

/// Longest time for one answer over a connection of a way of its own, and between two attempts.
const ONE_ANSWER: Duration = Duration::from_secs(10);
const BETWEEN: Duration = Duration::from_secs(1);

/// What a provider asks, in the fetch crate's words.
fn request(ask: &Ask) -> Request {
    let headers = ask.headers.iter();
    Request {
        method: ask.method,
        body: ask.body.clone(),
        headers: headers
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect(),
        accept: Some(ACCEPT_CONFIG.into()),
        retry_statuses: ask.patience.statuses.to_vec(),
        total_timeout: ask.patience.bound,
        direct: ask.direct,
        ..Request::new(&ask.url)
    }
}

/// Each read() of the item costs time in proportion to its offset, so it is read in one go.
fn read_item(item: &str) -> std::io::Result<Vec<u8>> {
    let size = std::fs::read_to_string(format!("{item}/size"))?;
    let size: u64 = size
        .trim()
        .parse()
        .map_err(|_| std::io::Error::other(format!("its size {:?} is no number", size.trim())))?;
    let size = usize::try_from(size.min(CONFIG_LIMIT + 1)).map_err(std::io::Error::other)?;
    let mut bytes = vec![0; size + 1];
    let mut file = File::open(format!("{item}/raw"))?;
    let mut filled = 0;
    loop {
        match file.read(&mut bytes[filled..])? {
            0 => break,
            n => filled += n,
        }
        if filled == bytes.len() {
            break;
        }
    }
    bytes.truncate(filled.min(size));
    Ok(bytes)
}

/// Says every few seconds, in the log and on the consoles, what a fetch waits for; fetches that run side by
/// side share one.
#[derive(Default)]
pub struct Spoken {
    last: RefCell<Option<Instant>>,
    /// When the waiting began, where that is not when the fetch did: a provider asks at several addresses in
    /// turn until one answers.
    begun: Cell<Option<Instant>>,
    /// Whether nothing is said: who asks says so.
    silent: bool,
}

impl Spoken {
    /// Begins to wait, unless it has begun; gives the time since.
    fn begin(&self) -> Duration {
        let Some(begun) = self.begun.get() else {
            self.begun.set(Some(Instant::now()));
            return Duration::ZERO;
        };
        begun.elapsed()
    }
}

/// Shortest time between two such lines.
const QUIET: Duration = Duration::from_secs(5);

impl Progress for Spoken {
    fn is_heard(&self) -> bool {
        !self.silent
    }

    fn waiting(&self, what: &str, since: Duration, attempt: u32, next: Option<Duration>) {
        let mut last = self.last.borrow_mut();
        if self.silent || last.is_some_and(|last| last.elapsed() < QUIET) {
            return;
        }
        *last = Some(Instant::now());
        let since = self.begun.get().map_or(since, |begun| begun.elapsed());
        let next = match next {
            Some(next) => format!("next attempt in {:.1} s", next.as_secs_f32()),
            None => "still waiting".into(),
        };
        let line = format!(
            "waiting for {what} since {} s (attempt {attempt}, {next})",
            since.as_secs()
        );
        log::waiting(&line);
    }

    fn bytes(&self, _done: u64, _total: Option<u64>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_and_broken_files_are_different_answers() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read_bounded(&dir.path().join("none")).unwrap().is_none());
        assert!(read_bounded(dir.path()).is_err());
        std::fs::write(dir.path().join("f"), "x").unwrap();
        assert_eq!(read_bounded(&dir.path().join("f")).unwrap().unwrap(), b"x");
    }

    #[test]
    fn an_item_is_read_whole_and_not_beyond_its_size() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("raw"), "config bytes").unwrap();
        std::fs::write(dir.path().join("size"), "6\n").unwrap();
        assert_eq!(read_item(dir.path().to_str().unwrap()).unwrap(), b"config");
        std::fs::write(dir.path().join("size"), "many").unwrap();
        assert!(read_item(dir.path().to_str().unwrap()).is_err());
    }
}
