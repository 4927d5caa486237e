//! Disks before and after a plan, as a person looks at them: what is kept, made and destroyed, and where.
//!
//! A picture is data, made from facts and operations; a table and an SVG drawing show the same one.

pub(crate) mod drawing;
mod scale;
mod segments;
mod svg;
mod table;
mod volumes;

use serde::Serialize;

pub use svg::svg;
pub use table::table;

use crate::facts::disks::{Disks, ENCRYPTED, NEW_ARRAY, RAID_MEMBER};
use crate::op::Op;

/// All devices that were looked at, and the volumes that are made of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Picture {
    /// Disks, by their nodes' names.
    pub disks: Vec<Device>,
    /// RAID arrays and encrypted volumes; each stands behind what it is made of.
    pub volumes: Vec<Device>,
}

/// A disk or a volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Device {
    /// Node.
    pub node: String,
    /// Size in bytes; 0 for a volume whose size its maker decides.
    pub size: u64,
    /// What a volume is made of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made_of: Option<MadeOf>,
    /// As it is now.
    pub before: Side,
    /// As it will be.
    pub after: Side,
}

/// What a volume is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MadeOf {
    /// In words: `RAID array (raid1)`.
    pub kind: String,
    /// Nodes of its members, spares last.
    pub members: Vec<String>,
    /// How many of them are spares.
    pub spares: u32,
}

/// A device at one point in time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Side {
    /// Its partition table in words, with what has to be repaired.
    pub table: String,
    /// What lies on it, in the order of the disk. Empty for a volume that does not exist.
    pub segments: Vec<Segment>,
}

/// A partition, free space, or the whole of a device without partitions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Segment {
    /// Slot; `None` for what is no partition.
    pub number: Option<u32>,
    /// The partition's label.
    pub label: String,
    /// Where it begins, in bytes from the beginning of the device.
    pub start: u64,
    /// How long it is, in bytes.
    pub size: u64,
    /// What it holds.
    pub content: Content,
    /// By whom it is used: "mounted at /var", "part of md/data".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used: Option<String>,
    /// What happens to the partition.
    pub fate: Fate,
    /// What happens to the data in it.
    pub data: Data,
}

/// What a segment holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Content {
    /// No partition covers it.
    Free,
    /// Nothing is recognized.
    Blank,
    /// Not known before it is looked at.
    Unknown,
    /// A file system or another format.
    Format {
        /// Name as blkid has it.
        format: String,
        /// Its own label, which is not the partition's.
        label: String,
    },
    /// A partition table that is no GPT, or is beyond repair.
    Table {
        /// Which, in words.
        kind: String,
    },
}

/// What happens to a partition. Whether its data survives is said by [`Data`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It stays where it is.
    Kept,
    /// It is made.
    New,
    /// Its end moves outwards.
    Grown,
    /// Its end moves inwards.
    Shrunk,
    /// It is gone afterwards.
    Deleted,
}

/// What happens to the data in a partition that was there before. The same is said on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Data {
    /// There is none: nothing is recognized before, and nothing is made.
    None,
    /// It is kept.
    Kept,
    /// What lies behind the new end is lost.
    Cut,
    /// It is destroyed.
    Lost,
    /// It is destroyed, and something new is made in its place.
    Replaced,
    /// Something is made where nothing was recognized.
    Made,
}

/// How a segment is marked; in the order of the legend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Lost,
    New,
    Changed,
    Kept,
    Free,
}

impl Mark {
    const ALL: [Mark; 5] = [Mark::Lost, Mark::New, Mark::Changed, Mark::Kept, Mark::Free];

    /// The mark in text. `!` is what marks operations that destroy data.
    fn sign(self) -> char {
        match self {
            Mark::Lost => '!',
            Mark::New => '+',
            Mark::Changed => '~',
            Mark::Kept | Mark::Free => ' ',
        }
    }

    fn words(self) -> &'static str {
        match self {
            Mark::Lost => "data destroyed",
            Mark::New => "new",
            Mark::Changed => "changed",
            Mark::Kept => "kept",
            Mark::Free => "free",
        }
    }
}

/// Which side of the picture: the same fate looks different on each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Before,
    After,
    /// Both at once, where nothing changes.
    Always,
}

impl When {
    fn words(self) -> &'static str {
        match self {
            When::Before => "before",
            When::After => "after",
            When::Always => "unchanged",
        }
    }
}

impl Picture {
    /// Draws what operations make of devices. `after` is predicted from `before` by the same operations.
    pub fn new<'o>(
        before: &Disks,
        operations: impl Iterator<Item = &'o Op> + Clone,
        after: &Disks,
    ) -> Self {
        let changes = segments::Changes::new(before, operations.clone());
        Self {
            disks: segments::disks(before, &changes, after),
            volumes: volumes::volumes(before, operations, &changes, after),
        }
    }

    /// Whether there is nothing to be seen.
    pub fn is_empty(&self) -> bool {
        self.disks.is_empty() && self.volumes.is_empty()
    }

    fn devices(&self) -> impl Iterator<Item = &Device> {
        self.disks.iter().chain(&self.volumes)
    }
}

impl Device {
    /// The sides that are shown: one where nothing changes.
    fn sides(&self) -> Vec<(When, &Side)> {
        let both = [(When::Before, &self.before), (When::After, &self.after)];
        match self.before.looks() == self.after.looks() {
            true => vec![(When::Always, &self.before)],
            false => (both.into_iter())
                .filter(|(_, side)| !side.segments.is_empty())
                .collect(),
        }
    }

    /// What the device is, and what it is made of.
    fn title(&self) -> String {
        use crate::op::human;
        let Some(made_of) = &self.made_of else {
            return format!("{}, {}", self.node, human(self.size));
        };
        let MadeOf {
            kind,
            members,
            spares,
        } = made_of;
        let mut out = format!("{}, {kind}", self.node);
        if self.size > 0 {
            out.push_str(&format!(", {}", human(self.size)));
        }
        let active = members.len() - members.len().min(usize::try_from(*spares).unwrap_or(0));
        let (active, spare) = members.split_at(active);
        if !active.is_empty() {
            out.push_str(&format!(", made of {}", active.join(", ")));
        }
        if !spare.is_empty() {
            out.push_str(&format!(", with {} to spare", spare.join(", ")));
        }
        out
    }
}

impl Side {
    /// What is seen of it: an array may start under another name, and nothing else changes.
    fn looks(&self) -> Side {
        let mut side = self.clone();
        for segment in &mut side.segments {
            segment.used = None;
        }
        side
    }
}

impl Segment {
    /// Nothing is there that could be kept: no partition, or a blank disk as a whole.
    fn is_free(&self) -> bool {
        let bare = self.number.is_none() && self.content == Content::Blank;
        let untouched = (self.fate, self.data) == (Fate::Kept, Data::None);
        self.content == Content::Free || (bare && untouched)
    }

    fn end(&self) -> u64 {
        self.start.saturating_add(self.size)
    }

    fn mark(&self, when: When) -> Mark {
        if self.is_free() {
            return Mark::Free;
        }
        match (self.fate, self.data) {
            (Fate::Deleted, _) => Mark::Lost,
            (Fate::New, _) => Mark::New,
            (_, Data::Cut | Data::Lost | Data::Replaced) if when == When::Before => Mark::Lost,
            (Fate::Kept, Data::Kept | Data::None) => Mark::Kept,
            _ => Mark::Changed,
        }
    }

    /// What happens to it, in a few words; nothing for free space.
    fn what(&self) -> String {
        let data = match self.data {
            Data::None | Data::Kept | Data::Cut => "",
            Data::Lost => "wiped",
            Data::Replaced => "reformatted",
            Data::Made => "formatted",
        };
        let fate = match self.fate {
            _ if self.is_free() => "",
            Fate::Deleted => return "deleted".into(),
            Fate::New => return "new".into(),
            Fate::Kept if data.is_empty() => "kept",
            Fate::Kept => "",
            Fate::Grown => "grown",
            Fate::Shrunk => "shrunk",
        };
        let comma = match (fate, data) {
            ("", _) | (_, "") => "",
            _ => ", ",
        };
        format!("{fate}{comma}{data}")
    }
}

impl Content {
    /// What it is, in words. A label is shown as Rust writes strings, so that it cannot pass for words.
    fn words(&self) -> String {
        let (format, label) = match self {
            Content::Free => return "free".into(),
            Content::Blank => return "blank".into(),
            Content::Unknown => return "not known yet".into(),
            Content::Table { kind } => return kind.clone(),
            Content::Format { format, label } => (format.as_str(), label.as_str()),
        };
        // An array that is made here belongs to no host.
        let label = match label.split_once(':') {
            Some(("any" | NEW_ARRAY, name)) if format == RAID_MEMBER => name,
            _ => label,
        };
        let format = match format {
            RAID_MEMBER => "RAID member",
            ENCRYPTED => "LUKS",
            other => other,
        };
        match label.is_empty() {
            true => format.into(),
            false => format!("{format} {label:?}"),
        }
    }
}

/// How many columns a character takes in a font of one width. Those from Hangul Jamo on are mostly wide
/// (Unicode Standard Annex 11); taking a narrow one for wide leaves a gap, and nothing is covered.
fn columns(text: &str) -> usize {
    let wide = |c: char| if c < '\u{1100}' || c == '…' { 1 } else { 2 };
    text.chars().map(wide).sum()
}

/// The beginning of a text that fits into so many columns; where there is more, its last character says so.
pub(crate) fn clip(text: &str, most: usize) -> String {
    if columns(text) <= most {
        return text.into();
    }
    let mut out = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += columns(c.encode_utf8(&mut [0; 4]));
        if used > most {
            break;
        }
        out.push(c);
    }
    if most > 0 {
        out.push('…');
    }
    out
}

#[cfg(test)]
#[path = "picture_tests.rs"]
mod tests;
