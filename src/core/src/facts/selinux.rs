//! Whether the root has an SELinux policy, by which what is written must be labelled.

use serde::{Deserialize, Serialize};

use crate::model::SysPath;

/// Where the root says which policy it has (selinux_config(5)).
pub const CONFIG: &str = "/etc/selinux/config";
/// Largest configuration that is read, in bytes.
pub const CONFIG_LIMIT: u64 = 64 << 10;
/// The program that labels.
pub const PROGRAM: &str = "setfiles";

/// The policy of a root.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Selinux {
    /// There is none, or it is disabled: nothing is labelled.
    #[default]
    None,
    /// One is named that cannot be followed; the text says why.
    Unusable(String),
    /// There is one.
    Policy {
        /// Its name: "targeted".
        name: String,
        /// Real path below the root of the table of contexts (file_contexts(5)).
        contexts: SysPath,
        /// Whether the program that labels is there.
        program: bool,
    },
}

/// What the configuration asks for: the type of the policy, `None` if SELinux is disabled, or why its
/// answer is of no use.
///
/// Read as libselinux reads it: the first part of a line that counts is the key, `#` begins a comment,
/// names of modes count in either case, and a policy without a name is "targeted".
pub fn policy_type(text: &str) -> Result<Option<String>, String> {
    let value = |key| value(text, key);
    if value("SELINUX").is_some_and(|mode| mode.eq_ignore_ascii_case("disabled")) {
        return Ok(None);
    }
    let name = value("SELINUXTYPE")
        .filter(|name| !name.is_empty())
        .unwrap_or("targeted");
    let plain = name.len() <= 64
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if !plain {
        let cut: String = name.chars().take(64).collect();
        return Err(format!(
            "SELINUXTYPE is {cut:?}, which is not the plain name of a policy"
        ));
    }
    Ok(Some(name.into()))
}

/// Whether the policy refuses what it does not allow. One that only warns, as Flatcar's does, is no reason
/// to stop a first boot whose initramfs has no setfiles: Ignition does not label there at all.
pub fn is_enforcing(text: &str) -> bool {
    value(text, "SELINUX").is_some_and(|mode| mode.eq_ignore_ascii_case("enforcing"))
}

/// The value of a key; of several, the last one counts.
fn value<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix('='))
        .next_back()
        .map(str::trim)
}

/// Where the policy of this type keeps its table of contexts. The name is one that [`policy_type`] let pass.
pub fn contexts(name: &str) -> Option<SysPath> {
    SysPath::parse(&format!("/etc/selinux/{name}/contexts/files/file_contexts")).ok()
}

impl Selinux {
    /// Why files will lack labels although the root names a policy.
    pub fn warning(&self) -> Option<String> {
        let Selinux::Unusable(why) = self else {
            return None;
        };
        Some(format!(
            "what is written gets no SELinux labels: {why}; a node that enforces a policy needs them"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_is_read_as_libselinux_reads_it() {
        let named = |text: &str| policy_type(text).unwrap();
        for (text, expected) in [
            (
                "SELINUX=enforcing\nSELINUXTYPE=targeted\n",
                Some("targeted"),
            ),
            (
                "# SELINUX=disabled\nSELINUX=permissive\nSELINUXTYPE=mcs # ",
                None,
            ),
            (
                "  SELINUX = Permissive \n SELINUXTYPE = mls\r\n",
                Some("mls"),
            ),
            ("SELINUXTYPE=mls\n", Some("mls")),
            ("SELINUXTYPE=a\nSELINUXTYPE=b", Some("b")),
            ("", Some("targeted")),
            ("SELINUXTYPE=\n", Some("targeted")),
            ("#SELINUXTYPE=mls\n", Some("targeted")),
        ] {
            match expected {
                Some(expected) => assert_eq!(named(text).as_deref(), Some(expected), "{text:?}"),
                None => assert!(policy_type(text).is_err(), "{text:?}"),
            }
        }
        for text in [
            "SELINUX=disabled",
            "SELINUX=Disabled\nSELINUXTYPE=mcs",
            "SELINUX=x\nSELINUX= DISABLED ",
        ] {
            assert_eq!(named(text), None, "{text:?}");
        }
    }

    #[test]
    fn only_a_mode_that_says_so_enforces() {
        assert!(is_enforcing(
            "SELINUX=permissive\nSELINUX = Enforcing # ".trim_end_matches("# ")
        ));
        for text in [
            "",
            "SELINUX=permissive",
            "#SELINUX=enforcing",
            "SELINUXTYPE=enforcing",
        ] {
            assert!(!is_enforcing(text), "{text}");
        }
    }

    #[test]
    fn a_policy_is_a_plain_name() {
        let long = "x".repeat(65);
        for name in [
            "..",
            ".",
            "../../tmp",
            "a/b",
            "a\0b",
            "grün",
            ".hidden",
            &long,
        ] {
            let refused = policy_type(&format!("SELINUXTYPE={name}")).unwrap_err();
            assert!(refused.len() < 200, "{refused}");
        }
        let path = contexts("targeted").unwrap();
        assert_eq!(
            path.as_str(),
            "/etc/selinux/targeted/contexts/files/file_contexts"
        );
    }
}
