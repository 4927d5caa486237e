//! The network that is there.

use std::fs;
use std::path::Path;

use netlink_packet_route::RouteNetlinkMessage;
use pilotlight_core::net::{Actual, Family};
use rustix::io::Errno;

use super::connection::{Failure, Netlink};
use super::{NetlinkError, encode};

/// How often the network is looked at until it does not change meanwhile.
const LOOKS: u32 = 20;
/// Both of them.
pub(super) const FAMILIES: [Family; 2] = [Family::Ipv4, Family::Ipv6];

impl Netlink {
    /// Looks at links, addresses, routes of all tables and rules, of both families.
    ///
    /// # Errors
    ///
    /// The kernel refuses, or the network does not come to rest. A list during which things changed is asked for
    /// again (`NLM_F_DUMP_INTR`), so each list is whole; between two lists things may change.
    pub fn observe(&mut self) -> Result<Actual, NetlinkError> {
        let mut actual = Actual::default();
        self.whole("list links", encode::all_links, &mut actual)?;
        for family in FAMILIES {
            let addresses = || encode::all_addresses(family, None);
            self.whole("list addresses", addresses, &mut actual)?;
            let routes = || encode::all_routes(family, None);
            self.whole("list routes", routes, &mut actual)?;
            self.whole("list rules", || encode::all_rules(family), &mut actual)?;
        }
        for link in actual.links.values_mut() {
            if link.kind.is_none() && !link.loopback {
                link.driver = driver(&link.name);
            }
            // The loopback's, and that of tunnels.
            link.mac = link.mac.filter(|mac| mac.0 != [0; 6]);
        }
        Ok(actual)
    }

    /// Adds a whole list to a network.
    pub(super) fn whole(
        &mut self,
        doing: &str,
        ask: impl Fn() -> RouteNetlinkMessage,
        actual: &mut Actual,
    ) -> Result<(), NetlinkError> {
        for _ in 0..LOOKS {
            let mut list = Actual::default();
            match self.list(ask(), &mut list) {
                Ok(true) => {
                    actual.links.append(&mut list.links);
                    actual.addresses.append(&mut list.addresses);
                    actual.routes.append(&mut list.routes);
                    actual.rules.append(&mut list.rules);
                    return Ok(());
                }
                // A lost piece, too, makes a list that is not whole.
                Ok(false) | Err(Failure::Refused(Errno::NOBUFS | Errno::INTR, _)) => {}
                // A kernel without IPv6, or without rules, or without that table.
                Err(Failure::Refused(Errno::AFNOSUPPORT | Errno::OPNOTSUPP | Errno::NOENT, _)) => {
                    return Ok(());
                }
                Err(failure) => return Err(failure.during(doing)),
            }
        }
        Err(NetlinkError::Restless {
            doing: doing.into(),
            tries: LOOKS,
        })
    }
}

/// The driver of a device, where sysfs has it (Documentation/ABI/testing/sysfs-class-net).
fn driver(name: &str) -> Option<String> {
    let device = Path::new("/sys/class/net").join(name).join("device/driver");
    let driver = fs::read_link(device).ok()?;
    Some(driver.file_name()?.to_str()?.to_string())
}
