//! Wants: what the sections of a config ask for below the root, in one form.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::diag::Span;
use crate::facts::Facts;
use crate::facts::accounts::{Accounts, User as UserFacts};
use crate::facts::tree::Node;
use crate::hex;
use crate::model::{Compression, Config, Inode, Mode, Owner, Resource, Scheme, SysPath, User};
use crate::op::{Content, ContentSource, OwnerRef};
use crate::plan::mounted;
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

/// Where file systems are mounted, and the directories above: the mount stage may have made some in homes.
pub fn of_home_mounts<'c>(
    config: &'c Config,
    accounts: &'c Accounts,
) -> impl Iterator<Item = SysPath> {
    let homes = owners(config, accounts).map(|(_, _, home)| home);
    let mounts = mounted::points(config).flat_map(|point| {
        let above = point.ancestors().into_iter();
        above.chain([point.clone()])
    });
    // Homes may lie behind links, which show only then.
    let some = config.users.iter().any(|user| user.should_exist);
    homes.chain(mounts.filter(move |_| some))
}

/// The config's users that have a home, by what is known of their accounts.
fn owners<'c>(
    config: &'c Config,
    accounts: &'c Accounts,
) -> impl Iterator<Item = (&'c User, &'c UserFacts, SysPath)> {
    let users = config.users.iter().filter(|user| user.should_exist);
    users.filter_map(|user| {
        let facts = accounts.user(&user.name)?;
        let home = SysPath::parse(facts.home.trim_end_matches('/')).ok()?;
        (home.depth() > 0).then_some((user, facts, home))
    })
}

/// Directories that the mount stage has made at or below homes, and homes that are file systems of their own: useradd
/// leaves an existing directory to root.
pub fn of_homes(config: &Config, facts: &Facts) -> Vec<Want> {
    let mut list: Vec<Want> = Vec::new();
    for (user, account, home) in owners(config, &facts.accounts) {
        let real = facts.tree.real(&home);
        for point in mounted::points(config) {
            for directory in point.ancestors().into_iter().chain([point.clone()]) {
                let is_home = directory == home && directory == *point;
                let within = directory.is_below(&home) || directory.is_below(&real);
                // As the mount stage makes them; what is of anybody else in a home is his.
                let made = matches!(
                    facts.tree.node(&facts.tree.real(&directory)),
                    Node::Directory {
                        mode: 0o755,
                        uid: Some(0),
                        ..
                    }
                ) && account.uid != Some(0);
                // The config may name it by another path, which then counts.
                let real = facts.tree.real(&directory);
                let otherwise = config.directories.iter().any(|other| {
                    other.inode.path != directory && facts.tree.real(&other.inode.path) == real
                });
                let known = list.iter().any(|want| want.path == directory);
                if known || otherwise || !(is_home || within && made) {
                    continue;
                }
                let why = match is_home {
                    true => format!("the home of {} is a file system of its own", user.name),
                    false => format!("it was made for a mount in the home of {}", user.name),
                };
                list.push(Want {
                    path: directory,
                    kind: Kind::Directory {
                        mode: Mode::new(0o700).ok(),
                    },
                    user: Some(OwnerRef::Name(user.name.clone())),
                    group: Some(main_group(account, &facts.accounts)),
                    overwrite: false,
                    keep_attributes: false,
                    at: user.at,
                    why: why.into(),
                });
            }
        }
    }
    list
}
