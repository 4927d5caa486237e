//! How the node opens its encrypted volumes later: `/etc/crypttab` and the key files (crypttab(5)).

use crate::diag::{Diagnostic, Report, Span};
use crate::facts::Facts;
use crate::facts::disks::Signature;
use crate::facts::tree::Node;
use crate::model::{Compression, Config, Luks, Mode, Resource, Scheme, SysPath};
use crate::op::{Content, ContentSource, OwnerRef};
pub use crate::plan::luks::UNFINISHED;
use crate::plan::luks::{NO_UUID, has_key_file, unfinished};
use crate::plan::want::{Blobs, Kind, Want};

/// Where the table is.
pub const PATH: &str = "/etc/crypttab";
/// Where the keys are.
pub const KEYS: &str = "/etc/luks";

/// What the keys of blobs begin with that hold generated keys; the volume's name follows.
pub const KEY_BLOB: &str = "luks-key:";

/// The key files, and the table unless the config writes that itself.
pub fn wants(config: &Config, facts: &Facts, blobs: &Blobs) -> Vec<Want> {
    let mut wants = Vec::new();
    let keys = config.luks.iter().filter(|luks| has_key_file(luks));
    for luks in keys {
        let contents = match (&luks.key_file, facts.keys.get(&luks.name)) {
            (Some(resource), _) => Content {
                shown: format!("the key of the volume {:?}", luks.name).into(),
                ..resource.content(blobs)
            },
            // The digest tells this boot's key from that of a volume that is no more.
            (None, Some(sha256)) => Content {
                shown: format!("the generated key of the volume {:?}", luks.name).into(),
                source: ContentSource::Fetched {
                    key: format!("{KEY_BLOB}{}", luks.name),
                },
                sha256: sha256.as_deref().map(Into::into),
                len: None,
            },
            // A generated key that is not here any more is in the root already.
            (None, None) => continue,
        };
        let kind = Kind::File {
            contents: Some(contents),
            append: Vec::new(),
            mode: Some(Mode::OWNER_ONLY),
        };
        let path = format!("{KEYS}/{}", luks.name);
        wants.extend(want(
            &path,
            kind,
            luks.at,
            "the node opens the volume with it",
        ));
    }
    if !wants.is_empty() {
        let kind = Kind::Directory {
            mode: Some(Mode::OWNER_DIRECTORY),
        };
        let directory = want(KEYS, kind, None, "the keys of encrypted volumes lie in it");
        wants.extend(directory.map(|want| Want {
            keep_attributes: true,
            // It may hold keys of other volumes.
            overwrite: false,
            ..want
        }));
    }
    let unfinished = unfinished(config, facts);
    if !unfinished.is_empty() {
        let text: String = unfinished.iter().map(|uuid| format!("{uuid}\n")).collect();
        let kind = Kind::File {
            contents: Some(Content::inline("the list of unfinished volumes", text)),
            append: Vec::new(),
            mode: Some(Mode::OWNER_ONLY),
        };
        let why = "the next boot finishes them if this one cannot";
        wants.extend(want(UNFINISHED, kind, None, why));
    }
    if !config.luks.is_empty() && own_file(config).is_none() {
        let path = SysPath::parse(PATH).ok();
        let present = path.and_then(|path| facts.texts.get(&path));
        let text = merged(present.map_or("", String::as_str), config, facts);
        let kind = Kind::File {
            contents: Some(Content::inline("the table of encrypted volumes", text)),
            append: Vec::new(),
            mode: Some(Mode::OWNER_ONLY),
        };
        let at = config.luks.first().and_then(|luks| luks.at);
        wants.extend(want(
            PATH,
            kind,
            at,
            "the node opens its encrypted volumes by it",
        ));
    }
    wants
}

/// The key files of volumes that the node opens by one.
pub fn key_files(config: &Config) -> impl Iterator<Item = SysPath> {
    let volumes = config.luks.iter().filter(|luks| has_key_file(luks));
    volumes.filter_map(|luks| SysPath::parse(&format!("{KEYS}/{}", luks.name)).ok())
}

/// An error where a generated key is neither with this boot nor in the root: the node could not open the volume.
pub fn keys_are_there(config: &Config, facts: &Facts) -> Result<(), Report> {
    let mut report = Report::default();
    for luks in config.luks.iter().filter(|luks| has_key_file(luks)) {
        if luks.key_file.is_some() || facts.keys.contains_key(&luks.name) {
            continue;
        }
        let path = SysPath::parse(&format!("{KEYS}/{}", luks.name)).ok();
        // A root that was not looked at says nothing.
        let Some(node) = path.as_ref().and_then(|path| {
            let real = facts.tree.real(path);
            facts.tree.entries.get(&real)
        }) else {
            continue;
        };
        if !matches!(node, Node::File { len, .. } if *len != Some(0)) {
            let message = format!(
                "the key of the volume {:?} is lost: this boot has not made it, and at {KEYS}/{} of the root there is {}",
                luks.name,
                luks.name,
                match node {
                    Node::File { .. } => "an empty file",
                    other => other.kind(),
                }
            );
            let help = "set wipeVolume to true to make the volume anew, without what it holds, or put its key there";
            report.push(Diagnostic::error(luks.at, message).help(help));
        }
    }
    match report.has_errors() {
        true => Err(report),
        false => Ok(()),
    }
}

/// A config that writes the table itself gets the lines of its volumes at the end of it.
pub fn amended(config: &Config, facts: &Facts) -> Option<Config> {
    let at = own_file(config).filter(|_| !config.luks.is_empty())?;
    let lines: String = config.luks.iter().map(|luks| line(luks, facts)).collect();
    let encoded: String = lines.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let mut config = config.clone();
    config.files[at].append.push(Resource {
        at: config.luks.first().and_then(|luks| luks.at),
        url: format!("data:,{encoded}").into(),
        scheme: Scheme::Data,
        compression: Compression::None,
        headers: Vec::new(),
        digest: None,
    });
    Some(config)
}

fn own_file(config: &Config) -> Option<usize> {
    let mut files = config.files.iter();
    files.position(|file| file.inode.path.as_str() == PATH)
}

fn want(path: &str, kind: Kind, at: Option<Span>, why: &'static str) -> Option<Want> {
    // Names of volumes hold no slash, so that these paths are in order.
    Some(Want {
        path: SysPath::parse(path).ok()?,
        kind,
        user: Some(OwnerRef::Id(0)),
        group: Some(OwnerRef::Id(0)),
        overwrite: true,
        keep_attributes: false,
        at,
        why: why.into(),
    })
}

/// The present table with the lines of the config's volumes: an older line of the same volume makes way.
fn merged(present: &str, config: &Config, facts: &Facts) -> String {
    let ours = |line: &str| {
        let name = line.split_whitespace().next();
        config.luks.iter().any(|luks| name == Some(&luks.name))
    };
    let mut text: String = present
        .lines()
        .filter(|line| !ours(line))
        .map(|line| format!("{line}\n"))
        .collect();
    text.extend(config.luks.iter().map(|luks| line(luks, facts)));
    text
}

fn line(luks: &Luks, facts: &Facts) -> String {
    let node = facts.disks.resolve(luks.device.as_str());
    let uuid = node
        .and_then(|node| match &facts.disks.blocks.get(&node)?.signature {
            Signature::Found(found) => found.uuid.clone(),
            _ => None,
        })
        .unwrap_or_else(|| NO_UUID.into());
    let key = match has_key_file(luks) {
        true => format!("{KEYS}/{}", luks.name),
        false => "none".into(),
    };
    let clevis = luks.clevis.as_ref();
    let network = clevis.is_some_and(|clevis| {
        !clevis.tang.is_empty() || clevis.custom.as_ref().is_some_and(|pin| pin.needs_network)
    });
    let network = if network { ",_netdev" } else { "" };
    format!(
        "{} UUID={uuid} {key} luks{network},x-initrd.attach\n",
        luks.name
    )
}
