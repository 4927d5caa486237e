//! Wants: what the sections of a config ask for below the root, in one form.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::diag::Span;
use crate::facts::accounts::Accounts;
use crate::hex;
use crate::model::{Compression, Config, Inode, Mode, Owner, Resource, Scheme, SysPath};
use crate::op::{Content, ContentSource, OwnerRef};
use crate::plan::ssh_keys::{KeyFile, main_group};

/// Something that should be at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// Path as the config names it.
    pub path: SysPath,
    /// What should be there.
    pub kind: Kind,
    /// Owner; `None` keeps an existing one and is root for new entries.
    pub user: Option<OwnerRef>,
    /// Group, likewise.
    pub group: Option<OwnerRef>,
    /// Whether what is there may be replaced.
    pub overwrite: bool,
    /// Whether permissions and owner are for new entries only, and existing ones keep theirs.
    pub keep_attributes: bool,
    /// The entry of the config.
    pub at: Option<Span>,
    /// The reason.
    pub why: Cow<'static, str>,
}

/// What should be at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A file; without contents an existing one is kept.
    File {
        /// Its contents.
        contents: Option<Content>,
        /// What is appended.
        append: Vec<Content>,
        /// Permissions; `None` keeps existing ones and is 0644 for new files.
        mode: Option<Mode>,
    },
    /// A directory.
    Directory {
        /// Permissions; `None` keeps existing ones and is 0755 for new directories.
        mode: Option<Mode>,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points.
        target: String,
    },
    /// A hard link.
    Hardlink {
        /// The file.
        target: SysPath,
    },
}

/// Contents that were fetched, by key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Blobs(pub BTreeMap<String, Blob>);

/// What is known of contents that were fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blob {
    /// Their SHA-256 in hexadecimal digits.
    pub sha256: String,
    /// Their length in bytes.
    pub len: u64,
}

impl Resource {
    /// Whether the contents are not simply in the URL, and have to be fetched or decompressed.
    pub fn is_fetched(&self) -> bool {
        self.scheme.needs_network()
            || self.scheme == Scheme::Oem
            || self.compression != Compression::None
            || self.digest.is_some()
    }

    /// Names the contents in the blob store: equal for equal requests.
    pub fn blob_key(&self) -> String {
        let parts = format!(
            "{:?}",
            (&self.url, self.compression, &self.headers, self.digest)
        );
        hex::encode(&Sha256::digest(parts.as_bytes()))
    }

    /// The contents, as far as they are known.
    pub fn content(&self, blobs: &Blobs) -> Content {
        if self.scheme == Scheme::Empty {
            return Content::inline("empty contents", Vec::new());
        }
        if !self.is_fetched()
            && let Ok(content) = Content::of_url("the config", &self.url)
        {
            return content;
        }
        let key = self.blob_key();
        let known = blobs.0.get(&key);
        Content {
            shown: self.shown().into(),
            sha256: known.map(|blob| blob.sha256.as_str().into()),
            len: known.map(|blob| blob.len),
            source: ContentSource::Fetched { key },
        }
    }
}

fn owner(owner: &Option<Owner>) -> Option<OwnerRef> {
    owner.as_ref().map(|owner| match owner {
        Owner::Id(id) => OwnerRef::Id(*id),
        Owner::Name(name) => OwnerRef::Name(name.clone()),
    })
}

fn want(inode: &Inode, kind: Kind) -> Want {
    Want {
        path: inode.path.clone(),
        kind,
        user: owner(&inode.user),
        group: owner(&inode.group),
        overwrite: inode.overwrite,
        keep_attributes: false,
        at: inode.at,
        why: "the config asks for it".into(),
    }
}

/// Contents where only paths count: thousands of URLs need not be decoded for them.
pub fn unread(_: &Resource) -> Content {
    Content {
        shown: Cow::Borrowed("not looked at"),
        source: ContentSource::Fetched { key: String::new() },
        sha256: None,
        len: None,
    }
}

/// What the files, directories and links of a config ask for; `content` tells the contents of a resource.
pub fn of_config(config: &Config, content: &dyn Fn(&Resource) -> Content) -> Vec<Want> {
    let directories = config.directories.iter().map(|directory| {
        want(
            &directory.inode,
            Kind::Directory {
                mode: directory.mode,
            },
        )
    });
    let files = config.files.iter().map(|file| {
        let kind = Kind::File {
            contents: file.contents.as_ref().map(content),
            append: file.append.iter().map(content).collect(),
            mode: file.mode,
        };
        want(&file.inode, kind)
    });
    let links = config.links.iter().filter_map(|link| {
        let kind = if link.hard {
            Kind::Hardlink {
                target: SysPath::parse(&link.target).ok()?,
            }
        } else {
            Kind::Symlink {
                target: link.target.clone(),
            }
        };
        Some(want(&link.inode, kind))
    });
    directories.chain(files).chain(links).collect()
}

/// What SSH keys ask for: the file and the directories that it needs.
pub fn of_key_file(keys: &KeyFile) -> Vec<Want> {
    let base = |path: &SysPath, kind, overwrite| Want {
        path: path.clone(),
        kind,
        user: Some(keys.owner.clone()),
        group: Some(keys.group.clone()),
        overwrite,
        keep_attributes: true,
        at: keys.at,
        why: format!("the config lists SSH keys of {}", keys.user).into(),
    };
    let contents = Some(Content::inline("SSH keys", keys.text.clone().into_bytes()));
    let kind = Kind::File {
        contents,
        append: Vec::new(),
        mode: Some(keys.mode),
    };
    let mut list: Vec<Want> = keys
        .directories
        .iter()
        .map(|(path, mode)| base(path, Kind::Directory { mode: Some(*mode) }, false))
        .collect();
    list.push(base(&keys.path, kind, true));
    list
}

/// Homes that are file systems of their own: useradd leaves an existing directory to root.
pub fn of_homes(config: &Config, accounts: &Accounts) -> Vec<Want> {
    let mounted = |home: &SysPath| {
        let mut filesystems = config.filesystems.iter();
        filesystems
            .any(|filesystem| filesystem.format.is_some() && filesystem.path.as_ref() == Some(home))
    };
    let users = config.users.iter().filter(|user| user.should_exist);
    users
        .filter_map(|user| {
            let facts = accounts.user(&user.name)?;
            let home = SysPath::parse(&facts.home).ok().filter(mounted)?;
            Some(Want {
                path: home,
                kind: Kind::Directory {
                    mode: Mode::new(0o700).ok(),
                },
                user: Some(OwnerRef::Name(user.name.clone())),
                group: Some(main_group(facts, accounts)),
                overwrite: false,
                keep_attributes: false,
                at: user.at,
                why: format!("the home of {} is a file system of its own", user.name).into(),
            })
        })
        .collect()
}
