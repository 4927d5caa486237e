//! The metadata service of a machine with two interfaces, of which the second comes and goes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::LINK;
use crate::server::Server;

const FIRST: &str = "02:00:00:00:0a:01";
const SECOND: &str = "02:00:00:00:0a:02";

pub const BEGIN: Says = Says {
    second: None,
    addresses: Some("10.0.2.20\n10.0.2.21"),
};

/// What the service says.
#[derive(Debug, Clone, Copy)]
pub struct Says {
    /// Number of the second interface; `None` where it is not attached.
    pub second: Option<&'static str>,
    /// Its addresses; `None` where the service does not know them.
    pub addresses: Option<&'static str>,
}

/// The service, which counts how often it was asked for the addresses of the second interface.
pub struct Service {
    pub says: Arc<Mutex<Says>>,
    pub asked: Arc<AtomicUsize>,
}

impl Service {
    pub fn start(begin: Says) -> Self {
        let service = Self {
            says: Arc::new(Mutex::new(begin)),
            asked: Arc::default(),
        };
        let (says, asked) = (service.says.clone(), service.asked.clone());
        Server::start(&format!("{LINK}:80"), move |path| {
            let key = path.split_once("/meta-data/")?.1;
            if key == format!("network/interfaces/macs/{SECOND}/local-ipv4s") {
                asked.fetch_add(1, Ordering::SeqCst);
            }
            says.lock().unwrap().answer(key)
        });
        service
    }

    pub fn change(&self, change: impl FnOnce(&mut Says)) {
        change(&mut self.says.lock().unwrap());
    }
}

impl Says {
    fn answer(&self, key: &str) -> Option<String> {
        let macs = "network/interfaces/macs/";
        if key == "mac" {
            return Some(FIRST.into());
        }
        if key == macs {
            return Some(match self.second {
                Some(_) => format!("{FIRST}/\n{SECOND}/"),
                None => format!("{FIRST}/"),
            });
        }
        let (mac, key) = key.strip_prefix(macs)?.split_once('/')?;
        let text = match (mac, key) {
            (FIRST, "device-number") => "0",
            (FIRST, "interface-id") => "eni-1",
            (FIRST, "local-ipv4s") => "10.0.1.20\n10.0.1.21",
            (FIRST, "subnet-ipv4-cidr-block") => "10.0.1.0/24",
            (SECOND, "device-number") => self.second?,
            (SECOND, "interface-id") => self.second.map(|_| "eni-2")?,
            (SECOND, "local-ipv4s") => self.second.and(self.addresses)?,
            (SECOND, "subnet-ipv4-cidr-block") => self.second.map(|_| "10.0.2.0/24")?,
            (SECOND, "ipv4-prefix") => self.second.map(|_| "10.0.2.32/28")?,
            _ => return None,
        };
        Some(text.into())
    }
}
