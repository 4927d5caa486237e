//! What has to be written so that a partition holds a [`Volume`] as a FAT32.
//!
//! The order: contents and directories go to free clusters, then the tables, the boot sector last. Until the tables are
//! written the file system of before is whole. A power cut after that leaves one whose boot sector is empty (where it was
//! no FAT32), or one to be checked: a fresh card is then made again.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::directory;
use super::geometry::{FIRST_CLUSTER, Geometry, SECTOR, Width};
use super::volume::{Content, Directory, Link, Volume};
use super::{FatError, Medium};

/// How much is copied at once.
const PIECE: u64 = 1 << 20;
/// The end of a chain in a FAT32's table.
const END: u32 = 0x0fff_ffff;
/// A cluster that cannot be used.
const BAD: u32 = 0x0fff_fff7;

/// What is to be written.
#[derive(Debug, Clone)]
pub struct Layout {
    /// What is copied within the partition: from where, to where.
    copies: Vec<(Range<u64>, u64)>,
    /// What is written at a place that is free now.
    contents: Vec<(u64, Arc<[u8]>)>,
    /// What is written over the old tables.
    head: Vec<(u64, Vec<u8>)>,
    /// The boot sector.
    boot: [u8; 512],
    /// Whether the partition has another kind of file system now.
    converted: bool,
}

impl Volume {
    /// What to write so that the partition holds this.
    ///
    /// Errors: too small for a FAT32, or full. What is replaced counts as still there.
    pub fn layout(&self) -> Result<Layout, FatError> {
        let converted = self.geometry.width != Width::Fat32;
        let target = if converted {
            self.geometry.as_fat32()?
        } else {
            self.geometry.clone()
        };
        let mut placing = Placing::new(self, &target);
        let needed = placing.needed(&self.root, true) * target.cluster;
        let free = target
            .numbers()
            .filter(|cluster| !placing.taken[*cluster as usize])
            .count() as u64
            * target.cluster;
        if needed > free {
            return Err(FatError::Full { needed, free });
        }
        let plan = placing.directory(&self.root, true)?;
        let root = plan.clusters[0];
        placing.write(&self.root, &plan, 0, None);

        let (table, free, next) = placing.table(self.geometry.identity.medium);
        let mut boot = if converted {
            target.boot_sector(root)
        } else {
            self.boot
        };
        boot[44..48].copy_from_slice(&root.to_le_bytes());
        let mut head = Vec::new();
        if converted {
            // What the old table left between the boot sector and the new ones.
            let length = usize::try_from(target.tables_at - SECTOR).map_err(io::Error::other)?;
            head.push((SECTOR, vec![0; length]));
        }
        if let Some(at) = target.information {
            head.push((at, information(free, next)));
        }
        if let Some(at) = target.copy {
            head.push((at, boot.to_vec()));
        }
        for number in 0..target.tables {
            head.push((target.tables_at + number * target.table, table.clone()));
        }
        Ok(Layout {
            copies: placing.copies,
            contents: placing.contents,
            head,
            boot,
            converted,
        })
    }
}

impl Layout {
    /// Writes it.
    pub fn write(&self, to: &impl Medium) -> io::Result<()> {
        for (from, at) in &self.copies {
            let mut done = 0;
            while from.start + done < from.end {
                let length = (from.end - from.start - done).min(PIECE);
                let mut piece = vec![0; usize::try_from(length).map_err(io::Error::other)?];
                to.read_at(from.start + done, &mut piece)?;
                to.write_at(at + done, &piece)?;
                done += length;
            }
        }
        for (at, bytes) in &self.contents {
            to.write_at(*at, bytes)?;
        }
        to.sync()?;
        if self.converted {
            // Neither kind is to be found while there is half of both.
            to.write_at(0, &[0; 512])?;
            to.sync()?;
        }
        for (at, bytes) in &self.head {
            to.write_at(*at, bytes)?;
        }
        to.sync()?;
        to.write_at(0, &self.boot)?;
        to.sync()
    }
}

/// Which clusters what gets.
struct Placing<'a> {
    target: &'a Geometry,
    /// What the new table says; the first two are no clusters.
    links: Vec<u32>,
    /// The clusters that something has now, or will have.
    taken: Vec<bool>,
    /// From where on one is looked for that is free.
    next: u32,
    copies: Vec<(Range<u64>, u64)>,
    contents: Vec<(u64, Arc<[u8]>)>,
}

/// The clusters of a directory, and the first one of each entry, with what a directory of it has.
struct Placed {
    clusters: Vec<u32>,
    entries: Vec<(u32, u32, Option<Placed>)>,
}

impl<'a> Placing<'a> {
    fn new(volume: &Volume, target: &'a Geometry) -> Placing<'a> {
        let mut placing = Placing {
            target,
            links: vec![0; target.numbers().end as usize],
            taken: vec![false; target.numbers().end as usize],
            next: FIRST_CLUSTER,
            copies: Vec::new(),
            contents: Vec::new(),
        };
        for old in volume.geometry.numbers() {
            let link = volume.table.link(old);
            if link == Link::Free {
                continue;
            }
            let place = volume.geometry.place(old);
            let mut at = place.start;
            while at < place.end {
                if let Some(cluster) = placing.cluster_at(at) {
                    placing.taken[cluster as usize] = true;
                    if link == Link::Bad {
                        placing.links[cluster as usize] = BAD;
                    }
                }
                at += target.cluster;
            }
        }
        placing
    }

    /// The cluster that begins at a place; none before the data.
    fn cluster_at(&self, at: u64) -> Option<u32> {
        let number = at.checked_sub(self.target.data)? / self.target.cluster;
        let cluster = u32::try_from(number).ok()?.checked_add(FIRST_CLUSTER)?;
        self.target.numbers().contains(&cluster).then_some(cluster)
    }

    /// How many clusters a directory, and what is new or moves in it, is given.
    fn needed(&self, directory: &Directory, root: bool) -> u64 {
        let mut clusters = self.count(self.size(directory, root));
        for node in &directory.nodes {
            clusters += match &node.content {
                Content::Nothing => 0,
                Content::New(bytes) => self.count(bytes.len() as u64),
                Content::Kept(places, _) => places
                    .iter()
                    .map(|place| {
                        self.count(place.end.min(self.target.data).saturating_sub(place.start))
                    })
                    .sum(),
                Content::Directory(inner) => self.needed(inner, false),
            };
        }
        clusters
    }

    fn count(&self, bytes: u64) -> u64 {
        bytes.div_ceil(self.target.cluster)
    }

    /// Bytes of a directory, one at least.
    fn size(&self, directory: &Directory, root: bool) -> u64 {
        let entries: usize = directory.nodes.iter().map(|node| node.entry.count()).sum();
        let dots = if root { 0 } else { 2 };
        ((entries + dots) * directory::ENTRY).max(1) as u64
    }

    /// Takes clusters for so many bytes.
    fn take(&mut self, bytes: u64) -> Result<Vec<u32>, FatError> {
        let count = self.count(bytes);
        let mut found = Vec::new();
        for _ in 0..count {
            let free = (self.next..self.target.numbers().end)
                .find(|cluster| !self.taken[*cluster as usize]);
            let Some(cluster) = free else {
                let left = count - found.len() as u64;
                return Err(FatError::Full {
                    needed: left * self.target.cluster,
                    free: 0,
                });
            };
            self.taken[cluster as usize] = true;
            self.next = cluster + 1;
            found.push(cluster);
        }
        Ok(found)
    }

    /// Notes that these clusters follow each other.
    fn link(&mut self, clusters: &[u32]) {
        for (at, cluster) in clusters.iter().enumerate() {
            self.links[*cluster as usize] = clusters.get(at + 1).copied().unwrap_or(END);
        }
    }

    /// Gives clusters to a directory and all that is in it.
    fn directory(&mut self, directory: &Directory, root: bool) -> Result<Placed, FatError> {
        let clusters = self.take(self.size(directory, root))?;
        self.link(&clusters);
        let mut entries = Vec::new();
        for node in &directory.nodes {
            entries.push(match &node.content {
                Content::Nothing => (0, 0, None),
                Content::New(bytes) => {
                    let clusters = self.take(bytes.len() as u64)?;
                    self.link(&clusters);
                    self.spread(&clusters, bytes);
                    let size = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                    (clusters.first().copied().unwrap_or(0), size, None)
                }
                Content::Kept(places, size) => {
                    let clusters = self.keep(places, u64::from(*size))?;
                    self.link(&clusters);
                    (clusters.first().copied().unwrap_or(0), *size, None)
                }
                Content::Directory(inner) => {
                    let placed = self.directory(inner, false)?;
                    (placed.clusters[0], 0, Some(placed))
                }
            });
        }
        Ok(Placed { clusters, entries })
    }

    /// The clusters of a file that is there: its own, and others in place of those that the tables will lie on.
    fn keep(&mut self, places: &[Range<u64>], size: u64) -> Result<Vec<u32>, FatError> {
        let mut clusters = Vec::new();
        let mut left = size.div_ceil(self.target.cluster);
        for place in places {
            let mut at = place.start;
            while at < place.end && left > 0 {
                let cluster = match self.cluster_at(at) {
                    Some(cluster) => cluster,
                    None => {
                        let cluster = self.take(1)?[0];
                        let to = self.target.place(cluster).start;
                        let end = at + self.target.cluster;
                        match self.copies.last_mut() {
                            Some((from, begun))
                                if from.end == at && *begun + (at - from.start) == to =>
                            {
                                from.end = end;
                            }
                            _ => self.copies.push((at..end, to)),
                        }
                        cluster
                    }
                };
                clusters.push(cluster);
                at += self.target.cluster;
                left -= 1;
            }
        }
        Ok(clusters)
    }

    /// Notes what is to be written into clusters, adjoining ones at once; the rest of the last is zeros.
    fn spread(&mut self, clusters: &[u32], bytes: &[u8]) {
        let size = usize::try_from(self.target.cluster).unwrap_or(usize::MAX);
        let mut pieces = bytes.chunks(size).zip(clusters).peekable();
        while let Some((piece, first)) = pieces.next() {
            let mut run = piece.to_vec();
            let mut last = *first;
            while let Some((piece, next)) = pieces.peek()
                && **next == last + 1
            {
                run.extend(*piece);
                last = **next;
                pieces.next();
            }
            run.resize(run.len().next_multiple_of(size), 0);
            self.contents
                .push((self.target.place(*first).start, run.into()));
        }
    }

    /// Notes the bytes of a directory and of those in it. `parent` is where the one above begins, 0 for the root.
    fn write(
        &mut self,
        directory: &Directory,
        placed: &Placed,
        parent: u32,
        own: Option<&directory::Entry>,
    ) {
        let mut bytes = Vec::new();
        if let Some(own) = own {
            directory::dots(own, placed.clusters[0], parent, &mut bytes);
        }
        let here = if own.is_some() { placed.clusters[0] } else { 0 };
        for (node, (first, size, inner)) in directory.nodes.iter().zip(&placed.entries) {
            let mut entry = node.entry.clone();
            entry.point(*first, *size);
            entry.write(&mut bytes);
            if let (Content::Directory(directory), Some(inner)) = (&node.content, inner) {
                self.write(directory, inner, here, Some(&node.entry));
            }
        }
        // An empty root has a cluster, too.
        bytes.resize(bytes.len().max(1), 0);
        self.spread(&placed.clusters, &bytes);
    }

    /// A table, how many clusters are free in it, and the first of them.
    fn table(&mut self, medium: u8) -> (Vec<u8>, u32, u32) {
        self.links[0] = 0x0fff_ff00 | u32::from(medium);
        self.links[1] = END;
        let free = self.links.iter().filter(|link| **link == 0).count();
        let next = self.links.iter().position(|link| *link == 0);
        let mut table: Vec<u8> = self
            .links
            .iter()
            .flat_map(|link| link.to_le_bytes())
            .collect();
        table.resize(usize::try_from(self.target.table).unwrap_or(table.len()), 0);
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        (table, number(free), number(next.unwrap_or(usize::MAX)))
    }
}

/// The sector that says how many clusters are free, and where the next one is looked for.
fn information(free: u32, next: u32) -> Vec<u8> {
    let mut sector = vec![0; 512];
    sector[..4].copy_from_slice(b"RRaA");
    sector[484..488].copy_from_slice(b"rrAa");
    sector[488..492].copy_from_slice(&free.to_le_bytes());
    sector[492..496].copy_from_slice(&next.to_le_bytes());
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    sector
}
