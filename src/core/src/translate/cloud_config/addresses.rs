//! `$private_ipv4` and its kin: coreos-cloudinit put the machine's addresses in their place.
//!
//! They are known when the metadata service has asked the platform, so that a unit fills them in, before the
//! units whose texts hold them are started.

use super::volatile::index;
use super::{Build, SUBSTITUTED, substitution};
use crate::dataurl;
use crate::diag::{Diagnostic, Span, and_more};
use crate::json::{Member, Node, Value};
use crate::spec::v3;
use crate::translate::at;
use crate::translate::commands::{STATE, quoted};
use crate::translate::container_linux::text::DYNAMIC;
use crate::translate::inline;

const NAME: &str = "addresses";
/// Keys whose texts end up in files and units.
const FILLED: &[&str] = &["write_files", "coreos"];

/// The first place of something, and how often it is there.
type Found = Option<(Span, &'static str, usize)>;

impl Build<'_> {
    /// Says once what becomes of the variables in files and units, and once what of those elsewhere.
    pub(super) fn substitutions(&mut self, members: &[Member]) {
        let (mut filled, mut left): (Found, Found) = (None, None);
        for member in members {
            let found = match FILLED.contains(&member.key.as_str()) {
                true => &mut filled,
                false => &mut left,
            };
            count(&member.value, found);
        }
        if let Some((span, name, number)) = filled {
            let message = format!(
                "${name}{} is filled in on the machine, when its metadata service has the address",
                and_more(number - 1)
            );
            self.report.push(
                Diagnostic::hint(span, message)
                    .help("units that hold it start after that; the file /run/metadata/flatcar has the addresses, too"),
            );
        }
        if let Some((span, name, number)) = left {
            self.warning(
                Some(span),
                format!("${name}{} is not replaced by the machine's address", and_more(number - 1)),
                "it is in the files of write_files and in units; elsewhere read it from /run/metadata/flatcar",
            );
        }
    }

    /// The unit that fills in addresses, where there are any to fill in.
    pub(super) fn addresses(&mut self) {
        let mut paths = Vec::new();
        let mut used = Vec::new();
        let mut holds = |text: &str| {
            let names = SUBSTITUTED
                .iter()
                .filter(|name| text.contains(&format!("${name}")));
            let found: Vec<&str> = names
                .copied()
                .filter(|name| substitution(text).is_some() || text.contains(&format!("\\${name}")))
                .collect();
            used.extend(found.iter().copied());
            !found.is_empty()
        };
        for file in &self.config.storage.files {
            let (Some(path), Some(source)) = (&file.path, &file.contents.source) else {
                continue;
            };
            let packed = file
                .contents
                .compression
                .as_ref()
                .is_some_and(|at| !at.value.is_empty());
            let volatile = index(&path.value).and_then(|index| self.volatile.get(index));
            if packed || (path.value.starts_with(STATE) && volatile.is_none()) {
                continue;
            }
            let contents = dataurl::decode(&source.value).unwrap_or_default();
            if std::str::from_utf8(&contents).is_ok_and(&mut holds) {
                paths.push(path.value.clone());
                // In this boot it has been made already.
                paths.extend(volatile.map(|file| file.path.value.clone()));
            }
        }
        let mut before = String::new();
        for unit in &self.config.systemd.units {
            let Some(name) = unit.name.as_ref().map(|name| name.value.as_str()) else {
                continue;
            };
            let directory = format!("/etc/systemd/system/{name}");
            let mut any = false;
            if unit
                .contents
                .as_ref()
                .is_some_and(|text| holds(&text.value))
            {
                paths.push(directory.clone());
                any = true;
            }
            for dropin in &unit.dropins {
                if let (Some(file), Some(text)) = (&dropin.name, &dropin.contents)
                    && holds(&text.value)
                {
                    paths.push(format!("{directory}.d/{}", file.value));
                    any = true;
                }
            }
            if any && crate::model::UnitName::parse(name).is_ok() {
                before.push_str(&format!(" {name}"));
            }
        }
        if paths.is_empty() {
            return;
        }
        if paths
            .iter()
            .any(|path| path.contains("/flanneld.service.d/"))
        {
            before.push_str(" flanneld.service");
        }
        let files: Vec<String> = paths.iter().map(|path| quoted(path)).collect();
        let files = files.join(" ");
        let mut script = String::from("#!/bin/sh\nset -e\n");
        for (name, variables) in DYNAMIC {
            let name = name.to_ascii_lowercase();
            if used.contains(&name.as_str()) {
                let all: String = variables.iter().map(|one| format!("${{{one}}}")).collect();
                // An address that the platform does not give is left as it stands, and what is none never becomes a
                // part of sed's program. Behind a backslash the variable stands for itself.
                script.push_str(&format!(
                    "value=\"{all}\"\ncase $value in\n*[!0-9A-Fa-f.:]*) echo \"{name} is no address\" >&2; exit 1 ;;\nesac\n\
                     sed -i -e 's|\\\\\\${name}|\\x01|g' -e \"s|\\${name}|${{value:-\\\\\\${name}}}|g\" -e 's|\\x01|${name}|g' {files}\n"
                ));
            }
        }
        let path = format!("{STATE}/{NAME}");
        let of_network = |path: &String| path.starts_with("/etc/systemd/network/");
        if paths.iter().any(of_network) {
            script.push_str("systemctl try-reload-or-restart systemd-networkd.service\n");
        }
        script.push_str(&format!("systemctl daemon-reload\ntouch {path}.done\n"));
        let span = self.config.at;
        self.add_file(v3::File {
            at: span,
            path: at(path.clone(), span),
            overwrite: at(true, span),
            mode: at(0o700, span),
            contents: inline(script.as_bytes(), span),
            ..v3::File::default()
        });
        let text = format!(
            "[Unit]\n\
             Description=Addresses of the machine in its configuration\n\
             ConditionPathExists=!{path}.done\n\
             RequiresMountsFor={STATE}\n\
             Requires=coreos-metadata.service\n\
             After=coreos-metadata.service\n\
             Before=pilotlight-cloud-config.target{before}\n\
             \n\
             [Service]\n\
             Type=oneshot\n\
             RemainAfterExit=yes\n\
             EnvironmentFile=/run/metadata/flatcar\n\
             ExecStart={path}\n\
             \n\
             [Install]\n\
             WantedBy=multi-user.target\n"
        );
        self.own_unit("pilotlight-addresses.service", text, span);
    }
}

fn count(node: &Node, found: &mut Found) {
    match &node.value {
        Value::String(text) | Value::Plain(text) => {
            if let Some(name) = substitution(text) {
                match found {
                    Some((.., number)) => *number += 1,
                    None => *found = Some((node.span, name, 1)),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| count(item, found)),
        Value::Object(members) => members
            .iter()
            .for_each(|member| count(&member.value, found)),
        _ => {}
    }
}

/// A text without the variables that are filled in.
pub(super) fn without(text: &str) -> String {
    let mut text = text.to_owned();
    for name in SUBSTITUTED {
        text = text.replace(&format!("${name}"), "");
    }
    text
}
