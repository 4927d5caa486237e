//! Files, directories, links and units below the root (ignition internal/exec/stages/files).
//!
//! What is already as it is asked for is left alone, so that planning again on the result plans nothing.

use std::borrow::Cow;
use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::diag::{Diagnostic, Report, Span};
use crate::facts::tree::Node;
use crate::facts::{Facts, Sight};
use crate::hex;
use crate::model::{Config, Mode, SysPath};
use crate::op::{Content, ContentSource, OwnerRef, TreeOp, summary};
use crate::ordered::Arrange as _;
use crate::plan::units;
use crate::plan::want::{self, Blobs, Kind, Want};
use crate::plan::{Plan, Planned};

const ROOT: OwnerRef = OwnerRef::Id(0);

/// All that planning has to know of the tree: the paths of the wants, and targets of hard links.
pub fn sights(config: &Config, extra: &[Want]) -> Vec<Sight> {
    let sight = |path: &SysPath, contents: bool| Sight {
        path: path.clone(),
        contents,
    };
    let mut list: Vec<Sight> = Vec::new();
    for want in want::of_config(config, &want::unread).iter().chain(extra) {
        let contents = matches!(
            &want.kind,
            Kind::File {
                contents: Some(_),
                ..
            }
        );
        list.push(sight(&want.path, contents));
        if let Kind::Hardlink { target } = &want.kind {
            list.push(sight(target, false));
        }
    }
    list.extend((units::paths(&config.units).iter()).map(|path| sight(path, true)));
    list
}

/// Plans the tree. `extra` are wants that are not the config's files: SSH keys, files of the agent.
pub fn plan(config: &Config, extra: &[Want], facts: &Facts, blobs: &Blobs) -> Planned {
    let mut work = Work {
        facts: facts.clone(),
        seen: BTreeMap::new(),
        moved: Vec::new(),
        plan: Plan::default(),
        report: Report::default(),
    };
    let mut wants = extra.to_vec();
    wants.extend(want::of_config(config, &|resource| resource.content(blobs)));
    // Outer directories first; hard links when everything that they may point at is there.
    wants.arrange_by_key(|want| {
        (
            matches!(want.kind, Kind::Hardlink { .. }),
            want.path.depth(),
        )
    });
    wants.extend(units::wants(&config.units, &facts.tree));
    // With the directories that they need.
    work.plan.steps.reserve(wants.len() + wants.len() / 4);
    for want in wants {
        if let Err(diagnostic) = work.want(&want) {
            work.report.push(diagnostic);
        }
    }
    for (path, what, at, why) in units::removals(&config.units, &facts.tree) {
        work.push(
            TreeOp::Remove {
                path,
                destroys: what,
            },
            why,
            at,
        );
    }
    if work.report.has_errors() {
        Err(work.report)
    } else {
        Ok(work.plan)
    }
}

struct Work {
    /// The facts as the plan so far makes them.
    facts: Facts,
    /// Real paths that wants lead to: which path of the config, and where it stands.
    seen: BTreeMap<SysPath, (SysPath, Option<Span>)>,
    /// Links of the root that are directories by now: path of the config → real path.
    moved: Vec<(SysPath, SysPath)>,
    plan: Plan,
    report: Report,
}

impl Work {
    fn push(&mut self, op: TreeOp, why: impl Into<Cow<'static, str>>, at: Option<Span>) {
        op.predict(&mut self.facts);
        self.plan.push(op, why, at);
    }

    /// The real path of a path, after the links that the plan replaces by directories.
    fn real(&self, path: &SysPath) -> SysPath {
        let moved = self
            .moved
            .iter()
            .filter(|(link, _)| path != link && path.is_below(link))
            .max_by_key(|(link, _)| link.depth());
        moved
            .and_then(|(link, directory)| {
                let rest = path.as_str().strip_prefix(link.as_str())?;
                directory.join(rest.trim_start_matches('/')).ok()
            })
            .unwrap_or_else(|| self.facts.tree.real(path))
    }

    /// Two entries may not lead to one real path, or the later would undo the earlier.
    fn collision(&mut self, want: &Want, real: &SysPath) -> Result<(), Diagnostic> {
        let directory = matches!(want.kind, Kind::Directory { .. });
        match self.seen.get(real) {
            Some((path, _)) if *path == want.path && directory => Ok(()),
            Some((path, at)) => Err(Diagnostic::error(
                want.at,
                format!("{} and {path} both lead to {real}", want.path),
            )
            .other(*at, "the other one is stated at")
            .help("name the path once")),
            None => {
                self.seen.insert(real.clone(), (want.path.clone(), want.at));
                Ok(())
            }
        }
    }

    /// A link that is replaced may not be one that other paths of the config, or its own, lead over.
    fn leads_elsewhere(&self, want: &Want, real: &SysPath) -> Result<(), Diagnostic> {
        if !want.overwrite || !matches!(self.facts.tree.node(real), Node::Symlink { .. }) {
            return Ok(());
        }
        let directory = matches!(want.kind, Kind::Directory { .. });
        let other = self.facts.tree.links.iter().find(|(path, links)| {
            // What lies below a new directory lies in it, and no longer where the link led.
            links.contains(real) && !(directory && *path != &want.path && path.is_below(&want.path))
        });
        match other {
            Some((path, _)) => Err(Diagnostic::error(
                want.at,
                format!(
                    "{} would replace the link {real}, over which {path} leads",
                    want.path
                ),
            )
            .help("name the paths without that link")),
            None => Ok(()),
        }
    }

    /// A directory that is replaced may not hold what another entry has just put there.
    fn holds_others(&self, want: &Want, real: &SysPath) -> Result<(), Diagnostic> {
        if !want.overwrite || !matches!(self.facts.tree.node(real), Node::Directory { .. }) {
            return Ok(());
        }
        // Paths below one begin with it, and stand together.
        let mut others = (self.seen.range(real..))
            .take_while(|(path, _)| path.as_str().starts_with(real.as_str()));
        match others.find(|(path, _)| *path != real && path.is_below(real)) {
            Some((_, (other, at))) => Err(Diagnostic::error(
                want.at,
                format!(
                    "{} would remove {other}, which the config asks for too",
                    want.path
                ),
            )
            .other(*at, "stated at")),
            None => Ok(()),
        }
    }

    fn want(&mut self, want: &Want) -> Result<(), Diagnostic> {
        let real = self.real(&want.path);
        self.collision(want, &real)?;
        self.leads_elsewhere(want, &real)?;
        self.holds_others(want, &real)?;
        self.parents(&real, want)?;
        match &want.kind {
            Kind::Directory { mode } => self.directory(want, &real, *mode),
            Kind::File {
                contents,
                append,
                mode,
            } => self.file(want, &real, contents.as_ref(), append, *mode),
            Kind::Symlink { target } => self.symlink(want, &real, target),
            Kind::Hardlink { target } => self.hardlink(want, &real, target),
        }
    }

    fn parents(&mut self, real: &SysPath, want: &Want) -> Result<(), Diagnostic> {
        for parent in real.ancestors() {
            match self.facts.tree.node(&parent) {
                Node::Directory { .. } => {}
                Node::Absent => self.push(
                    TreeOp::MakeDirectory {
                        path: parent,
                        mode: Mode::DIRECTORY,
                        user: ROOT,
                        group: ROOT,
                    },
                    format!("{} lies in it", want.path),
                    want.at,
                ),
                other => {
                    return Err(Diagnostic::error(
                        want.at,
                        format!("{} cannot be made: {parent} is {}", want.path, other.kind()),
                    ));
                }
            }
        }
        Ok(())
    }

    /// A refusal to replace what is there.
    fn exists(want: &Want, what: &str, node: &Node) -> Diagnostic {
        Diagnostic::error(
            want.at,
            format!(
                "{} cannot be made {what}: there is {} already",
                want.path,
                node.kind()
            ),
        )
        .help("set overwrite to true if it may be replaced")
    }

    fn remove(&mut self, want: &Want, real: &SysPath, node: &Node) {
        let op = TreeOp::Remove {
            path: real.clone(),
            destroys: match node {
                Node::Directory { .. } => "the directory with all that is in it",
                other => other.kind(),
            },
        };
        self.push(op, "overwrite is set", want.at);
    }

    /// Corrects permissions and owner of what is already there otherwise.
    fn attributes(
        &mut self,
        want: &Want,
        real: &SysPath,
        mode: Option<Mode>,
        user: Option<OwnerRef>,
        group: Option<OwnerRef>,
    ) {
        if want.keep_attributes {
            return;
        }
        let (seen_mode, uid, gid) = match self.facts.tree.node(real) {
            Node::File { mode, uid, gid, .. } | Node::Directory { mode, uid, gid, .. } => {
                (Some(*mode), *uid, *gid)
            }
            Node::Symlink { uid, gid, .. } => (None, *uid, *gid),
            Node::Absent | Node::Other => return,
        };
        let accounts = &self.facts.accounts;
        // An owner that has no number yet agrees only with an owner that has none yet.
        let user = user.filter(|user| user.uid(accounts) != uid);
        let group = group.filter(|group| group.gid(accounts) != gid);
        // chown(2) clears setuid and setgid of files, so the mode is set again after it.
        let special =
            seen_mode.is_some_and(|mode| mode & 0o6000 != 0) && (user.is_some() || group.is_some());
        let mode = mode.filter(|mode| seen_mode.is_some_and(|seen| seen != mode.bits()) || special);
        let mode = mode.or_else(|| {
            let kept = seen_mode.filter(|_| special)?;
            Mode::new(i64::from(kept)).ok()
        });
        if mode.is_some() || user.is_some() || group.is_some() {
            let op = TreeOp::SetAttributes {
                path: real.clone(),
                mode,
                user,
                group,
            };
            self.push(op, want.why.clone(), want.at);
        }
    }

    fn directory(
        &mut self,
        want: &Want,
        real: &SysPath,
        mode: Option<Mode>,
    ) -> Result<(), Diagnostic> {
        let node = self.facts.tree.node(real).clone();
        match &node {
            Node::Directory { empty, .. } if !want.overwrite || *empty => {
                let (mut mode, mut user, mut group) = (mode, want.user.clone(), want.group.clone());
                if want.overwrite {
                    // It counts as a new one, with a new one's defaults.
                    mode = mode.or(Some(Mode::DIRECTORY));
                    user = user.or(Some(ROOT));
                    group = group.or(Some(ROOT));
                }
                self.attributes(want, real, mode, user, group);
                return Ok(());
            }
            Node::Absent => {}
            other if want.overwrite => {
                self.remove(want, real, other);
                self.moved.push((want.path.clone(), real.clone()));
            }
            other => return Err(Self::exists(want, "a directory", other)),
        }
        let op = TreeOp::MakeDirectory {
            path: real.clone(),
            mode: mode.unwrap_or(Mode::DIRECTORY),
            user: want.user.clone().unwrap_or(ROOT),
            group: want.group.clone().unwrap_or(ROOT),
        };
        self.push(op, want.why.clone(), want.at);
        Ok(())
    }

    fn file(
        &mut self,
        want: &Want,
        real: &SysPath,
        contents: Option<&Content>,
        append: &[Content],
        mode: Option<Mode>,
    ) -> Result<(), Diagnostic> {
        let node = self.facts.tree.node(real).clone();
        let whole: Vec<Content> = contents.into_iter().chain(append).cloned().collect();
        let (_, wanted_sha) = summary(&whole);
        // What cannot be recognized by its digest, or adds to what is there, is remembered by the journal.
        let needs_journal = contents.is_none() && !append.is_empty() || wanted_sha.is_none();
        let once = needs_journal.then(|| journal_name(&want.path, &whole));
        let done = once.as_ref().is_some_and(|id| self.facts.done.contains(id));
        if let Node::File { sha256, .. } = &node {
            let same = contents.is_some() && wanted_sha.is_some() && *sha256 == wanted_sha;
            let kept = contents.is_none() && append.is_empty();
            if same || done || kept {
                self.file_attributes(want, real, mode, contents.is_some());
                return Ok(());
            }
            if contents.is_none() {
                // What is appended may be for fewer eyes than what is there.
                self.file_attributes(want, real, mode, false);
                let op = TreeOp::AppendFile {
                    path: real.clone(),
                    contents: append.to_vec(),
                    once: once.unwrap_or_default(),
                };
                self.push(op, want.why.clone(), want.at);
                return Ok(());
            }
        }
        let replaces = match &node {
            Node::Absent => None,
            // Nothing was there before: what is there now is ours, and not whole.
            ours @ Node::File { .. } if self.facts.half_there.contains(real) => Some(ours.kind()),
            other if !want.overwrite => return Err(Self::exists(want, "a file", other)),
            directory @ Node::Directory { .. } => {
                self.remove(want, real, directory);
                None
            }
            other => Some(other.kind()),
        };
        let kept = match &node {
            Node::File { mode, .. } if want.keep_attributes => Mode::new(i64::from(*mode)).ok(),
            _ => None,
        };
        let op = TreeOp::WriteFile {
            path: real.clone(),
            contents: whole,
            mode: kept.or(mode).unwrap_or(Mode::FILE),
            user: want.user.clone().unwrap_or(ROOT),
            group: want.group.clone().unwrap_or(ROOT),
            replaces,
            once,
        };
        self.push(op, want.why.clone(), want.at);
        Ok(())
    }

    fn file_attributes(
        &mut self,
        want: &Want,
        real: &SysPath,
        mode: Option<Mode>,
        has_contents: bool,
    ) {
        let (mut mode, mut user, mut group) = (mode, want.user.clone(), want.group.clone());
        if want.overwrite && has_contents {
            mode = mode.or(Some(Mode::FILE));
            user = user.or(Some(ROOT));
            group = group.or(Some(ROOT));
        }
        self.attributes(want, real, mode, user, group);
    }

    fn symlink(&mut self, want: &Want, real: &SysPath, target: &str) -> Result<(), Diagnostic> {
        let node = self.facts.tree.node(real).clone();
        let replaces = match &node {
            Node::Absent => None,
            Node::Symlink { target: there, .. } if clean(there) == clean(target) => {
                self.attributes(want, real, None, want.user.clone(), want.group.clone());
                return Ok(());
            }
            other if !want.overwrite => return Err(Self::exists(want, "a symbolic link", other)),
            directory @ Node::Directory { .. } => {
                self.remove(want, real, directory);
                None
            }
            other => Some(other.kind()),
        };
        let op = TreeOp::MakeSymlink {
            path: real.clone(),
            target: target.to_string(),
            user: want.user.clone().unwrap_or(ROOT),
            group: want.group.clone().unwrap_or(ROOT),
            replaces,
        };
        self.push(op, want.why.clone(), want.at);
        Ok(())
    }

    fn hardlink(
        &mut self,
        want: &Want,
        real: &SysPath,
        target: &SysPath,
    ) -> Result<(), Diagnostic> {
        let target_real = self.real(target);
        let node = self.facts.tree.node(real).clone();
        let there = self.facts.tree.node(&target_real).clone();
        match (&node, &there) {
            (_, Node::Absent | Node::Directory { .. }) => {
                return Err(Diagnostic::error(
                    want.at,
                    format!(
                        "the hard link {} cannot point at {target}: there is {}",
                        want.path,
                        there.kind()
                    ),
                ));
            }
            (Node::File { inode: a, .. }, Node::File { inode: b, .. }) if a == b => return Ok(()),
            // A link to a link: the same words lead to the same place, whichever inode holds them.
            (Node::Symlink { target: a, .. }, Node::Symlink { target: b, .. }) if a == b => {
                return Ok(());
            }
            (Node::Absent, _) => {}
            (other, _) if !want.overwrite => return Err(Self::exists(want, "a hard link", other)),
            (directory @ Node::Directory { .. }, _) => self.remove(want, real, directory),
            _ => {}
        }
        let replaces = match self.facts.tree.node(real) {
            Node::Absent => None,
            other => Some(other.kind()),
        };
        let op = TreeOp::MakeHardlink {
            path: real.clone(),
            target: target_real,
            replaces,
        };
        self.push(op, want.why.clone(), want.at);
        Ok(())
    }
}

/// Name in the journal of contents at a path.
fn journal_name(path: &SysPath, contents: &[Content]) -> String {
    let mut hash = Sha256::new();
    hash.update(path.as_str());
    for content in contents {
        hash.update([0]);
        match (&content.source, content.source.known()) {
            (ContentSource::Fetched { key }, _) => hash.update(key),
            (_, bytes) => hash.update(Sha256::digest(bytes.unwrap_or_default())),
        }
    }
    hex::encode(&hash.finalize())
}

/// A link target without `.`, double and final slashes, and with `..` taken by its word (Go's path.Clean).
fn clean(target: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let absolute = target.starts_with('/');
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if absolute => {}
            part => parts.push(part),
        }
    }
    let path = parts.join("/");
    if absolute { format!("/{path}") } else { path }
}
