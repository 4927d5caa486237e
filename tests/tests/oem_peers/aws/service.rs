//! The metadata service of a machine with two interfaces, of which the second comes and goes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use pilotlight_tests::metadata_server::Server;
use pilotlight_tests::metadata_server::ec2::{SECOND, Says};

use crate::LINK;

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
            if path.ends_with(&format!("network/interfaces/macs/{SECOND}/local-ipv4s")) {
                asked.fetch_add(1, Ordering::SeqCst);
            }
            says.lock().unwrap().answer(path)
        });
        service
    }

    pub fn change(&self, change: impl FnOnce(&mut Says)) {
        change(&mut self.says.lock().unwrap());
    }
}
