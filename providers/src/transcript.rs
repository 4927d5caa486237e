//! A machine made of what a test wrote down: conversations, files, firmware items, devices.
//!
//! A conversation is text. `> GET URL` begins a request, further `>` lines are headers that it must have and
//! `>> ` lines its body; `< 200` is the answer's status, further `<` lines its headers, and what follows its
//! body. `< silence` is a server that does not answer within the request's bound, `< given up` one that the caller
//! asks no longer. Each answer is given once, in
//! order for its request, and a request that is not in the transcript fails the test, as does one left over.

use std::cell::RefCell;
use std::time::Duration;

use pilotlight_core::http::{Method, Reply};

use crate::host::{Ask, DeviceFiles, Found, FwCfg, Host, HostError, Way, Which};

#[derive(Default)]
pub(crate) struct Transcript {
    pub(crate) variables: Vec<(&'static str, &'static str)>,
    pub(crate) files: Vec<(&'static str, &'static str)>,
    pub(crate) fw_cfg: Vec<(&'static str, &'static str)>,
    pub(crate) has_fw_cfg: FwCfg,
    pub(crate) guestinfo: Vec<(&'static str, &'static str)>,
    pub(crate) pairs: Vec<(&'static str, &'static str)>,
    pub(crate) properties: Vec<(&'static str, &'static str)>,
    pub(crate) raw: Option<&'static str>,
    /// What the device is called that is there (its label, `cdrom` or its path), and its files.
    pub(crate) device: Option<(&'static str, Vec<(&'static str, &'static str)>)>,
    /// Whether the device is only there for who waits for it.
    pub(crate) is_late: bool,
    pub(crate) offline: bool,
    pub(crate) exchanges: RefCell<Vec<Exchange>>,
}

#[derive(Default)]
pub(crate) struct Exchange {
    request: String,
    headers: Vec<String>,
    sent: String,
    status: Option<u16>,
    given_up: bool,
    reply: Vec<(String, String)>,
    body: String,
    used: bool,
}

impl Transcript {
    /// A machine that only has conversations.
    pub(crate) fn of(text: &str) -> Self {
        let mut list: Vec<Exchange> = Vec::new();
        let mut head = false;
        for line in text.lines().filter(|line| !line.starts_with("## ")) {
            if let Some(request) = line.strip_prefix("> ") {
                match list
                    .last_mut()
                    .filter(|last| last.status.is_none() && !head && !request.contains("://"))
                {
                    Some(last) => last.headers.push(request.into()),
                    None => list.push(Exchange {
                        request: request.into(),
                        ..Exchange::default()
                    }),
                }
                head = false;
                continue;
            }
            let last = list.last_mut().expect("a transcript begins with a request");
            if let Some(body) = line.strip_prefix(">> ") {
                last.sent.push_str(body);
                last.sent.push('\n');
            } else if let Some(rest) = line.strip_prefix("< ") {
                match rest.split_once(": ") {
                    Some((name, value)) if head => last.reply.push((name.into(), value.into())),
                    _ => {
                        last.status = rest.parse().ok();
                        last.given_up = rest == "given up";
                    }
                }
                head = true;
            } else {
                if !last.body.is_empty() {
                    last.body.push('\n');
                }
                last.body.push_str(line);
            }
        }
        Self {
            exchanges: RefCell::new(list),
            ..Self::default()
        }
    }

    /// Fails unless every request of the transcript was made.
    pub(crate) fn is_used_up(&self) {
        let exchanges = self.exchanges.borrow();
        let left = exchanges.iter().filter(|known| !known.used);
        let left: Vec<&str> = left.map(|known| known.request.as_str()).collect();
        assert!(left.is_empty(), "nobody asked {left:?}");
    }

    fn find(list: &[(&'static str, &'static str)], name: &str) -> Option<Vec<u8>> {
        let found = list.iter().find(|(known, _)| *known == name)?;
        Some(found.1.as_bytes().to_vec())
    }
}

impl Host for Transcript {
    fn variable(&self, name: &str) -> Option<String> {
        let found = self.variables.iter().find(|(known, _)| *known == name)?;
        Some(found.1.to_string())
    }

    fn seconds(&self) -> u64 {
        1_900_000_000
    }

    fn read_file(&self, path: &str) -> Result<Option<Vec<u8>>, HostError> {
        Ok(Self::find(&self.files, path))
    }

    fn has_fw_cfg(&self) -> FwCfg {
        self.has_fw_cfg
    }

    fn fw_cfg(&self, name: &str) -> Result<Option<Vec<u8>>, HostError> {
        Ok(Self::find(&self.fw_cfg, name))
    }

    async fn device_files(&self, wanted: &DeviceFiles<'_>) -> Result<Option<Found>, HostError> {
        let Some((name, files)) = &self.device else {
            return Ok(None);
        };
        if self.is_late && wanted.wait.is_zero() {
            return Ok(None);
        }
        let right = match wanted.which {
            Which::Label(labels) => labels.contains(name),
            Which::Optical => *name == "cdrom",
            Which::Path(path) => *name == path,
        };
        let marked = wanted
            .mark
            .is_none_or(|mark| Self::find(files, mark).is_some());
        Ok((right && marked).then(|| Found {
            device: format!("/dev/{name}"),
            files: wanted
                .files
                .iter()
                .map(|path| Self::find(files, path))
                .collect(),
        }))
    }

    async fn raw_device(&self, _: &str, _: Duration) -> Result<Option<Vec<u8>>, HostError> {
        Ok(self.raw.map(|text| text.as_bytes().to_vec()))
    }

    fn load_module(&self, _: &str) {}

    fn hyperv_pairs(&self) -> Result<Vec<(String, String)>, HostError> {
        let pairs = self.pairs.iter();
        Ok(pairs
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .collect())
    }

    fn guest_property(&self, name: &str) -> Result<Option<Vec<u8>>, HostError> {
        Ok(Self::find(&self.properties, name))
    }

    fn guestinfo(&self, key: &str) -> Result<Option<Vec<u8>>, HostError> {
        Ok(Self::find(&self.guestinfo, key))
    }

    async fn http(&self, ask: &Ask) -> Result<Reply, HostError> {
        if self.offline && !matches!(ask.way, Way::Hypervisor(_)) {
            return Err(HostError::NeedsNetwork(ask.url.clone()));
        }
        let method = match ask.method {
            Method::Get => "GET",
            Method::Put => "PUT",
            Method::Post => "POST",
            Method::Patch => "PATCH",
        };
        let request = format!("{method} {}", ask.url);
        let mut exchanges = self.exchanges.borrow_mut();
        let found = exchanges
            .iter_mut()
            .find(|known| !known.used && known.request == request)
            .unwrap_or_else(|| panic!("{request} is not in the transcript"));
        found.used = true;
        for header in &found.headers {
            let sent =
                |(name, value): &(&'static str, String)| format!("{name}: {value}") == *header;
            assert!(ask.headers.iter().any(sent), "{request} without {header}");
        }
        if !found.sent.is_empty() {
            assert_eq!(
                String::from_utf8_lossy(&ask.body).trim_end(),
                found.sent.trim_end()
            );
        }
        let Some(status) = found.status else {
            assert!(
                ask.patience.bound.is_some(),
                "{request} would wait for ever"
            );
            let why = format!("{} does not answer", ask.url);
            return Err(match found.given_up {
                true => HostError::Broken(why),
                false => HostError::Silent(why),
            });
        };
        Ok(Reply {
            status,
            headers: found.reply.clone(),
            body: found.body.clone().into_bytes(),
        })
    }
}

/// Transcripts never wait, so one poll is enough.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut cx) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("a transcript waited"),
    }
}

/// Compares with `testdata/NAME.json`, or writes it where `UPDATE_GOLDENS` is set.
pub(crate) fn golden(name: &str, said: &pilotlight_core::model::Metadata) {
    let path = format!("{}/testdata/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = serde_json::to_string_pretty(said).unwrap() + "\n";
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&path).unwrap(), "{path}");
    let back: pilotlight_core::model::Metadata = serde_json::from_str(&text).unwrap();
    assert_eq!(back, *said);
}
