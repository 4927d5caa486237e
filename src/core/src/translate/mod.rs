//! Every config language → Ignition 3: total functions from trees to wire types.
//!
//! What they make keeps the places of the user's own words ([`At::span`]), so that validation and
//! every later stage speak of the file that the user wrote.

pub mod butane;
pub mod cloud_config;
mod commands;
pub mod container_linux;
pub mod ignition2;
pub mod script;

use crate::dataurl;
use crate::diag::{Diagnostic, Report, Span};
use crate::spec::At;
use crate::spec::v3;

/// What to do where a config takes in local files and there are none.
const NO_FILES: &str =
    "say where local files are by --files-dir; for a booting machine, convert the config first";

/// A translation under way.
pub struct Translation<'a> {
    /// Findings.
    pub report: &'a mut Report,
    /// Where `local:` files come from; `None` where there are none, as on a booting machine.
    pub files: Option<&'a dyn LocalFiles>,
    /// Whether what the config says to a cluster reaches one.
    pub cluster: bool,
}

impl Translation<'_> {
    /// The contents of a local file.
    pub(super) fn local(&mut self, name: &At<String>) -> Option<Vec<u8>> {
        let Some(files) = self.files else {
            self.report.push(
                Diagnostic::error(
                    name.span,
                    format!("the local file {:?} is not at hand", name.value),
                )
                .help(NO_FILES),
            );
            return None;
        };
        match files.read(&name.value) {
            Ok(bytes) => Some(bytes),
            Err(why) => {
                self.report.push(
                    Diagnostic::error(
                        name.span,
                        format!("while reading the local file {:?}: {why}", name.value),
                    )
                    .help("paths are relative to the directory that --files-dir names"),
                );
                None
            }
        }
    }
}

/// Files beside a config that it takes in (`butane --files-dir`).
pub trait LocalFiles {
    /// The contents of a file. The path is relative and stays below the directory; the error says
    /// what is wrong with it in a few words.
    fn read(&self, path: &str) -> Result<Vec<u8>, String>;
    /// The directory itself, with the path "", and everything below it, sorted by path.
    fn walk(&self, path: &str) -> Result<Vec<LocalEntry>, String>;
}

/// A directory that a config takes in, or a file, link or directory below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalEntry {
    /// Path relative to the directory.
    pub path: String,
    /// What it is.
    pub kind: LocalKind,
}

/// What a local entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalKind {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// Whether anybody may execute it.
        executable: bool,
    },
    /// A symbolic link with its target as it stands.
    Link {
        /// The target.
        target: String,
    },
}

/// A value that the translation makes, at the place of the words that ask for it.
pub fn at<T>(value: T, span: impl Into<Option<Span>>) -> Option<At<T>> {
    Some(At {
        value,
        span: span.into(),
    })
}

/// Says of the sections of a translated config where the config begins, and which version it is of.
fn head(config: &mut v3::Config, span: Span) {
    config.ignition.version = at(format!("3.{}.0", v3::NEWEST_MINOR), span);
    config.at = Some(span);
    config.ignition.at = Some(span);
    config.passwd.at = Some(span);
    config.storage.at = Some(span);
    config.systemd.at = Some(span);
}

/// Contents that the config holds itself, as the resource that Ignition takes.
pub fn inline(contents: &[u8], span: Option<Span>) -> v3::Resource {
    v3::Resource {
        at: span,
        source: at(dataurl::encode(contents), span),
        ..v3::Resource::default()
    }
}
