//! Answers about a network, read value by value: what cannot be read is noted with its place, and the rest stands.

use std::borrow::Cow;
use std::net::IpAddr;

use pilotlight_core::diag::{Diagnostic, SourceId, Sources};
use pilotlight_core::json::{self, Node, Value};
use pilotlight_core::model::metadata::MAX_INTERFACES;
use pilotlight_core::net::{Mac, Wishes};
use pilotlight_core::yaml;

use crate::answer::{MAX_ADDRESS, MAX_ADDRESSES, boolean, shown};

/// Longest answer about networks, in bytes: as many interfaces and addresses as are read stay far below it.
const MAX_ANSWER: usize = 1 << 20;

/// An answer that is read, and what is noted meanwhile.
pub(crate) struct Reading<'t> {
    answer: Cow<'t, str>,
    /// Longest answer that is read, in bytes.
    most: usize,
    pub(crate) wishes: Wishes,
}

impl<'t> Reading<'t> {
    /// Begins to read an answer.
    pub(crate) fn new(answer: &'t str) -> Self {
        Self::of_at_most(answer, MAX_ANSWER)
    }

    /// The same of an answer that may be longer, because it is about more than the network.
    pub(crate) fn of_at_most(answer: &'t str, most: usize) -> Self {
        Self {
            answer: answer.into(),
            most,
            wishes: Wishes::new(),
        }
    }

    /// Goes on with another answer: what was noted and wished stays.
    pub(crate) fn next(self, answer: impl Into<Cow<'t, str>>) -> Self {
        Self {
            answer: answer.into(),
            ..self
        }
    }

    /// The answer as JSON (RFC 8259).
    pub(crate) fn json(&mut self, place: &str) -> Option<Node> {
        self.parse(place, json::parse, "the answer is no JSON from here on")
    }

    /// The answer as YAML, of which JSON is a part.
    pub(crate) fn yaml(&mut self, place: &str) -> Option<Node> {
        self.parse(place, yaml::parse, "the answer is no YAML from here on")
    }

    fn parse(
        &mut self,
        place: &str,
        parse: fn(SourceId, &str) -> Result<Node, Diagnostic>,
        why: &str,
    ) -> Option<Node> {
        if self.answer.len() > self.most {
            let why = "the answer is too long";
            self.wishes.unreadable(place, shown(&self.answer), why);
            return None;
        }
        // Only the offsets count: an answer is not shown with lines and columns.
        let source = Sources::default().add("metadata", "");
        parse(source, &self.answer)
            .map_err(|error| {
                let at = error.span.map_or(0, |span| span.start as usize);
                let rest = self.answer.get(at..).unwrap_or_default();
                self.wishes.unreadable(place, shown(rest), why);
            })
            .ok()
    }

    /// Notes that a value cannot be read.
    pub(crate) fn unreadable(&mut self, place: &str, value: &Node, why: &str) {
        let span = value.span.start as usize..value.span.end as usize;
        let text = self.answer.get(span).unwrap_or_default();
        self.wishes.unreadable(place, shown(text), why);
    }

    /// The value of a key; `None` where there is none, or what there is cannot be read, which is noted.
    pub(crate) fn member<'n>(&mut self, of: &'n Node, key: &str, place: &str) -> Option<&'n Node> {
        let Value::Object(members) = &of.value else {
            self.unreadable(place, of, "it is no object");
            return None;
        };
        let mut found = members.iter().filter(|member| member.key == key);
        let first = found.next()?;
        if found.next().is_some() {
            // Readers differ in which one they take, and the other one may be what is there.
            self.unreadable(place, of, &format!("it has {key:?} twice"));
            return None;
        }
        Some(&first.value)
    }

    /// The same of a key that servers write with `null` where there is nothing.
    pub(crate) fn optional<'n>(
        &mut self,
        of: &'n Node,
        key: &str,
        place: &str,
    ) -> Option<&'n Node> {
        self.member(of, key, place)
            .filter(|found| found.value != Value::Null)
    }

    /// The same of a key that must be there.
    pub(crate) fn required<'n>(
        &mut self,
        of: &'n Node,
        key: &str,
        place: &str,
    ) -> Option<&'n Node> {
        let found = self.member(of, key, place);
        if found.is_none() {
            self.unreadable(place, of, &format!("it has no {key:?}"));
        }
        found
    }

    /// Elements of a list with the place of each, of which more than `most` are noted and left out.
    fn elements<'n>(
        &mut self,
        list: &'n Node,
        place: &str,
        most: usize,
    ) -> Vec<(String, &'n Node)> {
        let Value::Array(values) = &list.value else {
            self.unreadable(place, list, "it is no list");
            return Vec::new();
        };
        if let Some(next) = values.get(most) {
            let place = format!("{place}/{most}");
            self.unreadable(&place, next, "there are too many before it");
        }
        let values = values.iter().take(most).enumerate();
        values
            .map(|(at, value)| (format!("{place}/{at}"), value))
            .collect()
    }

    /// A list of interfaces, or of what has about as many elements.
    pub(crate) fn interfaces<'n>(
        &mut self,
        list: &'n Node,
        place: &str,
    ) -> Vec<(String, &'n Node)> {
        self.elements(list, place, MAX_INTERFACES)
    }

    /// A list of addresses.
    pub(crate) fn addresses<'n>(&mut self, list: &'n Node, place: &str) -> Vec<(String, &'n Node)> {
        self.elements(list, place, MAX_ADDRESSES)
    }

    /// Members of an object, each of which is an interface, with the place of each.
    pub(crate) fn entries<'n>(&mut self, of: &'n Node, place: &str) -> Vec<(String, &'n Node)> {
        let Value::Object(members) = &of.value else {
            self.unreadable(place, of, "it is no object");
            return Vec::new();
        };
        if let Some(next) = members.get(MAX_INTERFACES) {
            self.unreadable(place, &next.value, "there are too many before it");
        }
        let members = members.iter().take(MAX_INTERFACES);
        members
            .map(|member| (format!("{place}/{}", shown(&member.key)), &member.value))
            .collect()
    }

    /// A short text, without the space around it.
    pub(crate) fn text<'n>(&mut self, value: &'n Node, place: &str) -> Option<&'n str> {
        let found = match &value.value {
            Value::String(text) | Value::Plain(text) => Some(text.trim()),
            _ => None,
        };
        let found = found.filter(|text| !text.is_empty() && text.len() <= MAX_ADDRESS);
        if found.is_none() {
            self.unreadable(place, value, "it is no short text");
        }
        found
    }

    /// A number without a sign, as a number or as a text.
    pub(crate) fn number(&mut self, value: &Node, place: &str) -> Option<u32> {
        let found = match &value.value {
            Value::Number(text) | Value::String(text) | Value::Plain(text) => {
                // A sign is no part of it, which `parse` would take.
                let digits = text.bytes().all(|byte| byte.is_ascii_digit());
                text.parse().ok().filter(|_| digits)
            }
            _ => None,
        };
        if found.is_none() {
            self.unreadable(place, value, "it is no number that this can be");
        }
        found
    }

    /// A number of bits, of which no address has more than 128.
    pub(crate) fn bits(&mut self, value: &Node, place: &str) -> Option<u8> {
        let number = self.number(value, place)?;
        let bits = u8::try_from(number).ok().filter(|bits| *bits <= 128);
        if bits.is_none() {
            self.unreadable(place, value, "there are not so many bits");
        }
        bits
    }

    /// A boolean, as one or as a text.
    pub(crate) fn boolean(&mut self, value: &Node, place: &str) -> Option<bool> {
        let found = match &value.value {
            Value::Bool(truth) => Some(*truth),
            Value::String(text) => boolean(text),
            Value::Plain(text) => yaml::boolean(text),
            _ => None,
        };
        if found.is_none() {
            self.unreadable(place, value, "it is no boolean");
        }
        found
    }

    /// An address without a network.
    pub(crate) fn ip(&mut self, value: &Node, place: &str) -> Option<IpAddr> {
        let found = self.text(value, place)?.parse().ok();
        if found.is_none() {
            self.unreadable(place, value, "it is neither IPv4 nor IPv6");
        }
        found
    }

    /// A hardware address, which every interface has.
    pub(crate) fn mac(&mut self, interface: &Node, key: &str, place: &str) -> Option<Mac> {
        let value = self.required(interface, key, place)?;
        let place = format!("{place}/{key}");
        let mac = self.text(value, &place)?.parse::<Mac>();
        match mac {
            Ok(mac) if is_station(mac) => Some(mac),
            _ => {
                let why = "it is no hardware address of one interface";
                self.unreadable(&place, value, why);
                None
            }
        }
    }
}

/// Not of a group (IEEE 802, the first octet's lowest bit), nor all zeros.
fn is_station(Mac(bytes): Mac) -> bool {
    bytes[0] & 1 == 0 && bytes != [0; 6]
}
