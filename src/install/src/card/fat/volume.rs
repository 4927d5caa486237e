//! What a file system holds: read once, bounded, and changed in memory.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::directory::{self, ENTRY, Entry, Kind, Stamp};
use super::geometry::{Geometry, Root, SECTOR, Width};
use super::{FatError, Source};

/// Bytes of a table that are read; 16 GiB in clusters of 4 KiB.
const MOST_TABLE: u64 = 16 << 20;
/// Bytes of one directory: FAT itself allows no more.
const MOST_DIRECTORY: u64 = 65_536 * ENTRY as u64;
/// Bytes of all directories.
const MOST_DIRECTORIES: u64 = 16 << 20;
/// Directories within each other.
const DEEPEST: usize = 32;

/// A file system as it is to be. What was there already is known by where it lies.
#[derive(Debug, Clone)]
pub struct Volume {
    pub(super) geometry: Geometry,
    pub(super) boot: [u8; 512],
    pub(super) root: Directory,
    /// The clusters that are neither free nor referred to by nobody's fault: what a table says of each.
    pub(super) table: Table,
}

/// The files and directories of a directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Directory {
    pub(super) nodes: Vec<Node>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) entry: Entry,
    pub(super) content: Content,
}

/// What it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// Nothing: a label.
    Nothing,
    /// A file as it is on the disk: its bytes' places in their order, in whole clusters; and how many bytes it has.
    Kept(Vec<Range<u64>>, u32),
    /// A file as it is to be.
    New(Arc<[u8]>),
    /// A directory.
    Directory(Directory),
}

impl Volume {
    /// Reads the file system that lies in the `size` bytes of a partition.
    ///
    /// Errors: it is no FAT, it is damaged so that something would be lost, or larger than the bounds.
    pub fn read(source: &impl Source, size: u64) -> Result<Volume, FatError> {
        let mut boot = [0; 512];
        if size < SECTOR {
            return Err(FatError::NoFat("the partition is empty".into()));
        }
        source.read_at(0, &mut boot)?;
        let geometry = Geometry::read(&boot, size)?;
        if geometry.table > MOST_TABLE {
            return Err(FatError::TooMuch {
                what: "bytes of a table",
                most: MOST_TABLE,
            });
        }
        let table = Table::read(source, &geometry)?;
        let mut reading = Reading {
            source,
            geometry: &geometry,
            table: &table,
            seen: vec![false; geometry.numbers().end as usize],
            directories: 0,
        };
        let bytes = match &geometry.root {
            Root::Fixed(place) => reading.bytes(std::slice::from_ref(place), "/")?,
            Root::Cluster(first) => {
                let places = reading.chain(*first, "/")?;
                reading.bytes(&places, "/")?
            }
        };
        let root = reading.directory(&bytes, "", 0)?;
        Ok(Volume {
            geometry,
            boot,
            root,
            table,
        })
    }

    /// How wide its table's entries are now.
    pub fn width(&self) -> Width {
        self.geometry.width
    }

    /// Bytes of the whole file system.
    pub fn size(&self) -> u64 {
        u64::from(self.geometry.sectors) * SECTOR
    }

    /// What is in a file; none where there is no such file. `most` is how many bytes are read at most.
    pub fn contents(
        &self,
        source: &impl Source,
        path: &str,
        most: u64,
    ) -> Result<Option<Vec<u8>>, FatError> {
        let Some(node) = self.find(path) else {
            return Ok(None);
        };
        match &node.content {
            Content::New(bytes) => Ok(Some(bytes.to_vec())),
            Content::Kept(_, size) if u64::from(*size) > most => Err(FatError::TooMuch {
                what: "bytes in a file that is to be changed",
                most,
            }),
            Content::Kept(places, size) => {
                let mut bytes = read_places(source, places, u64::from(*size))?;
                bytes.truncate(*size as usize);
                Ok(Some(bytes))
            }
            Content::Directory(_) | Content::Nothing => Ok(None),
        }
    }

    /// The paths of all files, with their sizes, in the order of their directories.
    pub fn files(&self) -> Vec<(String, u64)> {
        fn walk(directory: &Directory, path: &str, found: &mut Vec<(String, u64)>) {
            for node in &directory.nodes {
                let path = format!("{path}{}", node.entry.name());
                match &node.content {
                    Content::Kept(_, size) => found.push((path, u64::from(*size))),
                    Content::New(bytes) => found.push((path, bytes.len() as u64)),
                    Content::Directory(inner) => walk(inner, &format!("{path}/"), found),
                    Content::Nothing => {}
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.root, "", &mut found);
        found
    }

    /// Puts a file at a path, in place of one that is there, and makes its directories.
    ///
    /// The path is of names that FAT can have, in ASCII; `/` stands between them.
    pub fn put(&mut self, path: &str, bytes: Arc<[u8]>, stamp: Stamp) -> Result<(), FatError> {
        let mut directory = &mut self.root;
        let (parents, name) = path.rsplit_once('/').unwrap_or(("", path));
        for parent in parents.split('/').filter(|parent| !parent.is_empty()) {
            let at = directory.position_or_new(parent, true, stamp, path)?;
            let Content::Directory(inner) = &mut directory.nodes[at].content else {
                return Err(FatError::Kind {
                    path: path.into(),
                    is: "file",
                    should: "directory",
                });
            };
            directory = inner;
        }
        let at = directory.position_or_new(name, false, stamp, path)?;
        let node = &mut directory.nodes[at];
        if matches!(node.content, Content::Directory(_)) {
            return Err(FatError::Kind {
                path: path.into(),
                is: "directory",
                should: "file",
            });
        }
        node.entry.touch(stamp);
        node.content = Content::New(bytes);
        Ok(())
    }

    fn find(&self, path: &str) -> Option<&Node> {
        let mut directory = &self.root;
        let mut names = path.split('/').peekable();
        while let Some(name) = names.next() {
            let node = directory
                .nodes
                .iter()
                .find(|node| node.entry.is_called(name))?;
            match (&node.content, names.peek()) {
                (_, None) => return Some(node),
                (Content::Directory(inner), Some(_)) => directory = inner,
                _ => return None,
            }
        }
        None
    }
}

impl Directory {
    /// Where an entry of a name is; it is made if there is none.
    fn position_or_new(
        &mut self,
        name: &str,
        directory: bool,
        stamp: Stamp,
        path: &str,
    ) -> Result<usize, FatError> {
        if let Some(at) = self
            .nodes
            .iter()
            .position(|node| node.entry.is_called(name))
        {
            return Ok(at);
        }
        let taken: Vec<Entry> = self.nodes.iter().map(|node| node.entry.clone()).collect();
        let short = directory::short_name(name, &taken).ok_or_else(|| FatError::Damaged {
            path: path.into(),
            what: "no short name is left for it",
        })?;
        self.nodes.push(Node {
            entry: Entry::new(name, short, directory, stamp),
            content: if directory {
                Content::Directory(Directory::default())
            } else {
                Content::New(Arc::default())
            },
        });
        Ok(self.nodes.len() - 1)
    }
}

/// One pass over the tree.
struct Reading<'a, S> {
    source: &'a S,
    geometry: &'a Geometry,
    table: &'a Table,
    /// The clusters that belong to something already: no two things share one, and no chain comes back to itself.
    seen: Vec<bool>,
    directories: u64,
}

impl<S: Source> Reading<'_, S> {
    fn directory(&mut self, bytes: &[u8], path: &str, depth: usize) -> Result<Directory, FatError> {
        if depth > DEEPEST {
            return Err(FatError::TooMuch {
                what: "directories within each other",
                most: DEEPEST as u64,
            });
        }
        let mut nodes = Vec::new();
        for entry in directory::entries(bytes) {
            let path = format!("{path}/{}", entry.name());
            let damaged = |what| FatError::Damaged {
                path: path.clone(),
                what,
            };
            let first = entry.cluster(self.geometry.width == Width::Fat32);
            let content = match entry.kind() {
                Kind::Label => Content::Nothing,
                Kind::File(0) => Content::New(Arc::default()),
                Kind::File(size) => {
                    let places = self.chain(first, &path)?;
                    let there: u64 = places.iter().map(|place| place.end - place.start).sum();
                    if there < u64::from(size) {
                        return Err(damaged("it is longer than the clusters that it has"));
                    }
                    Content::Kept(places, size)
                }
                Kind::Directory => {
                    let places = self.chain(first, &path)?;
                    let bytes = self.bytes(&places, &path)?;
                    Content::Directory(self.directory(&bytes, &path, depth + 1)?)
                }
            };
            nodes.push(Node { entry, content });
        }
        Ok(Directory { nodes })
    }

    /// Where the clusters of a chain lie, adjoining ones as one place.
    fn chain(&mut self, first: u32, path: &str) -> Result<Vec<Range<u64>>, FatError> {
        let damaged = |what| FatError::Damaged {
            path: path.into(),
            what,
        };
        let mut places: Vec<Range<u64>> = Vec::new();
        let mut cluster = first;
        loop {
            if !self.geometry.numbers().contains(&cluster) {
                return Err(damaged("it has a cluster that does not exist"));
            }
            if std::mem::replace(&mut self.seen[cluster as usize], true) {
                return Err(damaged(
                    "it has a cluster that belongs to something else, or twice to it",
                ));
            }
            let place = self.geometry.place(cluster);
            match places.last_mut() {
                Some(last) if last.end == place.start => last.end = place.end,
                _ => places.push(place),
            }
            match self.table.link(cluster) {
                Link::Next(next) => cluster = next,
                Link::End => return Ok(places),
                Link::Free | Link::Bad => return Err(damaged("its chain of clusters breaks off")),
            }
        }
    }

    /// The bytes of a directory.
    fn bytes(&mut self, places: &[Range<u64>], path: &str) -> Result<Vec<u8>, FatError> {
        let size: u64 = places.iter().map(|place| place.end - place.start).sum();
        self.directories += size;
        if size > MOST_DIRECTORY.max(self.geometry.cluster) {
            return Err(FatError::Damaged {
                path: path.into(),
                what: "a directory has 65,536 entries at most",
            });
        }
        if self.directories > MOST_DIRECTORIES {
            return Err(FatError::TooMuch {
                what: "bytes of directories",
                most: MOST_DIRECTORIES,
            });
        }
        Ok(read_places(self.source, places, size)?)
    }
}

/// Reads places one after the other, until there are `size` bytes or more.
fn read_places(source: &impl Source, places: &[Range<u64>], size: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for place in places {
        let had = bytes.len();
        let rest = size.saturating_sub(had as u64);
        if rest == 0 {
            break;
        }
        let length =
            usize::try_from((place.end - place.start).min(rest)).map_err(io::Error::other)?;
        bytes.resize(had + length, 0);
        source.read_at(place.start, &mut bytes[had..])?;
    }
    Ok(bytes)
}

/// What a table says of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    /// It belongs to nothing.
    Free,
    /// This one comes after it.
    Next(u32),
    /// It is the last.
    End,
    /// It cannot be used.
    Bad,
}

/// A table as it is on the disk.
#[derive(Debug, Clone)]
pub(super) struct Table {
    width: Width,
    bytes: Vec<u8>,
}

impl Table {
    fn read(source: &impl Source, geometry: &Geometry) -> Result<Table, FatError> {
        let length = usize::try_from(geometry.table).map_err(io::Error::other)?;
        let mut bytes = vec![0; length];
        source.read_at(
            geometry.tables_at + geometry.active * geometry.table,
            &mut bytes,
        )?;
        Ok(Table {
            width: geometry.width,
            bytes,
        })
    }

    /// What it says of a cluster of the file system: the geometry was refused if the table had no entry for one.
    pub(super) fn link(&self, cluster: u32) -> Link {
        let at = cluster as usize;
        let short = |at: usize| u32::from(self.bytes[at]) | u32::from(self.bytes[at + 1]) << 8;
        let (value, bad) = match self.width {
            Width::Fat12 => {
                let both = short(at + at / 2);
                (
                    if at.is_multiple_of(2) {
                        both & 0xfff
                    } else {
                        both >> 4
                    },
                    0xff7,
                )
            }
            Width::Fat16 => (short(2 * at), 0xfff7),
            Width::Fat32 => (
                short(4 * at) | (short(4 * at + 2) & 0xfff) << 16,
                0x0fff_fff7,
            ),
        };
        match value {
            0 => Link::Free,
            value if value == bad => Link::Bad,
            value if value > bad => Link::End,
            value => Link::Next(value),
        }
    }
}
