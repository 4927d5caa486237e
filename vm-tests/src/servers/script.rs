//! What servers do before they answer rightly.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;

use super::{Request, Response};

/// One kind of request that fails first.
#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Fault {
    /// How `METHOD TARGET` begins; empty is every request.
    #[serde(default)]
    pub on: String,
    /// The answer's status; absent, the connection is closed without one.
    pub status: Option<u16>,
    /// The answer's headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// How many requests it is.
    #[serde(default = "once")]
    pub times: u32,
}

fn once() -> u32 {
    1
}

/// The faults that are left.
#[derive(Default)]
pub struct Script(Mutex<Vec<Fault>>);

/// What becomes of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Fate {
    /// The service answers.
    Served,
    /// This answer in its place.
    Answered(Response),
    /// None: the connection is closed.
    Dropped,
}

impl Script {
    /// All faults of a scenario; the first that fits comes first.
    pub fn new(faults: &[Fault]) -> Self {
        Self(Mutex::new(faults.to_vec()))
    }

    /// Decides, and counts.
    pub fn fate(&self, request: &Request) -> Fate {
        let asked = format!("{} {}", request.method, request.target);
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |fault: &&mut Fault| fault.times > 0 && asked.starts_with(&fault.on);
        let Some(fault) = faults.iter_mut().find(fits) else {
            return Fate::Served;
        };
        fault.times -= 1;
        fault.status.map_or(Fate::Dropped, |status| {
            let mut response = Response::status(status);
            for (name, value) in &fault.headers {
                response = response.header(name, value);
            }
            Fate::Answered(response)
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Fate, Fault, Script};
    use crate::servers::{Request, Response};

    #[test]
    fn faults_come_in_their_order_and_end() {
        #[derive(serde::Deserialize)]
        struct Faults {
            fault: Vec<Fault>,
        }
        let faults: Faults = toml::from_str(
            "[[fault]]\non = \"GET /a\"\nstatus = 503\nheaders = { Retry-After = \"1\" }\ntimes = 2\n\
             [[fault]]\n",
        )
        .unwrap();
        let script = Script::new(&faults.fault);
        let asked = |target: &str| Request {
            method: "GET".to_owned(),
            target: target.to_owned(),
            ..Request::default()
        };
        let busy = Fate::Answered(Response::status(503).header("Retry-After", "1"));
        assert_eq!(script.fate(&asked("/abc")), busy);
        assert_eq!(script.fate(&asked("/other")), Fate::Dropped);
        assert_eq!(script.fate(&asked("/a")), busy);
        assert_eq!(script.fate(&asked("/a")), Fate::Served);
    }
}
