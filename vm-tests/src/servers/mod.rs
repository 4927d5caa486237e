//! The platforms' metadata servers as a guest meets them, on their real addresses.
//!
//! Written from the platforms' own descriptions, not from what our agent asks: a wrong method, path or header
//! gets the answer that the platform gives. Every request is recorded, and a scenario can have servers fail
//! first.

mod aws;
mod azure;
mod digitalocean;
mod equinix;
mod files;
mod gcp;
mod hetzner;
mod openstack;
mod script;
mod serve;
mod tls;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use serde::Deserialize;

use self::script::{Fault, Script};
use crate::network::{FILES, FILES_V6};
use crate::scenario::Scenario;

/// Which platform's servers there are, and what they tell.
#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Spec {
    /// The platform.
    pub name: Name,
    /// The user data's file, none when absent.
    pub user_data: Option<PathBuf>,
    /// The machine's host name.
    #[serde(default = "host_name")]
    pub host_name: String,
    /// SSH keys: lines of authorized_keys.
    #[serde(default)]
    pub keys: Vec<String>,
    /// What servers do before they answer rightly.
    #[serde(default)]
    pub fault: Vec<Fault>,
    /// No server listens until this many seconds after the guest got its address.
    #[serde(default)]
    pub refused_seconds: u64,
    /// Addresses that Compute Engine forwards to the machine.
    #[serde(default)]
    pub forwarded: Vec<String>,
    /// Secondary addresses of the interface, on EC2 and Azure.
    #[serde(default)]
    pub secondary: Vec<String>,
    /// How many answers a token of EC2 is good for, any number when absent.
    pub token_uses: Option<u32>,
}

/// A platform with metadata servers.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Name {
    /// Amazon EC2.
    Aws,
    /// Microsoft Azure.
    Azure,
    /// DigitalOcean.
    Digitalocean,
    /// Equinix Metal.
    Equinix,
    /// Google Compute Engine.
    Gcp,
    /// Hetzner Cloud.
    Hetzner,
    /// OpenStack's metadata service.
    Openstack,
}

/// What the servers tell.
pub struct Facts {
    /// User data as the user gave them.
    pub user_data: Option<Vec<u8>>,
    /// Host name.
    pub host_name: String,
    /// Lines of authorized_keys.
    pub keys: Vec<String>,
    /// See [`Spec::forwarded`].
    pub forwarded: Vec<String>,
    /// See [`Spec::secondary`].
    pub secondary: Vec<String>,
    /// See [`Spec::token_uses`].
    pub token_uses: Option<u32>,
}

/// A request.
#[derive(Default)]
pub struct Request {
    /// Method.
    pub method: String,
    /// Path and query, as sent.
    pub target: String,
    /// Headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Body.
    pub body: Vec<u8>,
}

impl Request {
    /// The path without its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// A parameter of the query.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }

    /// A header by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Status.
    pub status: u16,
    /// Headers beside the body's length.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

impl Response {
    /// A status without a body.
    pub fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// 200 with a body.
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self {
            body: body.into(),
            ..Self::status(200)
        }
    }

    /// The body, or 404 where there is none.
    pub fn found(body: Option<impl Into<Vec<u8>>>) -> Self {
        body.map_or(Self::status(404), Self::ok)
    }

    /// The same with one more header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// What stands in a scenario's list of files for the installed program.
const INSTALLED: &str = "@PILOTLIGHT@";

/// The installed program, as the release build leaves it.
pub fn installed() -> PathBuf {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| repository.join("target"), PathBuf::from)
        .join("release/pilotlight")
}

/// One of a platform's services.
pub trait Service: Send {
    /// Its answer to a request.
    fn answer(&mut self, request: &Request) -> Response;
}

/// Where a service is found.
struct Site {
    addresses: Vec<&'static str>,
    tls: bool,
    service: Box<dyn Service>,
}

/// All that the guest asked, in its order: `METHOD TARGET: STATUS`, and the body where it sent one.
#[derive(Clone, Default)]
pub struct Record(Arc<Mutex<Vec<String>>>);

impl Record {
    fn add(&self, request: &Request, said: &str) {
        let mut line = format!("{} {}: {said}", request.method, request.target);
        if !request.body.is_empty() {
            let body = String::from_utf8_lossy(&request.body);
            line.push(' ');
            line.extend(body.split_whitespace().flat_map(|word| [word, " "]));
        }
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(line);
    }

    /// The lines so far; they are forgotten, so that each boot has its own.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The servers of a platform, before they serve.
pub struct Servers {
    sites: Vec<Site>,
    /// Names that resolve to them.
    pub names: Vec<(String, String)>,
    script: Script,
    refused_seconds: u64,
    authority: Option<tls::Authority>,
    /// What was asked.
    pub record: Record,
}

impl Servers {
    /// The servers of a scenario: for its files and others (URL path → file), and of its platform.
    pub fn new(scenario: &Scenario, others: BTreeMap<String, PathBuf>) -> Result<Self> {
        let directory = &scenario.directory;
        let files = scenario.spec.http.iter();
        let files = files.map(|(path, file)| {
            let file = match file.to_str() {
                Some(INSTALLED) => installed(),
                _ => directory.join(file),
            };
            (path.clone(), file)
        });
        let mut servers = Self {
            sites: vec![Site {
                addresses: vec![FILES, FILES_V6],
                tls: false,
                service: Box::new(files::Files(files.chain(others).collect())),
            }],
            names: Vec::new(),
            script: Script::default(),
            refused_seconds: 0,
            authority: None,
            record: Record::default(),
        };
        if let Some(spec) = &scenario.spec.platform {
            servers.script = Script::new(&spec.fault);
            servers.refused_seconds = spec.refused_seconds;
            let user_data = spec.user_data.as_ref().map(|file| {
                let file = directory.join(file);
                fs::read(&file).with_context(|| format!("while reading {}", file.display()))
            });
            servers.platform(
                spec.name,
                Facts {
                    user_data: user_data.transpose()?,
                    host_name: spec.host_name.clone(),
                    keys: spec.keys.clone(),
                    forwarded: spec.forwarded.clone(),
                    secondary: spec.secondary.clone(),
                    token_uses: spec.token_uses,
                },
            )?;
        }
        Ok(servers)
    }

    /// Adds the sites of a platform.
    fn platform(&mut self, name: Name, facts: Facts) -> Result<()> {
        let here = || vec!["169.254.169.254"];
        let site = |service: Box<dyn Service>| Site {
            addresses: here(),
            tls: false,
            service,
        };
        let sites = match name {
            Name::Aws => vec![Site {
                addresses: vec!["169.254.169.254", "fd00:ec2::254"],
                tls: false,
                service: Box::new(aws::Aws::new(facts)),
            }],
            Name::Azure => vec![
                Site {
                    addresses: vec!["168.63.129.16"],
                    tls: false,
                    service: Box::new(azure::Wireserver),
                },
                site(Box::new(azure::Imds(facts))),
            ],
            Name::Digitalocean => vec![site(Box::new(digitalocean::Digitalocean(facts)))],
            Name::Equinix => {
                let address = "192.0.2.16";
                for name in ["metadata.packet.net", "metadata.platformequinix.com"] {
                    self.names.push((name.to_owned(), address.to_owned()));
                }
                self.authority = Some(tls::Authority::new(&self.names)?);
                self.names
                    .push((equinix::EVENTS_HOST.to_owned(), "192.0.2.17".to_owned()));
                vec![
                    Site {
                        addresses: vec![address],
                        tls: true,
                        service: Box::new(equinix::Metadata(facts)),
                    },
                    Site {
                        addresses: vec!["192.0.2.17"],
                        tls: false,
                        service: Box::new(equinix::Events),
                    },
                ]
            }
            Name::Gcp => {
                self.names
                    .push(("metadata.google.internal".into(), "169.254.169.254".into()));
                vec![site(Box::new(gcp::Gcp(facts)))]
            }
            Name::Hetzner => vec![site(Box::new(hetzner::Hetzner(facts)))],
            Name::Openstack => vec![site(Box::new(openstack::Openstack(facts)))],
        };
        self.sites.extend(sites);
        Ok(())
    }

    /// The addresses that they need, of the versions of IP that there are.
    pub fn addresses(&self, v6: bool) -> Vec<String> {
        let all = self.sites.iter().flat_map(|site| &site.addresses);
        all.filter(|address| address.contains(':') == v6)
            .map(|address| (*address).to_owned())
            .collect()
    }

    /// The certificate authority in whose name they speak, as PEM, where they speak TLS.
    pub fn authority(&self) -> Option<&str> {
        self.authority.as_ref().map(tls::Authority::pem)
    }

    /// Serves in this thread's network namespace until the process ends; `leases` tells when the guest is
    /// there.
    pub fn serve(self, v6: bool, leases: &Path) -> Result<Record> {
        let script = Arc::new(self.script);
        for site in self.sites {
            let tls = match &self.authority {
                Some(authority) if site.tls => Some(authority.server()?),
                _ => None,
            };
            let served = Arc::new(serve::Served {
                service: Mutex::new(site.service),
                script: script.clone(),
                record: self.record.clone(),
                tls,
            });
            for address in site.addresses {
                let address: std::net::IpAddr = address.parse()?;
                if address.is_ipv6() == v6 {
                    let port = if site.tls { 443 } else { 80 };
                    let address = SocketAddr::new(address, port);
                    serve::start(served.clone(), address, self.refused_seconds, leases)?;
                }
            }
        }
        Ok(self.record)
    }
}

fn host_name() -> String {
    "node-of-the-platform".to_owned()
}
