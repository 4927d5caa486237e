//! `pilotlight oem show` and `oem plan`: what is wanted, what is there, and what would be done about it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use pilotlight_core::net::picture::{picture, svg};
use pilotlight_core::net::{DesiredLink, Owner, place};
use pilotlight_host::Machine;
use pilotlight_providers::Platform;
use pilotlight_sys::netlink::Netlink;
use serde_json::{Value, json};

use crate::network::{Known, Look, Trust, look};
use crate::{Kept, settings_of};

/// Longest time that somebody at a terminal waits for the platform.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longest answer, in bytes.
const ANSWER: u64 = 4 << 20;

/// Where what is wanted comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The platform, asked now.
    Platform,
    /// A file that was saved before.
    File(String),
    /// The daemon's last good answer, since the platform does not answer; with the reason.
    Kept(String),
}

/// A look at the network, with what it was compared with.
pub struct View {
    platform: Platform,
    source: Source,
    document: String,
    look: Look,
}

/// Looks at this machine. Without a file the platform is asked; where it does not answer, its last good answer is
/// taken. The error is for a person.
pub fn view(platform: Platform, file: Option<&Path>, state: &Path) -> Result<View, String> {
    let name = platform.name();
    if platform.rhythm().is_none() {
        return Err(format!(
            "{name} says nothing of the network that DHCP does not say: there is nothing to compare"
        ));
    }
    let (source, document) = match file {
        Some(path) => {
            let shown = path.display().to_string();
            let read = pilotlight_sys::read_regular(path, ANSWER)
                .map_err(|error| format!("while reading {shown}: {error}"))?
                .ok_or_else(|| format!("there is no file {shown}"))?;
            let text = String::from_utf8(read).map_err(|_| format!("{shown} is no text"))?;
            (Source::File(shown), text)
        }
        None => asked(platform, state)?,
    };
    let known = Known {
        document,
        trust: match source {
            Source::Kept(_) => Trust::Kept,
            _ => Trust::Fresh,
        },
    };
    let actual = Netlink::open()
        .and_then(|mut netlink| netlink.observe())
        .map_err(|error| error.to_string())?;
    let (settings, _) = settings_of(Path::new("/"));
    let look = look(platform, &settings.switches, &known, actual);
    Ok(View {
        platform,
        source,
        document: known.document,
        look,
    })
}

fn asked(platform: Platform, state: &Path) -> Result<(Source, String), String> {
    let machine = Machine::of_daemon(PATIENCE, ANSWER, platform.speaks_tls());
    let asking = async { tokio::time::timeout(PATIENCE, platform.network(&machine, None)).await };
    let answer = pilotlight_fetch::blocking(asking)
        .map_err(|error| format!("while starting the I/O runtime: {error}"))?;
    let why = match answer {
        Ok(Ok(Some(said))) => return Ok((Source::Platform, said.document)),
        Ok(Ok(None)) => "it says nothing of the network".to_string(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("it has not answered within {} s", PATIENCE.as_secs()),
    };
    let name = platform.name();
    match Kept::of(state.join("network.json")).load(platform) {
        Ok(Some(document)) => Ok((Source::Kept(why), document)),
        Ok(None) => Err(format!("{name} could not be asked: {why}")),
        Err(error) => Err(format!(
            "{name} could not be asked: {why}; its last good answer could not be read either: {error}"
        )),
    }
}

impl View {
    /// Whether nothing is to be done.
    pub fn is_true(&self) -> bool {
        self.look.difference.ops.is_empty() && self.look.difference.unmet.is_empty()
    }

    /// What the platform said of the network, for a later `--metadata`.
    pub fn document(&self) -> Option<String> {
        self.platform.kept(&self.document)
    }

    /// The operations of the next round, with what would not be done.
    pub fn plan(&self) -> String {
        let mut text = self.origin();
        self.differences(&mut text);
        text
    }

    /// What is wanted, what is there by our hand, and the difference.
    pub fn text(&self) -> String {
        let mut text = self.origin();
        text.push_str("\nwanted:\n");
        let links = self.look.desired.links();
        if links.iter().all(|link| lines(link).is_empty()) {
            text.push_str("  nothing that DHCP does not give\n");
        }
        for link in links {
            let lines = lines(link);
            if lines.is_empty() {
                continue;
            }
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {}{}", link.mac, self.names(link));
            for line in lines {
                let _ = writeln!(text, "    {line}");
            }
        }
        let owner = self.platform.owner();
        let _ = writeln!(text, "\nthere by protocol {}:", owner.protocol);
        let there = self.there(owner);
        if there.is_empty() {
            text.push_str("  nothing\n");
        }
        for line in there {
            let _ = writeln!(text, "  {line}");
        }
        text.push('\n');
        self.differences(&mut text);
        text
    }

    /// The same as a drawing, with everything of others.
    pub fn svg(&self) -> String {
        let look = &self.look;
        let drawn = picture(&look.actual, &look.difference, &self.platform.owner());
        let origin = self.origin();
        svg(
            &drawn,
            &format!("The network of this machine, {}", origin.trim_end()),
        )
    }

    fn origin(&self) -> String {
        let name = self.platform.name();
        match &self.source {
            Source::Platform => format!("as {name} says now\n"),
            Source::File(file) => format!("as {name} said in {file}\n"),
            Source::Kept(why) => format!(
                "as {name} said last, for it could not be asked now ({why}): what it did not name stays\n"
            ),
        }
    }

    fn differences(&self, text: &mut String) {
        let difference = &self.look.difference;
        if difference.ops.is_empty() {
            text.push_str("nothing is to be done\n");
        } else {
            text.push_str("to be done:\n");
        }
        for op in &difference.ops {
            let _ = writeln!(text, "  {op}");
        }
        for unmet in &difference.unmet {
            let _ = writeln!(text, "  {unmet}");
        }
        for invalid in &self.look.left_out {
            let _ = writeln!(text, "  {invalid}");
        }
        if !self.look.desired.may_remove() {
            text.push_str("nothing is removed, for not all of the answer is known\n");
        }
    }

    /// The name of the link that is meant; where none is, names of all links of this address.
    fn names(&self, wanted: &DesiredLink) -> String {
        let (desired, actual) = (&self.look.desired, &self.look.actual);
        if let Ok(index) = place(wanted, desired, actual) {
            return format!(" ({})", actual.name(index));
        }
        let links = actual.links.values();
        let names: Vec<&str> = links
            .filter(|link| link.mac == Some(wanted.mac) && link.kind == wanted.kind)
            .map(|link| link.name.as_str())
            .collect();
        match names.as_slice() {
            [] => ", which is not there".into(),
            names => format!(" ({})", names.join(", ")),
        }
    }

    fn there(&self, owner: Owner) -> Vec<String> {
        let actual = &self.look.actual;
        let mut lines = Vec::new();
        for address in actual
            .addresses
            .iter()
            .filter(|one| owner.owns_address(one))
        {
            lines.push(format!(
                "{} on {}",
                address.address,
                actual.name(address.link)
            ));
        }
        for route in actual.routes.iter().filter(|one| owner.owns_route(one)) {
            let link = route.link.map_or("?", |link| actual.name(link));
            let via = route.gateway.map(|via| format!(" via {via}"));
            lines.push(format!(
                "route {}{} on {link} in table {}",
                route.destination,
                via.unwrap_or_default(),
                route.table
            ));
        }
        for rule in actual.rules.iter().filter(|one| owner.owns_rule(one)) {
            lines.push(rule.to_string());
        }
        lines
    }

    /// All of it for machines.
    pub fn json(&self) -> Value {
        let difference = &self.look.difference;
        let wanted: Vec<Value> = self
            .look
            .desired
            .links()
            .iter()
            .map(|link| json!({"mac": link.mac.to_string(), "kind": link.kind, "wants": lines(link)}))
            .collect();
        let (source, why) = match &self.source {
            Source::Platform => ("platform", None),
            Source::File(file) => ("file", Some(file)),
            Source::Kept(why) => ("kept", Some(why)),
        };
        let operations: Vec<Value> = difference
            .ops
            .iter()
            .map(|op| json!({"line": op.to_string(), "operation": op}))
            .collect();
        let left_out: BTreeSet<String> =
            self.look.left_out.iter().map(ToString::to_string).collect();
        json!({
            "platform": self.platform.name(),
            "source": source,
            "source_detail": why,
            "protocol": self.platform.owner().protocol,
            "wanted": wanted,
            "there": self.there(self.platform.owner()),
            "operations": operations,
            "not_done": difference.unmet,
            "left_out": left_out,
            "may_remove": self.look.desired.may_remove(),
        })
    }
}

/// What is wanted of a link, a line each, with its reason.
fn lines(link: &DesiredLink) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(mtu) = &link.mtu {
        lines.push(format!("MTU {}: {}", mtu.what, mtu.reason));
    }
    let locals = link.locals.iter();
    lines.extend(locals.map(|(prefix, reason)| format!("local route {prefix}: {reason}")));
    let addresses = link.addresses.iter();
    lines.extend(addresses.map(|(address, reason)| format!("address {address}: {reason}")));
    for (route, reason) in &link.routes {
        let via = route.gateway.map(|via| format!(" via {via}"));
        let via = via.unwrap_or_default();
        lines.push(format!(
            "route {}{via} in table {}: {reason}",
            route.destination, route.table
        ));
    }
    for (rule, reason) in &link.rules {
        let mut line = format!("rule {}", rule.priority);
        for (word, prefix) in [("from", rule.from), ("to", rule.to)] {
            if let Some(prefix) = prefix {
                let _ = write!(line, " {word} {prefix}");
            }
        }
        lines.push(format!("{line} lookup {}: {reason}", rule.table));
    }
    lines
}
