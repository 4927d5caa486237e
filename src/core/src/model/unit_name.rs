//! Names of systemd units.

use std::fmt;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::scalar::{NAME_MAX, ScalarError, refuse};

/// Name of a systemd unit (systemd.unit(5)): one path component with a known suffix.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UnitName(String);

impl UnitName {
    /// Kinds of units, which are the suffixes of their names.
    pub const KINDS: &[&str] = &[
        "service",
        "socket",
        "device",
        "mount",
        "automount",
        "swap",
        "target",
        "path",
        "timer",
        "snapshot",
        "slice",
        "scope",
    ];

    /// Parses a name.
    pub fn parse(text: &str) -> Result<Self, ScalarError> {
        // systemd's own alphabet (VALID_CHARS in unit-name.c) excludes '/' and all that could escape.
        let odd = text
            .chars()
            .find(|c| !(c.is_ascii_alphanumeric() || ":-_.\\@".contains(*c)));
        if let Some(c) = odd {
            return refuse(format!("the unit name holds the character {c:?}"));
        }
        let known = text
            .rsplit_once('.')
            .is_some_and(|(stem, suffix)| !stem.is_empty() && Self::KINDS.contains(&suffix));
        if !known {
            return refuse(format!(
                "a unit name ends in one of .{}",
                Self::KINDS.join(", .")
            ));
        }
        if text.starts_with('@') {
            return refuse("the unit name has nothing before its '@'");
        }
        if text.len() > NAME_MAX {
            return refuse(format!("the unit name is longer than {NAME_MAX} bytes"));
        }
        Ok(Self(text.into()))
    }

    /// The name of the unit of a path, as `systemd-escape --path --suffix=KIND` makes it:
    /// `/var/lib` is mounted by `var-lib.mount`.
    pub fn of_path(path: &str, kind: &str) -> String {
        format!("{}.{kind}", Self::escape_path(path))
    }

    /// A path as it stands in unit names: `/var/lib/a-b` is `var-lib-a\x2db`.
    pub fn escape_path(path: &str) -> String {
        let mut name = String::new();
        for part in path.split('/').filter(|part| !part.is_empty()) {
            if !name.is_empty() {
                name.push('-');
            }
            for byte in part.bytes() {
                let plain = byte.is_ascii_alphanumeric() || b":_.".contains(&byte);
                if plain && !(byte == b'.' && name.is_empty()) {
                    name.push(char::from(byte));
                } else {
                    // Writing to a String cannot fail.
                    let _ = write!(name, "\\x{byte:02x}");
                }
            }
        }
        if name.is_empty() {
            name.push('-');
        }
        name
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the unit is: its suffix without the dot.
    pub fn kind(&self) -> &str {
        self.0.rsplit('.').next().unwrap_or_default()
    }

    /// Whether it is the template of instances: `name@.suffix`.
    pub fn is_template(&self) -> bool {
        self.0
            .rsplit_once('.')
            .and_then(|(stem, _)| stem.split_once('@'))
            .is_some_and(|(_, instance)| instance.is_empty())
    }

    /// For `name@instance.suffix` the template `name@.suffix` and the instance.
    pub fn instance(&self) -> Option<(String, &str)> {
        let (stem, suffix) = self.0.rsplit_once('.')?;
        let (name, instance) = stem.split_once('@')?;
        (!instance.is_empty()).then(|| (format!("{name}@.{suffix}"), instance))
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_names_cannot_escape() {
        let longest = format!("{}.service", "a".repeat(247));
        for good in [
            "a.service",
            "a@b.service",
            "a@.timer",
            "-.mount",
            "dev-\\x2f.swap",
            "a@b@c.path",
            &longest,
        ] {
            assert!(UnitName::parse(good).is_ok(), "{good:?}");
        }
        for (bad, words) in [
            ("", "ends in one of"),
            ("a", "ends in one of"),
            ("a.conf", "ends in one of"),
            ("a.service.wants", "ends in one of"),
            (".service", "ends in one of"),
            ("../a.service", "character '/'"),
            ("a/b.service", "character '/'"),
            ("multi-user.target.wants/a.service", "character '/'"),
            ("a b.service", "character ' '"),
            ("a\n.service", "character '\\n'"),
            ("\u{e9}.service", "character '\u{e9}'"),
            ("@.service", "nothing before"),
            ("@a.service", "nothing before"),
            (&format!("a{longest}"), "longer than 255"),
        ] {
            let why = UnitName::parse(bad).map_err(|error| error.to_string());
            assert!(
                why.as_ref().is_err_and(|why| why.contains(words)),
                "{bad:?}: {why:?}"
            );
        }
    }

    #[test]
    fn names_have_kinds_and_instances() {
        let name = UnitName::parse("e@a.b.service").unwrap();
        assert_eq!(name.instance(), Some(("e@.service".into(), "a.b")));
        assert_eq!((name.kind(), name.is_template()), ("service", false));
        let name = UnitName::parse("e@.timer").unwrap();
        assert_eq!(name.instance(), None);
        assert_eq!((name.kind(), name.is_template()), ("timer", true));
    }

    /// Expected are the answers of systemd-escape.
    #[test]
    fn paths_have_unit_names() {
        for (path, name) in [
            ("/", "-.mount"),
            ("/var/lib/docker", "var-lib-docker.mount"),
            ("//var//lib/", "var-lib.mount"),
            ("/var/lib/@x.y/.z", r"var-lib-\x40x.y-.z.mount"),
            ("/.a/b-c", r"\x2ea-b\x2dc.mount"),
            ("/\u{e9} x", r"\xc3\xa9\x20x.mount"),
        ] {
            assert_eq!(UnitName::of_path(path, "mount"), name);
        }
    }
}
