//! The log of dm-log-writes, and the disks that a power cut could have left
//! (Documentation/admin-guide/device-mapper/log-writes.rst).
//!
//! The target logs a write when it is completed, and puts what was completed before a flush in front of the
//! flush. So up to each flush the log is what the disk certainly holds; of the writes between two flushes any may
//! be missing, and of a long write any part.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

/// The first eight bytes of a log.
const MAGIC: u64 = 0x006a_7366_7773_6872;
const FLUSH: u64 = 1;
const FUA: u64 = 2;
const DISCARD: u64 = 4;
const MARK: u64 = 8;
/// Bytes of an entry that mean something; it fills a sector.
const ENTRY: usize = 32;
/// What a disk writes whole, for a cut: the pages of a file system, rather than sectors.
const ATOM: u64 = 4096;

/// One step of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Bytes were written.
    Write {
        /// First byte on the disk.
        at: u64,
        /// How many.
        len: u64,
        /// Where the log has them.
        data: u64,
        /// Whether the write was answered only when it was on stable storage.
        durable: bool,
    },
    /// Bytes were given up; here they read as zeros from then on.
    Discard {
        /// First byte on the disk.
        at: u64,
        /// How many.
        len: u64,
    },
    /// Everything before is on stable storage.
    Flush,
    /// `dmsetup message DEVICE 0 mark TEXT`.
    Mark(String),
}

/// What stands in a log; the data stay in the file.
#[derive(Debug)]
pub struct Log {
    file: File,
    /// The steps in their order.
    pub entries: Vec<Entry>,
}

/// A part of a write or of a discard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    at: u64,
    len: u64,
    data: Option<u64>,
}

impl Piece {
    /// Where on the disk it is, in bytes.
    pub fn place(&self) -> Range<u64> {
        self.at..self.at + self.len
    }
}

/// A disk that a power cut could have left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// By which it is found again.
    pub name: String,
    /// So many entries are on the disk, all of them.
    pub prefix: usize,
    /// What of the entries after them is there, too, before the next flush.
    pub pieces: Vec<Piece>,
}

impl Log {
    /// Reads a log.
    pub fn read(file: File) -> io::Result<Self> {
        let mut head = [0; 28];
        file.read_exact_at(&mut head, 0)?;
        let [magic, version, count] = [0, 8, 16].map(|at| number(&head, at));
        let sector = u64::from(u32::from_le_bytes([head[24], head[25], head[26], head[27]]));
        if magic != MAGIC || version != 1 || !matches!(sector, 512..=4096) {
            let what = format!("no log of dm-log-writes: {magic:#x}, version {version}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        let mut entries = Vec::new();
        let mut next = sector;
        for _ in 0..count {
            let mut raw = [0; ENTRY];
            file.read_exact_at(&mut raw, next)?;
            let [first, sectors, flags, length] = [0, 8, 16, 24].map(|at| number(&raw, at));
            let inline = next + ENTRY as u64;
            next += sector;
            if flags & MARK != 0 {
                let mut text = vec![0; usize::try_from(length.min(sector)).unwrap_or_default()];
                file.read_exact_at(&mut text, inline)?;
                entries.push(Entry::Mark(String::from_utf8_lossy(&text).into_owned()));
            }
            // A flush goes before the data that come with it.
            if flags & FLUSH != 0 {
                entries.push(Entry::Flush);
            }
            let (at, len) = (first * sector, sectors * sector);
            if flags & DISCARD != 0 {
                entries.push(Entry::Discard { at, len });
            } else if len > 0 {
                entries.push(Entry::Write {
                    at,
                    len,
                    data: next,
                    durable: flags & FUA != 0,
                });
                next += len;
            }
        }
        Ok(Self { file, entries })
    }

    /// The entries between two flushes, where something is written there. The last ones may have no flush.
    pub fn epochs(&self) -> Vec<Range<usize>> {
        let mut epochs = Vec::new();
        let (mut begin, mut writes) = (0, false);
        for (n, entry) in self.entries.iter().enumerate() {
            let ends = match entry {
                Entry::Write { durable, .. } => {
                    writes = true;
                    *durable
                }
                Entry::Discard { .. } => {
                    writes = true;
                    false
                }
                Entry::Flush => true,
                Entry::Mark(_) => false,
            };
            if ends {
                if writes {
                    epochs.push(begin..n + 1);
                }
                (begin, writes) = (n + 1, false);
            }
        }
        if writes {
            epochs.push(begin..self.entries.len());
        }
        epochs
    }

    /// How many flushes there are.
    pub fn flushes(&self) -> usize {
        (self.entries.iter())
            .filter(|entry| matches!(entry, Entry::Flush | Entry::Write { durable: true, .. }))
            .count()
    }

    /// The disk before the first write and after each flush, in their order.
    pub fn at_flushes(&self) -> Vec<Cut> {
        let ends = self.epochs().into_iter().map(|epoch| epoch.end);
        (std::iter::once(0).chain(ends).enumerate())
            .map(|(n, prefix)| Cut {
                name: format!("flush-{n}"),
                prefix,
                pieces: Vec::new(),
            })
            .collect()
    }

    /// The disk with some of what was written after the flush before this epoch (numbered from 1), by chance;
    /// never with all of it. `None` where a single piece was written.
    pub fn torn(&self, epoch: usize, seed: u64) -> Option<Cut> {
        let range = self.epochs().get(epoch.checked_sub(1)?)?.clone();
        let all: Vec<Piece> = range.clone().flat_map(|n| self.pieces(n)).collect();
        if all.len() < 2 {
            return None;
        }
        let mut chance = Chance(seed ^ (epoch as u64) << 32);
        let one = chance.below(all.len());
        // A single one is there or missing, or so many eighths are there.
        let eighths = chance.below(9);
        let mut pieces: Vec<Piece> = (all.iter().enumerate())
            .filter(|(n, _)| match eighths {
                0 => *n == one,
                8 => *n != one,
                _ => chance.below(8) < eighths,
            })
            .map(|(_, piece)| piece.clone())
            .collect();
        if pieces.len() == all.len() {
            pieces.remove(one);
        }
        Some(Cut {
            name: format!("torn-{epoch}-{seed}"),
            prefix: range.start,
            pieces,
        })
    }

    /// An entry in the parts in which it reaches the disk.
    fn pieces(&self, entry: usize) -> Vec<Piece> {
        let (at, len, data) = match self.entries.get(entry) {
            Some(Entry::Write { at, len, data, .. }) => (*at, *len, Some(*data)),
            Some(Entry::Discard { at, len }) => (*at, *len, None),
            _ => return Vec::new(),
        };
        let mut pieces = Vec::new();
        let mut done = 0;
        while done < len {
            // Where a page ends on the disk, the piece does.
            let part = (ATOM - (at + done) % ATOM).min(len - done);
            pieces.push(Piece {
                at: at + done,
                len: part,
                data: data.map(|data| data + done),
            });
            done += part;
        }
        pieces
    }

    /// So many cuts between flushes; from some epochs more than one where there are fewer of them.
    pub fn torn_cuts(&self, count: usize, chance: &mut Chance) -> Vec<Cut> {
        let epochs: Vec<usize> = (1..=self.epochs().len())
            .filter(|epoch| self.torn(*epoch, 0).is_some())
            .collect();
        let mut chosen = Vec::new();
        let mut left = count;
        while left > 0 && !epochs.is_empty() {
            for n in chance.spread(epochs.len(), left) {
                let seed = u64::try_from(chance.below(10_000)).unwrap();
                chosen.extend(self.torn(epochs[n], seed));
                left -= 1;
            }
        }
        chosen
    }

    /// Does the writes of some entries again, on another disk.
    pub fn replay(&self, entries: Range<usize>, disk: &File) -> io::Result<()> {
        for entry in &self.entries[entries] {
            match entry {
                Entry::Write { at, len, data, .. } => self.copy(*at, *len, Some(*data), disk)?,
                Entry::Discard { at, len } => self.copy(*at, *len, None, disk)?,
                Entry::Flush | Entry::Mark(_) => {}
            }
        }
        Ok(())
    }

    /// Does what a cut has besides its prefix.
    pub fn put(&self, pieces: &[Piece], disk: &File) -> io::Result<()> {
        (pieces.iter()).try_for_each(|piece| self.copy(piece.at, piece.len, piece.data, disk))
    }

    fn copy(&self, at: u64, len: u64, data: Option<u64>, disk: &File) -> io::Result<()> {
        const AT_ONCE: u64 = 1 << 20;
        let mut done = 0;
        while done < len {
            let part = (len - done).min(AT_ONCE);
            let mut bytes = vec![0; usize::try_from(part).map_err(io::Error::other)?];
            if let Some(data) = data {
                self.file.read_exact_at(&mut bytes, data + done)?;
            }
            disk.write_all_at(&bytes, at + done)?;
            done += part;
        }
        Ok(())
    }

    /// The last mark before the end of a cut.
    pub fn mark(&self, cut: &Cut) -> &str {
        let last = self.entries[..cut.prefix].iter().rev().find_map(|entry| {
            let Entry::Mark(text) = entry else {
                return None;
            };
            Some(text.as_str())
        });
        last.unwrap_or_default()
    }

    /// Where the writes around a cut begin: those of the last epoch that is whole on the disk, and those of the
    /// epoch that the cut went into.
    pub fn around(&self, cut: &Cut) -> (Vec<u64>, Vec<u64>) {
        let starts = |range: Range<usize>| {
            (self.entries[range].iter())
                .filter_map(|entry| match entry {
                    Entry::Write { at, .. } | Entry::Discard { at, .. } => Some(*at),
                    _ => None,
                })
                .collect()
        };
        let epochs = self.epochs();
        let before = epochs.iter().rfind(|epoch| epoch.end <= cut.prefix);
        let after = epochs.iter().find(|epoch| epoch.start >= cut.prefix);
        (
            before.cloned().map(starts).unwrap_or_default(),
            after.cloned().map(starts).unwrap_or_default(),
        )
    }
}

fn number(bytes: &[u8], at: usize) -> u64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(eight)
}

/// Numbers by chance, the same ones for the same seed (SplitMix64).
#[derive(Debug)]
pub struct Chance(pub u64);

impl Chance {
    /// By the seed of this run.
    pub fn of_run() -> Self {
        Self(crate::seed())
    }

    /// So many of the numbers below a limit: one, by chance, of each of as many equal parts.
    pub fn spread(&mut self, limit: usize, count: usize) -> Vec<usize> {
        let count = count.min(limit);
        (0..count)
            .map(|n| {
                let (from, to) = (n * limit / count, (n + 1) * limit / count);
                from + self.below(to - from)
            })
            .collect()
    }

    /// A number below another, which is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        // What is left over of 2^64 is next to nothing.
        usize::try_from(mixed % limit.max(1) as u64).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log as the kernel writes it.
    struct Made(Vec<u8>, u64);

    impl Made {
        fn new() -> Self {
            Self(vec![0; 512], 0)
        }

        fn entry(mut self, sector: u64, sectors: u64, flags: u64, mark: &str) -> Self {
            let mut raw = Vec::new();
            for value in [sector, sectors, flags, mark.len() as u64] {
                raw.extend(value.to_le_bytes());
            }
            raw.extend(mark.as_bytes());
            raw.resize(512, 0);
            self.0.extend(raw);
            self.1 += 1;
            self
        }

        fn write(self, sector: u64, sectors: u32, flags: u64, byte: u8) -> Self {
            let mut made = self.entry(sector, sectors.into(), flags, "");
            let len = made.0.len() + usize::try_from(sectors).unwrap() * 512;
            made.0.resize(len, byte);
            made
        }

        fn log(mut self) -> io::Result<Log> {
            let mut head = Vec::new();
            for value in [MAGIC, 1, self.1] {
                head.extend(value.to_le_bytes());
            }
            head.extend(512u32.to_le_bytes());
            self.0[..head.len()].copy_from_slice(&head);
            let file = tempfile::tempfile()?;
            file.write_all_at(&self.0, 0)?;
            Log::read(file)
        }
    }

    fn small() -> Log {
        Made::new()
            .entry(0, 0, MARK, "disks")
            .write(8, 1, 0, 1)
            .write(0, 20, 0, 2)
            .entry(0, 0, FLUSH, "")
            .entry(0, 0, FLUSH, "")
            .entry(0, 0, MARK, "files")
            .entry(16, 2, DISCARD, "")
            .write(1, 1, FLUSH | FUA, 3)
            .write(9, 1, 0, 4)
            .log()
            .unwrap()
    }

    #[test]
    fn a_log_is_read_as_it_was_written() {
        let write = |at: u64, len: u64, data: u64, durable| Entry::Write {
            at: at * 512,
            len: len * 512,
            data: data * 512,
            durable,
        };
        let expected = [
            Entry::Mark("disks".into()),
            write(8, 1, 3, false),
            write(0, 20, 5, false),
            Entry::Flush,
            Entry::Flush,
            Entry::Mark("files".into()),
            Entry::Discard {
                at: 8192,
                len: 1024,
            },
            Entry::Flush,
            write(1, 1, 30, true),
            write(9, 1, 32, false),
        ];
        let log = small();
        assert_eq!(log.entries, expected);
        assert_eq!(log.flushes(), 4);
        assert_eq!(log.epochs(), [0..4, 5..8, 8..9, 9..10]);
        let other = tempfile::tempfile().unwrap();
        other.set_len(4096).unwrap();
        assert!(Log::read(other).is_err());
    }

    #[test]
    fn prefixes_are_what_the_disk_held_at_each_flush() {
        let log = small();
        let cuts = log.at_flushes();
        let prefixes: Vec<usize> = cuts.iter().map(|cut| cut.prefix).collect();
        assert_eq!(prefixes, [0, 4, 8, 9, 10]);
        assert_eq!(log.mark(&cuts[0]), "");
        assert_eq!(log.mark(&cuts[1]), "disks");
        assert_eq!(log.mark(&cuts[2]), "files");
        assert_eq!(log.around(&cuts[1]), (vec![4096, 0], vec![8192]));
        let disk = tempfile::tempfile().unwrap();
        disk.set_len(20 * 512).unwrap();
        // One after the other, as a run of the test does it.
        let seen: Vec<String> = (cuts.windows(2))
            .map(|two| {
                log.replay(two[0].prefix..two[1].prefix, &disk).unwrap();
                let mut bytes = vec![0; 20 * 512];
                disk.read_exact_at(&mut bytes, 0).unwrap();
                let sectors = bytes.chunks(512);
                sectors
                    .map(|sector| {
                        assert!(sector.iter().all(|byte| *byte == sector[0]));
                        sector[0].to_string()
                    })
                    .collect()
            })
            .collect();
        assert_eq!(
            seen,
            [
                "22222222222222222222",
                "22222222222222220022",
                "23222222222222220022",
                "23222222242222220022"
            ]
        );
    }

    #[test]
    fn torn_epochs_have_some_of_their_writes_and_never_all() {
        let log = small();
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..1000 {
            let cut = log.torn(1, seed).unwrap();
            assert_eq!(log.torn(1, seed).as_ref(), Some(&cut));
            assert_eq!(cut.prefix, 0);
            // The first write, and the three parts of what is longer.
            assert!(cut.pieces.len() < 4);
            let data: Vec<Option<u64>> = cut.pieces.iter().map(|piece| piece.data).collect();
            seen.insert(data);
        }
        // All the other subsets of four.
        assert_eq!(seen.len(), 15, "{seen:?}");
        assert_eq!(log.torn(2, 0), None, "it has a single piece");
        assert_eq!(log.torn(0, 0), None);
        assert_eq!(log.torn(5, 0), None);
        let disk = tempfile::tempfile().unwrap();
        disk.set_len(20 * 512).unwrap();
        let piece = Piece {
            at: 4096,
            len: 512,
            data: Some(3 * 512),
        };
        log.put(&[piece], &disk).unwrap();
        let mut bytes = [0; 1024];
        disk.read_exact_at(&mut bytes, 4096).unwrap();
        assert!(bytes[..512].iter().all(|byte| *byte == 1));
        assert!(bytes[512..].iter().all(|byte| *byte == 0));
    }
}
