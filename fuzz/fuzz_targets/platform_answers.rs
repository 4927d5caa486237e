//! What platforms answer: every provider against a machine on which everything says the same bytes.
//!
//! The first byte chooses the status and what else is there; the rest is every body, file and variable.
#![no_main]

use std::cell::Cell;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pilotlight_core::http::Reply;
use pilotlight_providers::status::Status;
use pilotlight_providers::{
    Ask, DeviceFiles, Found, FwCfg, Host, HostError, Platform, aws_role_credentials,
    azure_access_token, gcp_access_token,
};

struct Machine<'a> {
    choice: u8,
    bytes: &'a [u8],
    asked: Cell<u32>,
}

impl Host for Machine<'_> {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }
    fn seconds(&self) -> u64 {
        1_900_000_000
    }
    fn read_file(&self, _: &str) -> Result<Option<Vec<u8>>, HostError> {
        Ok(None)
    }
    fn has_fw_cfg(&self) -> FwCfg {
        FwCfg::Present
    }
    fn fw_cfg(&self, _: &str) -> Result<Option<Vec<u8>>, HostError> {
        Ok(None)
    }
    async fn device_files(&self, wanted: &DeviceFiles<'_>) -> Result<Option<Found>, HostError> {
        Ok((self.choice & 1 != 0).then(|| Found {
            device: "/dev/fuzz".into(),
            files: wanted
                .files
                .iter()
                .map(|_| Some(self.bytes.to_vec()))
                .collect(),
        }))
    }
    async fn raw_device(&self, _: &str, _: Duration) -> Result<Option<Vec<u8>>, HostError> {
        Ok(None)
    }
    fn load_module(&self, _: &str) {}
    fn hyperv_pairs(&self) -> Result<Vec<(String, String)>, HostError> {
        let text = String::from_utf8_lossy(self.bytes);
        let (name, value) = text.split_once('=').unwrap_or(("ignition.config", &text));
        Ok(vec![(name.into(), value.into())])
    }
    fn guest_property(&self, _: &str) -> Result<Option<Vec<u8>>, HostError> {
        Ok(Some(self.bytes.to_vec()))
    }
    fn guestinfo(&self, key: &str) -> Result<Option<Vec<u8>>, HostError> {
        let encoding = ["", "base64", "gzip+base64", "?"][usize::from(self.choice >> 1 & 3)];
        Ok(Some(match key.ends_with(".encoding") {
            true => encoding.into(),
            false => self.bytes.to_vec(),
        }))
    }
    async fn http(&self, ask: &Ask) -> Result<Reply, HostError> {
        let asked = self.asked.get() + 1;
        self.asked.set(asked);
        // However long a list is that the platform says, what is asked for in turn is bounded.
        assert!(asked < 10_000, "{} is one request too many", ask.url);
        assert!(!ask.url.contains(['\r', '\n', ' ']), "{:?}", ask.url);
        Ok(Reply {
            status: [200, 200, 200, 404][usize::from(self.choice >> 3 & 3)],
            headers: vec![("metadata-flavor".into(), "Google".into())],
            body: self.bytes.to_vec(),
        })
    }
}

fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("this machine never waits"),
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((choice, bytes)) = bytes.split_first() else {
        return;
    };
    let host = Machine {
        choice: *choice,
        bytes,
        asked: Cell::new(0),
    };
    for platform in Platform::ALL {
        host.asked.set(0);
        let _ = now(platform.user_config(&host));
        let _ = now(platform.report(&host, &Status::Ready));
        let Ok(Some(said)) = now(platform.metadata(&host)) else {
            continue;
        };
        // What comes in becomes files: each part of it stays on its line.
        let name = said.hostname.as_deref().unwrap_or("a");
        assert!(
            !name.is_empty() && name.len() <= 64 && !name.contains(['/', '\n', ' ']),
            "{name:?}"
        );
        for key in &said.ssh_keys {
            assert!(
                !key.key.is_empty() && !key.key.chars().any(char::is_control),
                "{key:?}"
            );
            assert!(
                key.user
                    .as_deref()
                    .is_none_or(|user| !user.is_empty() && !user.contains('/')),
                "{key:?}"
            );
        }
        let lines = said.attribute_lines();
        assert_eq!(lines.lines().count(), said.attributes.len(), "{lines}");
        let json = serde_json::to_vec(&said).expect("metadata are JSON");
        assert_eq!(
            said,
            serde_json::from_slice(&json).expect("metadata can be read again")
        );
    }
    let _ = now(aws_role_credentials(&host));
    let _ = now(azure_access_token(&host, "https://storage.azure.com/"));
    let _ = now(gcp_access_token(&host));
});
