//! The network that whoever starts a QEMU guest wants it to have: a firmware item, which cannot change while the
//! guest runs.
//!
//! ```text
//! -fw_cfg name=opt/org.flatcar-linux/oem/network,file=network.json
//!
//! {"interfaces": [{
//!     "mac": "52:54:00:00:00:01", "mtu": 1460,
//!     "locals": ["203.0.113.7"], "addresses": ["10.0.2.21/32"],
//!     "routes": [{"table": 10001, "destination": "0.0.0.0/0", "gateway": "10.0.2.2"}],
//!     "rules": [{"priority": 10001, "from": "10.0.2.21", "table": 10001}]
//! }]}
//! ```
//!
//! No hypervisor writes such an item by itself: it is for tests, and for people who try what the daemon does.

use std::fmt::Display;
use std::str::FromStr;

use pilotlight_core::model::metadata::MAX_INTERFACES;
use pilotlight_core::net::{
    Desired, Heard, Invalid, LinkWishes, Mac, RouteWish, RuleWish, WishedAddress, Wishes,
};
use serde::Deserialize;

use crate::answer::{MAX_ADDRESS, MAX_ADDRESSES, shown};
use crate::host::{Host, HostError};
use crate::said::{Cursor, Said};

/// The item.
const ITEM: &str = "opt/org.flatcar-linux/oem/network";
/// Longest document, in bytes.
const MAX_DOCUMENT: usize = 4 << 20;
const WANTED: &str = "it is wanted of this guest";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    interfaces: Vec<Interface>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Interface {
    mac: String,
    mtu: Option<u32>,
    #[serde(default)]
    locals: Vec<String>,
    #[serde(default)]
    addresses: Vec<String>,
    #[serde(default)]
    routes: Vec<Route>,
    #[serde(default)]
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Route {
    table: u32,
    destination: String,
    gateway: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    priority: u32,
    from: Option<String>,
    to: Option<String>,
    table: u32,
}

/// The item; `None` where the guest has none.
pub(crate) async fn network(
    host: &impl Host,
    _: Option<&Cursor>,
) -> Result<Option<Said>, HostError> {
    Said::of(&format!("fw_cfg:{ITEM}"), host.fw_cfg(ITEM)?)
}

/// What the item wants, and what of it was left out. Nothing may be removed because of one that cannot be read.
pub(crate) fn desired(document: &str, left_alone: &[String]) -> (Desired, Vec<Invalid>) {
    let mut wishes = Wishes::new();
    for mac in left_alone.iter().filter(|name| name.parse::<Mac>().is_ok()) {
        wishes.leave_alone(mac, "left_alone");
    }
    let read = match document.len() <= MAX_DOCUMENT {
        true => serde_json::from_str::<Document>(document).map_err(|error| error.to_string()),
        false => Err(format!("it is longer than {MAX_DOCUMENT} bytes")),
    };
    let interfaces = match read {
        Ok(document) => document.interfaces,
        Err(why) => {
            wishes.unreadable(ITEM, shown(document), &why);
            Vec::new()
        }
    };
    for (number, interface) in interfaces.iter().enumerate() {
        let place = format!("interfaces[{number}]");
        let bound = (number < MAX_INTERFACES).then_some(());
        let short = bound
            .ok_or("there are too many before it")
            .and(interface.is_bounded());
        if let Err(why) = short {
            wishes.unreadable(&place, shown(&interface.mac), why);
            continue;
        }
        let routes = interface.routes(&place, &mut wishes);
        let rules = interface.rules(&place, &mut wishes);
        let Some(mut link) = wishes.link(&interface.mac, None, &format!("{place}.mac")) else {
            continue;
        };
        interface.wish(&mut link, &place);
        for (route, place) in routes {
            link.route(route, &place, WANTED);
        }
        for (rule, place) in rules {
            link.rule(rule, &place, WANTED);
        }
    }
    wishes.end(Heard::Whole)
}

impl Interface {
    fn is_bounded(&self) -> Result<(), &'static str> {
        let counts = [
            self.locals.len(),
            self.addresses.len(),
            self.routes.len(),
            self.rules.len(),
        ];
        let routes = self.routes.iter();
        let routes = routes.flat_map(|route| [Some(&route.destination), route.gateway.as_ref()]);
        let rules = self.rules.iter();
        let rules = rules.flat_map(|rule| [rule.from.as_ref(), rule.to.as_ref()]);
        let texts = [Some(&self.mac)].into_iter().chain(routes).chain(rules);
        let mut texts = texts.flatten().chain(&self.locals).chain(&self.addresses);
        if counts.iter().any(|count| *count > MAX_ADDRESSES) {
            return Err("it has too many addresses, routes or rules");
        }
        if texts.any(|text| text.len() > MAX_ADDRESS) {
            return Err("an address of it is too long");
        }
        Ok(())
    }

    fn wish(&self, link: &mut LinkWishes<'_>, place: &str) {
        if let Some(bytes) = self.mtu {
            link.mtu(bytes, &format!("{place}.mtu"), WANTED);
        }
        for (at, text) in self.locals.iter().enumerate() {
            link.local(text, &format!("{place}.locals[{at}]"), WANTED);
        }
        for (at, address) in self.addresses.iter().enumerate() {
            let wished = WishedAddress {
                address,
                bits: None,
            };
            link.address(wished, &format!("{place}.addresses[{at}]"), WANTED);
        }
    }

    /// The routes that can be read, with their places.
    fn routes(&self, place: &str, wishes: &mut Wishes) -> Vec<(RouteWish, String)> {
        let all = self.routes.iter().enumerate().filter_map(|(at, route)| {
            let place = format!("{place}.routes[{at}]");
            let wish = RouteWish {
                table: route.table,
                destination: read(Some(route.destination.as_str()), &place, wishes)??,
                gateway: read(route.gateway.as_deref(), &place, wishes)?,
                metric: None,
                onlink: false,
            };
            Some((wish, place))
        });
        all.collect()
    }

    /// The rules that can be read, with their places.
    fn rules(&self, place: &str, wishes: &mut Wishes) -> Vec<(RuleWish, String)> {
        let all = self.rules.iter().enumerate().filter_map(|(at, rule)| {
            let place = format!("{place}.rules[{at}]");
            let wish = RuleWish {
                priority: rule.priority,
                from: read(rule.from.as_deref(), &place, wishes)?,
                to: read(rule.to.as_deref(), &place, wishes)?,
                table: rule.table,
            };
            Some((wish, place))
        });
        all.collect()
    }
}

/// An address that may be absent; `None` where it cannot be read, which is noted.
fn read<T: FromStr<Err: Display>>(
    text: Option<&str>,
    place: &str,
    wishes: &mut Wishes,
) -> Option<Option<T>> {
    let Some(text) = text else {
        return Some(None);
    };
    match text.parse() {
        Ok(value) => Some(Some(value)),
        Err(why) => {
            wishes.unreadable(place, text, &why.to_string());
            None
        }
    }
}

#[cfg(test)]
#[path = "qemu_network_tests.rs"]
mod tests;
