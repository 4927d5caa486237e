//! `storage.trees`: local directories whose files and links are written below a path.

use std::collections::HashMap;

use super::contents::Contents;
use crate::diag::{Diagnostic, Span};
use crate::spec::butane::Tree;
use crate::spec::v3::{self, Storage};
use crate::spec::{At, Wire as _};
use crate::translate::{LocalKind, NO_FILES, at};

/// How many bytes all trees of a config may hold: they become part of it.
const MAX_BYTES: usize = 48 << 20;

/// What stands at a path already.
#[derive(Clone, Copy)]
enum There {
    File(usize),
    Link(usize),
    Directory(usize),
    /// A directory of a tree.
    Planted(usize),
}

/// Adds the trees' files and links. An entry of the config at the same path says owner and mode, if it
/// says no contents of its own.
pub(super) fn plant(trees: &[Tree], storage: &mut Storage, contents: &mut Contents<'_, '_>) {
    let mut there = HashMap::new();
    let path = |at: &Option<At<String>>| at.as_ref().map(|at| at.value.clone());
    for (index, file) in storage.files.iter().enumerate() {
        there.extend(path(&file.path).map(|path| (path, There::File(index))));
    }
    for (index, link) in storage.links.iter().enumerate() {
        there.extend(path(&link.path).map(|path| (path, There::Link(index))));
    }
    for (index, directory) in storage.directories.iter().enumerate() {
        there.extend(path(&directory.path).map(|path| (path, There::Directory(index))));
    }
    let mut left = MAX_BYTES;
    for tree in trees {
        plant_one(tree, storage, &mut there, &mut left, contents);
    }
}

fn plant_one(
    tree: &Tree,
    storage: &mut Storage,
    there: &mut HashMap<String, There>,
    left: &mut usize,
    contents: &mut Contents<'_, '_>,
) {
    let Some(local) = tree.local.as_ref().filter(|local| !local.value.is_empty()) else {
        contents
            .cx
            .report
            .error(tree.at, "the tree does not say its local directory");
        return;
    };
    let fail = |contents: &mut Contents<'_, '_>, why: String| {
        contents.cx.report.push(
            Diagnostic::error(local.span, why)
                .help("trees are directories below the one that --files-dir names"),
        );
    };
    let Some(files) = contents.cx.files else {
        contents.cx.report.push(
            Diagnostic::error(
                local.span,
                format!("the local directory {:?} is not at hand", local.value),
            )
            .help(NO_FILES),
        );
        return;
    };
    let entries = match files.walk(&local.value) {
        Ok(entries) => entries,
        Err(why) => {
            fail(
                contents,
                format!("while reading the local directory {:?}: {why}", local.value),
            );
            return;
        }
    };
    let base = tree
        .path
        .as_ref()
        .map_or("", |path| path.value.trim_end_matches('/'));
    for entry in entries {
        let path = format!("{base}/{}", entry.path);
        let name = format!("{}/{}", local.value, entry.path);
        let path = match path.trim_end_matches('/') {
            "" => "/".to_string(),
            path => path.to_string(),
        };
        match entry.kind {
            LocalKind::Directory => directory_at(path, tree, storage, there, contents),
            LocalKind::File { executable } => {
                let bytes = match files.read(&name) {
                    Ok(bytes) => bytes,
                    Err(why) => {
                        fail(
                            contents,
                            format!("while reading the local file {name:?}: {why}"),
                        );
                        continue;
                    }
                };
                let Some(rest) = left.checked_sub(bytes.len()) else {
                    fail(
                        contents,
                        format!("the trees hold more than {} MiB", MAX_BYTES >> 20),
                    );
                    return;
                };
                *left = rest;
                let Some(file) = file_at(path, tree, storage, there, local.span, contents) else {
                    continue;
                };
                contents.embed(&bytes, local.span, &mut file.contents);
                let mode = if executable { 0o755 } else { 0o644 };
                let said = file.mode.take().or_else(|| tree.file_mode.clone());
                file.mode = said.or_else(|| at(mode, local.span));
            }
            LocalKind::Link { target } => {
                if let Some(link) = link_at(path, tree, storage, there, local.span, contents) {
                    link.target = at(target, local.span);
                }
            }
        }
    }
}

/// A directory has an entry only where the tree says something of directories: Ignition makes those that
/// are missing anyway, and leaves others as they are.
fn directory_at(
    path: String,
    tree: &Tree,
    storage: &mut Storage,
    there: &mut HashMap<String, There>,
    contents: &mut Contents<'_, '_>,
) {
    let said = [tree.user.said(), tree.group.said()];
    let mode = tree.dir_mode.as_ref().map(|mode| mode.span);
    let Some(span) = mode.or_else(|| said.into_iter().flatten().next()) else {
        return;
    };
    match there.get(&path) {
        // The config's own entry counts, as for files.
        Some(There::Directory(_)) => return,
        Some(other) => {
            let local = tree.local.as_ref().and_then(|local| local.span);
            return collision(&path, *other, storage, local, contents);
        }
        None => {}
    }
    if path == "/" {
        contents.cx.report.push(
            Diagnostic::warning(
                span,
                "the tree's owner and directory mode are given to / itself",
            )
            .help("say the path that the tree belongs to, or name the directories one by one"),
        );
    }
    there.insert(path.clone(), There::Planted(storage.directories.len()));
    storage.directories.push(v3::Directory {
        at: span,
        path: at(path, span),
        user: tree.user.clone(),
        group: tree.group.clone(),
        mode: tree.dir_mode.clone().or_else(|| at(0o755, span)),
        ..v3::Directory::default()
    });
}

fn file_at<'s>(
    path: String,
    tree: &Tree,
    storage: &'s mut Storage,
    there: &mut HashMap<String, There>,
    span: Option<Span>,
    contents: &mut Contents<'_, '_>,
) -> Option<&'s mut v3::File> {
    match there.get(&path) {
        None => {
            there.insert(path.clone(), There::File(storage.files.len()));
            storage.files.push(v3::File {
                at: span,
                path: at(path, span),
                user: tree.user.clone(),
                group: tree.group.clone(),
                ..v3::File::default()
            });
            storage.files.last_mut()
        }
        Some(There::File(index)) if storage.files.get(*index)?.contents.source.is_none() => {
            storage.files.get_mut(*index)
        }
        Some(other) => {
            collision(&path, *other, storage, span, contents);
            None
        }
    }
}

fn link_at<'s>(
    path: String,
    tree: &Tree,
    storage: &'s mut Storage,
    there: &mut HashMap<String, There>,
    span: Option<Span>,
    contents: &mut Contents<'_, '_>,
) -> Option<&'s mut v3::Link> {
    match there.get(&path) {
        None => {
            there.insert(path.clone(), There::Link(storage.links.len()));
            storage.links.push(v3::Link {
                at: span,
                path: at(path, span),
                user: tree.user.clone(),
                group: tree.group.clone(),
                ..v3::Link::default()
            });
            storage.links.last_mut()
        }
        Some(There::Link(index)) if storage.links.get(*index)?.target.is_none() => {
            storage.links.get_mut(*index)
        }
        Some(other) => {
            collision(&path, *other, storage, span, contents);
            None
        }
    }
}

fn collision(
    path: &str,
    other: There,
    storage: &Storage,
    span: Option<Span>,
    contents: &mut Contents<'_, '_>,
) {
    let place = match other {
        There::File(index) => storage.files.get(index).and_then(|file| file.at),
        There::Link(index) => storage.links.get(index).and_then(|link| link.at),
        There::Directory(index) | There::Planted(index) => {
            storage.directories.get(index).and_then(|dir| dir.at)
        }
    };
    contents.cx.report.push(
        Diagnostic::error(
            span,
            format!("the tree holds {path}, which the config asks for, too"),
        )
        .other(place, "it is asked for at")
        .help("remove one of the two; an entry that only says owner and mode may stay"),
    );
}
