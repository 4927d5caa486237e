//! A network of the run's own: a namespace with the guest's card as a tap device, the addresses of the
//! servers, and dnsmasq for DHCP, DNS and router advertisements. Nothing leads out of it.
//!
//! A namespace belongs to a thread and to all threads and processes that it starts: so each scenario has
//! a thread, and enters its namespace before it starts anything.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use nix::sched::{CloneFlags, unshare};
use serde::Deserialize;

use crate::command::output;
use crate::vlan;

/// The guest's card.
pub const MAC: &str = "52:54:00:00:00:01";
/// The tap device in the namespace.
pub const TAP: &str = "tap0";
/// Where scenarios find their own files and tang, outside the guest's subnet.
pub const FILES: &str = "10.0.2.100";
/// The same in version 6.
pub const FILES_V6: &str = "fd00:7::100";
const ROUTER: &str = "10.0.2.2";
const ROUTER_V6: &str = "fd00:2::1";

/// What the guest is connected to.
#[derive(Deserialize, Clone, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Spec {
    /// Which versions of IP there are.
    #[serde(default)]
    pub family: Family,
    /// How addresses are had.
    #[serde(default)]
    pub addresses: Addresses,
    /// Told to the guest by DHCP (option 12).
    pub host_name: Option<String>,
    /// The switch port of the guest carries this VLAN alone, tagged.
    pub vlan: Option<u16>,
    /// Names that resolve to an address, beside those of the platform's servers.
    #[serde(default)]
    pub names: BTreeMap<String, String>,
    /// More of dnsmasq's options, such as dhcp-option-force=245,….
    #[serde(default)]
    pub dnsmasq: Vec<String>,
}

/// Versions of IP.
#[derive(Deserialize, Clone, Copy, Default, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Version 4 only.
    #[default]
    Ipv4,
    /// Version 6 only.
    Ipv6,
}

/// How a guest gets its address.
#[derive(Deserialize, Clone, Copy, Default, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Addresses {
    /// By DHCP; in version 6 its router advertisements say so.
    #[default]
    Dhcp,
    /// By router advertisement alone (SLAAC, RFC 4862); in version 4 by nothing.
    Static,
}

/// A running network, in the namespace of the thread that made it.
pub struct Network {
    dnsmasq: Child,
    vlan: Option<Child>,
    leases: PathBuf,
}

impl Network {
    /// Moves this thread to a namespace of its own and starts the network there. Servers listen on
    /// `addresses` later, names resolve to `names`; `work` keeps leases and log.
    pub fn start(
        spec: &Spec,
        addresses: &[String],
        names: &[(String, String)],
        work: &Path,
    ) -> Result<Self> {
        unshare(CloneFlags::CLONE_NEWNET)
            .context("while making a network namespace, which takes root")?;
        ip("link set lo up")?;
        ip(&format!("tuntap add {TAP} mode tap"))?;
        // Else the addresses are of no use for the first seconds.
        fs::write(format!("/proc/sys/net/ipv6/conf/{TAP}/accept_dad"), "0")
            .context("while setting up IPv6")?;
        ip(&format!("link set {TAP} up"))?;
        match spec.family {
            Family::Ipv4 => ip(&format!("address add {ROUTER}/24 dev {TAP}"))?,
            Family::Ipv6 => ip(&format!("address add {ROUTER_V6}/64 dev {TAP} nodad"))?,
        }
        for address in addresses {
            if address.contains(':') {
                ip(&format!("address add {address}/128 dev lo nodad"))?;
            } else {
                ip(&format!("address add {address}/32 dev lo"))?;
            }
        }
        let vlan = spec.vlan.map(vlan::start).transpose()?;
        let leases = work.join("leases");
        let dnsmasq = dnsmasq(spec, names, &leases, &work.join("dnsmasq.log"))?;
        Ok(Self {
            dnsmasq,
            vlan,
            leases,
        })
    }

    /// What each lease was given for: `ADDRESS HOSTNAME CLIENT-ID`, one line each.
    pub fn leases(&self) -> Result<Vec<String>> {
        leases(&self.leases)
    }

    /// Where the leases are written, as soon as there are any.
    pub fn leases_file(&self) -> &Path {
        &self.leases
    }

    /// How QEMU connects the guest.
    pub fn arguments(&self) -> Vec<String> {
        let tap = format!("tap,id=net,ifname={TAP},script=no,downscript=no");
        vec![
            "-device".to_owned(),
            // Of this place, so that it is enp0s16 whatever else the machine has.
            format!("virtio-net-pci,netdev=net,mac={MAC},addr=0x10"),
            "-netdev".to_owned(),
            self.vlan.as_ref().map_or(tap, |_| vlan::GUEST.to_owned()),
        ]
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for child in std::iter::once(&mut self.dnsmasq).chain(&mut self.vlan) {
            // One that has ended already is what is wanted.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The lines of dnsmasq's file: expiry, MAC or IAID, address, name, client id; in version 6 the server's own
/// DUID stands in front.
fn leases(file: &Path) -> Result<Vec<String>> {
    let text = match fs::read_to_string(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        other => other.with_context(|| format!("while reading {}", file.display()))?,
    };
    let leases = text.lines().filter(|line| !line.starts_with("duid "));
    Ok(leases
        .filter_map(|line| {
            let fields: Vec<&str> = line.split(' ').collect();
            Some(format!(
                "{} {} {}",
                fields.get(2)?,
                fields.get(3)?,
                fields.get(4)?
            ))
        })
        .collect())
}

fn dnsmasq(spec: &Spec, names: &[(String, String)], leases: &Path, log: &Path) -> Result<Child> {
    // Ends with this thread, whatever ends it.
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "dnsmasq"])
        .args([
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--user=root",
            "--group=root",
        ])
        .args([
            "--pid-file",
            "--no-resolv",
            "--no-hosts",
            "--no-ping",
            "--dhcp-authoritative",
        ])
        .args([
            "--bind-dynamic",
            "--dhcp-sequential-ip",
            "--log-dhcp",
            "--log-queries",
        ])
        .arg(format!("--interface={TAP}"))
        .arg(format!("--dhcp-leasefile={}", leases.display()));
    match (spec.family, spec.addresses) {
        (Family::Ipv4, Addresses::Dhcp) => {
            command.arg("--dhcp-range=10.0.2.50,10.0.2.90,255.255.255.0,1h");
        }
        (Family::Ipv4, Addresses::Static) => {}
        (Family::Ipv6, Addresses::Dhcp) => {
            command.args(["--enable-ra", "--dhcp-range=fd00:2::50,fd00:2::90,64,1h"]);
        }
        (Family::Ipv6, Addresses::Static) => {
            // Name servers come by the advertisement (RFC 8106).
            command.args(["--enable-ra", "--dhcp-range=fd00:2::,ra-only,64,1h"]);
        }
    }
    if let Some(name) = &spec.host_name {
        command.arg(format!("--dhcp-host={MAC},{name}"));
    }
    for (name, address) in names
        .iter()
        .map(|(name, address)| (name, address))
        .chain(&spec.names)
    {
        command.arg(format!("--address=/{name}/{address}"));
    }
    for option in &spec.dnsmasq {
        command.arg(format!("--{option}"));
    }
    let log = File::create(log)?;
    let mut child = command
        .arg("--log-facility=-")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log.try_clone()?)
        .spawn()
        .context("while starting dnsmasq")?;
    ensure!(child.try_wait()?.is_none(), "dnsmasq ended at once");
    Ok(child)
}

fn ip(arguments: &str) -> Result<()> {
    output(Command::new("ip").args(arguments.split(' ')))?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::leases;

    #[test]
    fn leases_of_both_versions_are_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(
            file.path(),
            "1700000000 52:54:00:00:00:01 10.0.2.50 node ff:b5:5e\n\
             duid 00:01:00:01:30\n\
             1700000000 6582321 fd00:2::50 * 00:02:00\n",
        )
        .unwrap();
        assert_eq!(
            leases(file.path()).unwrap(),
            ["10.0.2.50 node ff:b5:5e", "fd00:2::50 * 00:02:00"]
        );
        assert!(
            leases(&file.path().with_extension("absent"))
                .unwrap()
                .is_empty()
        );
    }
}
