//! Files of `write_files` where every boot begins with nothing: below /run and /tmp.
//!
//! coreos-cloudinit wrote them in every boot. Here they are kept below /var, and systemd-tmpfiles puts them into
//! their places in every boot. What systemd and udev read in /run as they do in /etc is written to /etc.

use super::Build;
use crate::diag::{Diagnostic, and_more};
use crate::spec::At;
use crate::spec::v3;
use crate::translate::commands::STATE;

/// Where every boot begins with nothing.
const EMPTIED: &[&str] = &["/run/", "/tmp/", "/dev/shm/"];

/// Directories in /run of which the ones in /etc mean the same.
const LIKE_ETC: &[&str] = &[
    "binfmt.d/",
    "modprobe.d/",
    "modules-load.d/",
    "sysctl.d/",
    "systemd/coredump.conf.d/",
    "systemd/journald.conf.d/",
    "systemd/logind.conf.d/",
    "systemd/network/",
    "systemd/networkd.conf.d/",
    "systemd/resolved.conf.d/",
    "systemd/system.conf.d/",
    "systemd/system/",
    "systemd/timesyncd.conf.d/",
    "sysusers.d/",
    "tmpfiles.d/",
    "udev/hwdb.d/",
    "udev/rules.d/",
];

const CONF: &str = "/etc/tmpfiles.d/pilotlight-cloud-config.conf";

/// A file that is made in every boot.
pub(super) struct Volatile {
    /// Where programs read it.
    pub(super) path: At<String>,
    /// Mode, user and group as systemd-tmpfiles takes them.
    attributes: String,
}

/// Where the contents of the file of a number are kept.
fn kept(index: usize) -> String {
    format!("{STATE}/volatile/{}", index + 1)
}

/// The number of the file that is kept at a path.
pub(super) fn index(path: &str) -> Option<usize> {
    let name = path.strip_prefix(STATE)?.strip_prefix("/volatile/")?;
    name.parse::<usize>().ok()?.checked_sub(1)
}

impl Build<'_> {
    /// Where the file is written that is wanted at a path.
    pub(super) fn place(&mut self, path: At<String>) -> At<String> {
        let wanted = match path.value.strip_prefix("/var/run/") {
            Some(below) => format!("/run/{below}"),
            None => path.value.clone(),
        };
        let like_etc = wanted
            .strip_prefix("/run/")
            .filter(|below| LIKE_ETC.iter().any(|known| below.starts_with(known)));
        if let Some(below) = like_etc {
            let value = format!("/etc/{below}");
            self.report.push(
                Diagnostic::hint(
                    path.span,
                    "the file is written to /etc, where it means the same in every boot",
                )
                .help("write /etc instead of /run"),
            );
            return At { value, ..path };
        }
        if !EMPTIED.iter().any(|top| wanted.starts_with(top)) {
            return path;
        }
        let mut files = self.volatile.iter();
        let index = files.position(|file| file.path.value == wanted);
        let span = path.span;
        let index = index.unwrap_or_else(|| {
            self.volatile.push(Volatile {
                path: At {
                    value: wanted,
                    span,
                },
                attributes: String::new(),
            });
            self.volatile.len() - 1
        });
        At {
            value: kept(index),
            span,
        }
    }

    /// Notes the attributes of a file that is made in every boot, as its last entry states them.
    pub(super) fn volatile_attributes(
        &mut self,
        path: &str,
        mode: Option<&At<i64>>,
        (user, group): (&v3::Owner, &v3::Owner),
    ) {
        let Some(file) = index(path).and_then(|index| self.volatile.get_mut(index)) else {
            return;
        };
        let owner = |owner: &v3::Owner| match (&owner.id, &owner.name) {
            (Some(id), _) => id.value.to_string(),
            (None, Some(name)) => name.value.clone(),
            (None, None) => "root".into(),
        };
        let mode = mode.map_or(0o644, |mode| mode.value);
        let (user, group) = (quoted(&owner(user)), quoted(&owner(group)));
        file.attributes = format!("{mode:04o} {user} {group}");
    }

    /// The lines for systemd-tmpfiles.
    pub(super) fn make_volatile(&mut self) {
        let Some(first) = self.volatile.first() else {
            return;
        };
        let span = first.path.span;
        let places = and_more(self.volatile.len() - 1);
        let path = &first.path.value;
        let message = format!("{path}{places} is made anew in every boot, by systemd-tmpfiles");
        self.report.push(
            Diagnostic::hint(span, message)
                .help("units that start before local-fs.target do not see it"),
        );
        let mut lines =
            String::from("# Files of write_files in places that are empty when a boot begins\n");
        for (index, file) in self.volatile.iter().enumerate() {
            let path = quoted(&file.path.value);
            let kept = kept(index);
            lines.push_str(&format!("C {path} {} - {kept}\n", file.attributes));
        }
        self.file(CONF, lines.as_bytes(), 0o644, span);
    }
}

/// A word of tmpfiles.d(5), in quotation marks where it needs them.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/_.-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in word.chars() {
        match c {
            '%' => quoted.push_str("%%"),
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_ascii_control() => quoted.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
#[path = "volatile_tests.rs"]
mod tests;
