//! The crate against real servers on the loopback device, each answering by a script.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod answers;
mod ask;
mod proxy;
mod redirect;
mod resume;
mod secrets;
mod server;
mod stores;
mod tftp;
mod tls;

use std::cell::RefCell;
use std::time::Duration;

use pilotlight_fetch::{Client, ClientConfig, FetchError, Fetched, Progress, Request, blocking};
use sha2::{Digest as _, Sha256};

/// Settings whose waits are short, and whose end is sure.
fn quick() -> ClientConfig {
    ClientConfig {
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(5),
        total_timeout: Some(Duration::from_secs(30)),
        ..ClientConfig::default()
    }
}

/// What a progress was told.
#[derive(Default)]
struct Told {
    waits: RefCell<Vec<String>>,
    pauses: RefCell<Vec<Duration>>,
    last_bytes: RefCell<(u64, Option<u64>)>,
}

impl Progress for Told {
    fn waiting(&self, what: &str, _: Duration, _: u32, next: Option<Duration>) {
        self.waits.borrow_mut().push(what.to_owned());
        self.pauses.borrow_mut().extend(next);
    }

    fn bytes(&self, done: u64, total: Option<u64>) {
        *self.last_bytes.borrow_mut() = (done, total);
    }
}

/// The outcome of one fetch.
struct Outcome {
    result: Result<Fetched, FetchError>,
    contents: Vec<u8>,
    told: Told,
}

impl Outcome {
    /// The contents of a fetch that succeeded, once its numbers are seen to fit them.
    fn contents(&self) -> &[u8] {
        let fetched = self.result.as_ref().unwrap();
        assert_eq!(fetched.bytes, self.contents.len() as u64);
        assert_eq!(fetched.sha256, sha256(&self.contents));
        &self.contents
    }

    fn error(&self) -> &FetchError {
        self.result.as_ref().unwrap_err()
    }
}

fn fetch(config: ClientConfig, request: &Request) -> Outcome {
    let client = Client::new(config);
    let (mut contents, told) = (Vec::new(), Told::default());
    let result = blocking(client.fetch(request, &mut contents, &told)).unwrap();
    Outcome {
        result,
        contents,
        told,
    }
}

fn get(url: impl Into<String>) -> Outcome {
    fetch(quick(), &Request::new(url))
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
