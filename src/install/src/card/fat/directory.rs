//! Directory entries: 32 bytes each, of which some before a file's own hold its long name.

use std::time::SystemTime;

/// Bytes of an entry.
pub const ENTRY: usize = 32;
/// The attribute that marks a directory.
const DIRECTORY: u8 = 0x10;
/// The attribute that marks the volume's label.
const LABEL: u8 = 0x08;
/// The attributes that mark a part of a long name.
const LONG: u8 = 0x0f;
/// UTF-16 units of a name in one entry.
const UNITS: usize = 13;
/// Where they stand in it.
const UNITS_AT: [usize; UNITS] = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];

/// A day and time of a file as FAT has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Years since 1980, month, day: 7, 4 and 5 bits.
    pub date: u16,
    /// Hours, minutes, pairs of seconds: 5, 6 and 5 bits.
    pub time: u16,
}

impl Default for Stamp {
    /// FAT's first day, 1980-01-01.
    fn default() -> Stamp {
        Stamp {
            date: 1 << 5 | 1,
            time: 0,
        }
    }
}

impl From<SystemTime> for Stamp {
    /// In UTC; what FAT cannot say is its first day.
    fn from(at: SystemTime) -> Stamp {
        let Ok(since) = at.duration_since(SystemTime::UNIX_EPOCH) else {
            return Stamp::default();
        };
        let (mut days, seconds) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
        // 1980-01-01 is day 3652.
        if !(3_652..50_403).contains(&days) {
            return Stamp::default();
        }
        days -= 3_652;
        let (mut year, mut month) = (0u16, 0u16);
        let leap = |year: u16| year.is_multiple_of(4) && year != 120;
        while days >= 365 + u64::from(leap(year)) {
            days -= 365 + u64::from(leap(year));
            year += 1;
        }
        let february = 28 + u64::from(leap(year));
        for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
            month += 1;
            if days < length {
                break;
            }
            days -= length;
        }
        let small = |number: u64| u16::try_from(number).unwrap_or(0);
        Stamp {
            date: year << 9 | month << 5 | small(days + 1),
            time: small(seconds / 3600) << 11
                | small(seconds / 60 % 60) << 5
                | small(seconds % 60 / 2),
        }
    }
}

/// One entry's own 32 bytes and the long name before it, as they stand on the disk. Nothing of them is made anew
/// when a file system is: short names, attributes, dates and the case of names stay what they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    long: Vec<[u8; ENTRY]>,
    own: [u8; ENTRY],
}

/// What an entry stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file of so many bytes.
    File(u32),
    /// A directory.
    Directory,
    /// The volume's label, or what else has its attribute.
    Label,
}

impl Entry {
    /// A new file or directory; `short` is free in its directory, and `name` is one that FAT can have.
    pub fn new(name: &str, short: [u8; 11], directory: bool, stamp: Stamp) -> Entry {
        let mut own = [0; ENTRY];
        own[..11].copy_from_slice(&short);
        own[11] = if directory { DIRECTORY } else { 0x20 };
        own[14..16].copy_from_slice(&stamp.time.to_le_bytes());
        own[16..18].copy_from_slice(&stamp.date.to_le_bytes());
        own[18..20].copy_from_slice(&stamp.date.to_le_bytes());
        let mut entry = Entry {
            long: long_name(name, &short),
            own,
        };
        entry.touch(stamp);
        entry
    }

    /// When it was last changed.
    pub fn touch(&mut self, stamp: Stamp) {
        self.own[22..24].copy_from_slice(&stamp.time.to_le_bytes());
        self.own[24..26].copy_from_slice(&stamp.date.to_le_bytes());
    }

    /// What it stands for.
    pub fn kind(&self) -> Kind {
        if self.own[11] & LABEL != 0 {
            Kind::Label
        } else if self.own[11] & DIRECTORY != 0 {
            Kind::Directory
        } else {
            let size = [self.own[28], self.own[29], self.own[30], self.own[31]];
            Kind::File(u32::from_le_bytes(size))
        }
    }

    /// Where its contents begin; 0 where there are none.
    pub fn cluster(&self, wide: bool) -> u32 {
        let low = u32::from(u16::from_le_bytes([self.own[26], self.own[27]]));
        let high = u32::from(u16::from_le_bytes([self.own[20], self.own[21]]));
        if wide { high << 16 | low } else { low }
    }

    /// Says where its contents are and how long they are (0 of a directory).
    pub fn point(&mut self, cluster: u32, size: u32) {
        let [a, b, c, d] = cluster.to_le_bytes();
        self.own[26..28].copy_from_slice(&[a, b]);
        self.own[20..22].copy_from_slice(&[c, d]);
        self.own[28..].copy_from_slice(&size.to_le_bytes());
    }

    /// The eleven bytes of its short name.
    pub fn short(&self) -> &[u8] {
        &self.own[..11]
    }

    /// Its name: the long one, or the short one with the case that is noted beside it. Letters beyond ASCII of a
    /// short name are shown as `?`: which ones they are nobody noted.
    pub fn name(&self) -> String {
        if self.long.is_empty() {
            return short_as_text(&self.own);
        }
        let mut units = Vec::new();
        for part in self.long.iter().rev() {
            units.extend(UNITS_AT.map(|at| u16::from_le_bytes([part[at], part[at + 1]])));
        }
        let end = units
            .iter()
            .position(|unit| *unit == 0)
            .unwrap_or(units.len());
        String::from_utf16_lossy(&units[..end])
    }

    /// Whether FAT takes it for a file of that name.
    pub fn is_called(&self, name: &str) -> bool {
        self.kind() != Kind::Label
            && (self.name().eq_ignore_ascii_case(name)
                || short_as_text(&self.own).eq_ignore_ascii_case(name))
    }

    /// How many entries of 32 bytes it takes.
    pub fn count(&self) -> usize {
        self.long.len() + 1
    }

    /// Appends it as it stands on the disk.
    pub fn write(&self, into: &mut Vec<u8>) {
        for part in &self.long {
            into.extend(part);
        }
        into.extend(self.own);
    }
}

/// The entries of a directory, in their order, without `.` and `..`, deleted ones, and long names that belong to none.
pub fn entries(bytes: &[u8]) -> Vec<Entry> {
    let mut found = Vec::new();
    let mut long: Vec<[u8; ENTRY]> = Vec::new();
    for own in bytes.as_chunks::<ENTRY>().0 {
        match own[0] {
            0 => break,
            0xe5 => long.clear(),
            _ if own[11] & 0x3f == LONG => {
                if own[0] & 0x40 != 0 {
                    long.clear();
                }
                // No long name has more than 20 parts: 255 units.
                if long.len() < 20 {
                    long.push(*own);
                }
            }
            _ if own[..11] == *b".          " || own[..11] == *b"..         " => long.clear(),
            _ => {
                let long = std::mem::take(&mut long);
                found.push(Entry {
                    long: if belongs(&long, own) {
                        long
                    } else {
                        Vec::new()
                    },
                    own: *own,
                });
            }
        }
    }
    found
}

/// The entries `.` and `..` of a directory: `own` and `parent` are where they begin, 0 for the root directory.
pub fn dots(of: &Entry, own: u32, parent: u32, into: &mut Vec<u8>) {
    for (name, cluster) in [(b".          ", own), (b"..         ", parent)] {
        let mut entry = Entry {
            long: Vec::new(),
            own: of.own,
        };
        entry.own[..11].copy_from_slice(name);
        entry.own[11] = DIRECTORY;
        entry.own[12] = 0;
        entry.point(cluster, 0);
        entry.write(into);
    }
}

/// Whether these parts are the whole long name of an entry: numbered down to one, and with the short name's sum.
fn belongs(long: &[[u8; ENTRY]], own: &[u8; ENTRY]) -> bool {
    let sum = checksum(&own[..11]);
    long.iter()
        .rev()
        .zip(1..)
        .all(|(part, number)| part[0] & 0x3f == number && part[13] == sum)
        && long.first().is_some_and(|first| first[0] & 0x40 != 0)
}

/// The sum of a short name by which the parts of a long one know theirs.
fn checksum(short: &[u8]) -> u8 {
    short
        .iter()
        .fold(0, |sum: u8, byte| sum.rotate_right(1).wrapping_add(*byte))
}

/// The entries of a long name, the last part first; none where the short name says all of it.
fn long_name(name: &str, short: &[u8; 11]) -> Vec<[u8; ENTRY]> {
    let mut own = [0; ENTRY];
    own[..11].copy_from_slice(short);
    if short_as_text(&own) == name {
        return Vec::new();
    }
    let units: Vec<u16> = name.encode_utf16().collect();
    let parts = units.chunks(UNITS).zip(1u8..);
    let mut long: Vec<_> = parts
        .map(|(part, number)| {
            let mut entry = [0xff; ENTRY];
            entry[0] = number;
            entry[11] = LONG;
            entry[12] = 0;
            entry[13] = checksum(short);
            entry[26..28].fill(0);
            // One zero after the end, then ones.
            let ended = part.iter().copied().chain([0]);
            for (at, unit) in UNITS_AT.iter().zip(ended) {
                entry[*at..at + 2].copy_from_slice(&unit.to_le_bytes());
            }
            entry
        })
        .collect();
    if let Some(last) = long.last_mut() {
        last[0] |= 0x40;
    }
    long.reverse();
    long
}

/// A short name as it is shown, in the case that its entry notes.
fn short_as_text(own: &[u8; ENTRY]) -> String {
    let part = |bytes: &[u8], lower: bool| -> String {
        let text: String = bytes
            .iter()
            .map(|byte| match byte {
                0x21..0x7f if lower => byte.to_ascii_lowercase().into(),
                0x20..0x7f => (*byte).into(),
                _ => '?',
            })
            .collect();
        text.trim_end_matches(' ').to_owned()
    };
    let base = part(&own[..8], own[12] & 0x08 != 0);
    let extension = part(&own[8..11], own[12] & 0x10 != 0);
    if extension.is_empty() {
        base
    } else {
        format!("{base}.{extension}")
    }
}

/// A short name for a file that has none of `taken`: the name itself where it is one, else `PART~1.EXT` and so on.
///
/// None where all of them are taken.
pub fn short_name(name: &str, taken: &[Entry]) -> Option<[u8; 11]> {
    let (base, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let allowed = |text: &str| -> Vec<u8> {
        text.bytes()
            .filter(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'()-@^_`{}~".contains(byte))
            .map(|byte| byte.to_ascii_uppercase())
            .collect()
    };
    let (short_base, short_extension) = (allowed(base), allowed(extension));
    let pack = |base: &[u8]| {
        let mut short = [b' '; 11];
        for (at, byte) in short[..8].iter_mut().zip(base) {
            *at = *byte;
        }
        for (at, byte) in short[8..].iter_mut().zip(&short_extension) {
            *at = *byte;
        }
        short
    };
    let free = |short: &[u8; 11]| !taken.iter().any(|entry| entry.short() == short);
    let whole = (1..=8).contains(&base.len())
        && extension.len() <= 3
        && short_base.len() == base.len()
        && short_extension.len() == extension.len();
    if whole && free(&pack(&short_base)) {
        return Some(pack(&short_base));
    }
    (1..100_000).find_map(|number| {
        let tail = format!("~{number}");
        let mut base = short_base.clone();
        base.truncate(8 - tail.len());
        base.extend(tail.bytes());
        let short = pack(&base);
        free(&short).then_some(short)
    })
}
