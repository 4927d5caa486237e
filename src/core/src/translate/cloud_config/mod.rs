//! cloud-config → Ignition 3.
//!
//! Where cloud-init and coreos-cloudinit differ, coreos-cloudinit counts: it is what the systems that
//! this program boots have had until now. The default user is `core`; what would run on every boot of
//! the machine there (users, files, units) is done once here, before the system starts, and stays.
//!
//! | key | becomes |
//! |---|---|
//! | `write_files` | files that replace what is there; entries of one path apply in their order |
//! | `write_files` below /run and /tmp | files that systemd-tmpfiles makes in every boot |
//! | `bootcmd` | a script run by `pilotlight-bootcmd.service` early in every boot, before the network |
//! | `runcmd` | a script run once by `pilotlight-runcmd.service` when the network is online |
//! | `coreos.units` with a command that starts | wanted by `pilotlight-cloud-config.target`, in every boot |
//! | `$private_ipv4` and its kin in files and units | filled in by `pilotlight-addresses.service` |
//! | `mounts`, `swap` | mount and swap units |
//! | `disk_setup`, `fs_setup` | partitions and file systems, where they need not know the disk's size |

mod addresses;
mod commands;
mod coreos;
mod disks;
mod files;
mod keys;
mod mounts;
mod node;
pub mod parts;
mod passwords;
mod system;
mod users;
mod volatile;

use std::collections::HashMap;

use super::commands::STATE;
use super::{Translation, at, head, inline};
use crate::diag::{Diagnostic, Report, Span};
use crate::json::{Member, Node, Value};
use crate::spec::cloud_config::{DIALECT, Document, Switch};
use crate::spec::v3;
use crate::spec::{At, Decoder, Wire};
use passwords::Salts;
use volatile::Volatile;

/// Translates a cloud-config; `None` where its parts have shapes that say nothing. What is wrong and
/// what has no effect is in the report.
pub fn translate(tree: &Node, cx: &mut Translation<'_>) -> Option<v3::Config> {
    let mut build = Build {
        report: cx.report,
        config: v3::Config::default(),
        files: HashMap::new(),
        salts: Salts::default(),
        plain: None,
        volatile: Vec::new(),
    };
    head(&mut build.config, tree.span);
    if let Some(list) = too_long(tree) {
        build.error(
            Some(list.span),
            format!("a list of more than {LONGEST} entries is not read"),
            "write what it makes into a file or a script of its own",
        );
        return None;
    }
    let tree = match &tree.value {
        Value::Null => return Some(build.config),
        Value::Object(members) => {
            build.substitutions(members);
            keys::known(members, tree.span, build.report)
        }
        other => {
            let message = format!("a cloud-config is a mapping, this is {}", other.kind());
            build.report.push(
                Diagnostic::error(tree.span, message)
                    .help("write KEY: VALUE lines, as hostname: node1"),
            );
            return None;
        }
    };
    build.salts = Salts::of(&tree);
    let document: Document = build.decode(&tree)?;
    build.disks(&document);
    build.mounts(&document);
    build.write_files(&document.write_files);
    build.make_volatile();
    build.system(&document);
    build.accounts(&document);
    build.coreos(&document.coreos);
    build.commands(&document);
    build.addresses();
    Some(build.config)
}

/// How many entries a list may have. Entries are compared with one another as cloud-init does it, one by
/// one; no node has that many users or units.
const LONGEST: usize = 4096;

/// The first list that is too long.
fn too_long(node: &Node) -> Option<&Node> {
    match &node.value {
        Value::Array(items) if items.len() > LONGEST => Some(node),
        Value::Array(items) => items.iter().find_map(too_long),
        Value::Object(members) if members.len() > LONGEST => Some(node),
        Value::Object(members) => members.iter().find_map(|member| too_long(&member.value)),
        _ => None,
    }
}

/// The config in the making.
struct Build<'a> {
    report: &'a mut Report,
    config: v3::Config,
    /// Index of each file by its path.
    files: HashMap<String, usize>,
    salts: Salts,
    /// The first password in plain text, and how many there are.
    plain: Option<(Option<Span>, usize)>,
    /// Files that are made in every boot.
    volatile: Vec<Volatile>,
}

impl Build<'_> {
    /// Reads a part of the document into its declared type.
    fn decode<T: Wire>(&mut self, node: &Node) -> Option<T> {
        let mut decoder = Decoder {
            dialect: &DIALECT,
            minor: 0,
            report: self.report,
        };
        T::decode(node, &mut decoder)
    }

    fn error(&mut self, span: Option<Span>, message: impl Into<String>, help: &str) {
        self.report
            .push(Diagnostic::error(span, message).help(help));
    }

    fn warning(&mut self, span: Option<Span>, message: impl Into<String>, help: &str) {
        self.report
            .push(Diagnostic::warning(span, message).help(help));
    }

    /// A file of which the config knows the whole contents. It replaces what is there, and what an
    /// earlier key of this config wrote, as the modules of cloud-init do one after the other.
    fn file(&mut self, path: &str, contents: &[u8], mode: i64, span: Option<Span>) {
        self.add_file(v3::File {
            at: span,
            path: at(path.to_owned(), span),
            overwrite: at(true, span),
            mode: at(mode, span),
            contents: inline(contents, span),
            ..v3::File::default()
        });
    }

    fn add_file(&mut self, file: v3::File) {
        let path = file.path.as_ref().map(|path| path.value.clone());
        let path = path.unwrap_or_default();
        match self.files.get(&path) {
            Some(index) => {
                let Some(first) = self.config.storage.files.get_mut(*index) else {
                    return;
                };
                let diagnostic = Diagnostic::warning(
                    file.at,
                    format!("{path} is written a second time: what is written here counts"),
                )
                .other(first.at, "first written at")
                .help("keep one of the two");
                *first = file;
                self.report.push(diagnostic);
            }
            None => {
                self.files.insert(path, self.config.storage.files.len());
                self.config.storage.files.push(file);
            }
        }
    }

    /// A symbolic link that replaces what is there.
    fn link(&mut self, path: &str, target: String, span: Option<Span>) {
        self.config.storage.links.push(v3::Link {
            at: span,
            path: at(path.to_owned(), span),
            overwrite: at(true, span),
            target: at(target, span),
            ..v3::Link::default()
        });
    }

    /// A unit made here, which is enabled by its own `[Install]` section.
    fn own_unit(&mut self, name: &str, contents: String, span: Option<Span>) {
        let enabled = contents
            .contains("\n[Install]\n")
            .then_some(At { value: true, span });
        self.config.systemd.units.push(v3::Unit {
            at: span,
            name: at(name.to_owned(), span),
            contents: at(contents, span),
            enabled,
            ..v3::Unit::default()
        });
    }
}

/// Names that coreos-cloudinit replaced in the whole user data before it read them.
const SUBSTITUTED: &[&str] = &["public_ipv4", "private_ipv4", "public_ipv6", "private_ipv6"];

/// The first variable of coreos-cloudinit in a text that does not set it itself, as scripts do.
pub(super) fn substitution(text: &str) -> Option<&'static str> {
    SUBSTITUTED.iter().copied().find(|name| {
        let used = text.match_indices(name).any(|(at, _)| {
            let before = text.get(..at).unwrap_or_default();
            before.ends_with('$') && !before.ends_with("\\$")
        });
        used && !text.contains(&format!("{name}="))
    })
}

/// Whether a flag is set; the default is what it says when it is not stated.
fn flag(value: &Option<At<Switch>>, default: bool) -> bool {
    value.as_ref().map_or(default, |on| on.value.0)
}

/// The flag as Ignition takes it.
fn switch(value: &Option<At<Switch>>) -> Option<At<bool>> {
    value.as_ref().map(|on| At {
        value: on.value.0,
        span: on.span,
    })
}

/// A text that says something.
fn said(value: &Option<At<String>>) -> Option<&At<String>> {
    value.as_ref().filter(|text| !text.value.is_empty())
}

/// Keys with `-` spelt with `_`, but for those that are names: both programs take either.
fn respelt(members: &[Member], names: bool) -> Vec<Member> {
    const NAMED: &[&str] = &["groups", "disk_setup", "device_aliases", "users", "headers"];
    members
        .iter()
        .map(|member| {
            let key = match names {
                true => member.key.clone(),
                false => member.key.replace('-', "_"),
            };
            let names = !names && NAMED.contains(&key.as_str());
            Member {
                value: respelt_node(&member.value, names),
                key,
                key_span: member.key_span,
            }
        })
        .collect()
}

fn respelt_node(node: &Node, names: bool) -> Node {
    let value = match &node.value {
        Value::Object(members) => Value::Object(respelt(members, names)),
        // Lists of names may hold mappings of names: groups: [admins: [a, b]].
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| respelt_node(item, false)).collect())
        }
        other => other.clone(),
    };
    Node {
        span: node.span,
        value,
    }
}

#[cfg(test)]
mod tests;
