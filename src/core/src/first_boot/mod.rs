//! What a first boot did and what took time in it, for people and for machines. Nothing here is a secret: operations
//! have the words of the dry run, transfers the URL as it is shown.

pub mod timeline;

use serde::{Deserialize, Serialize};

/// The version of the report for machines. It changes where a field goes or means something else; new fields may come
/// without.
pub const VERSION: u32 = 1;
/// Most pieces of work that are kept of a stage.
pub const MOST: usize = 256;

/// What kind of work it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Operations on the machine.
    Operation,
    /// Something that was fetched.
    Transfer,
}

/// A piece of work of a stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Work {
    /// What kind of work.
    pub kind: Kind,
    /// The line of the dry run, or the URL without secrets; of several operations the first one's.
    pub what: String,
    /// How many operations it was.
    pub count: usize,
    /// When it began, in seconds since the kernel started.
    pub begun: f64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// How many bytes came, decompressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// One stage that was run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// Name of the stage.
    pub stage: String,
    /// Operations that were performed.
    pub operations: usize,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// When it began, in seconds since the kernel started.
    #[serde(default)]
    pub begun: f64,
    /// What took time in it, in the order in which it ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub work: Vec<Work>,
    /// Pieces of work that are not kept, because they were short.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: usize,
    /// What went wrong, if something did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// The work of a stage that goes on: at most [`MOST`] pieces, of which the shortest make room.
#[derive(Debug, Default)]
pub struct Kept {
    work: Vec<Work>,
    left_out: usize,
}

impl Kept {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self {
            work: Vec::new(),
            left_out: 0,
        }
    }

    /// Adds a piece that has ended.
    pub fn add(&mut self, work: Work) {
        self.work.push(work);
        if self.work.len() > MOST {
            let shortest = (self.work.iter().enumerate())
                .min_by(|(_, one), (_, other)| one.seconds.total_cmp(&other.seconds))
                .map_or(0, |(place, _)| place);
            self.work.remove(shortest);
            self.left_out += 1;
        }
    }

    /// Counts a piece that is not worth to be kept.
    pub fn pass_over(&mut self) {
        self.left_out += 1;
    }

    /// Gives what was kept to the stage.
    pub fn give(&mut self, stage: &mut Stage) {
        stage.work = std::mem::take(&mut self.work);
        stage.left_out = std::mem::take(&mut self.left_out);
    }
}

/// So many seconds, to the millisecond.
pub fn rounded(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

/// The pieces that took longest, with their stages, longest first.
pub fn slowest(stages: &[Stage], most: usize) -> Vec<(&Stage, &Work)> {
    let pieces = stages
        .iter()
        .flat_map(|stage| stage.work.iter().map(move |work| (stage, work)));
    let mut pieces: Vec<_> = pieces.filter(|(_, work)| work.seconds >= 0.01).collect();
    pieces.sort_by(|(_, one), (_, other)| other.seconds.total_cmp(&one.seconds));
    pieces.truncate(most);
    pieces
}

/// A piece of work in a line.
pub fn line(work: &Work) -> String {
    let more = match work.count {
        0 | 1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    let bytes = work
        .bytes
        .map_or_else(String::new, |bytes| format!(", {bytes} bytes"));
    format!("{}{more}{bytes}", work.what)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn work(what: &str, begun: f64, seconds: f64) -> Work {
        Work {
            kind: Kind::Operation,
            what: what.into(),
            count: 1,
            begun,
            seconds,
            bytes: None,
        }
    }

    #[test]
    fn the_shortest_make_room() {
        let mut kept = Kept::new();
        for number in 0..MOST + 3 {
            let seconds = if number == 7 {
                9.0
            } else {
                number as f64 / 1000.0
            };
            kept.add(work(&number.to_string(), 1000.0 - number as f64, seconds));
        }
        let mut stage = Stage::default();
        kept.give(&mut stage);
        assert_eq!((stage.work.len(), stage.left_out), (MOST, 3));
        let names: Vec<&str> = stage.work.iter().map(|work| work.what.as_str()).collect();
        assert!(names.contains(&"7") && !names.contains(&"0") && !names.contains(&"2"));
        assert_eq!(names[0], "3");
        assert_eq!(slowest(&[stage], 1)[0].1.what, "7");
    }

    #[test]
    fn what_an_older_program_wrote_is_read() {
        let old = r#"{"stage": "disks", "operations": 3, "seconds": 1.5}"#;
        let stage: Stage = serde_json::from_str(old).unwrap();
        assert_eq!(
            (stage.operations, stage.begun, stage.work.len()),
            (3, 0.0, 0)
        );
    }

    #[test]
    fn a_line_names_one_and_counts_the_rest() {
        let mut piece = work("write /a", 0.0, 1.0);
        assert_eq!(line(&piece), "write /a");
        (piece.count, piece.bytes) = (3, Some(12));
        assert_eq!(line(&piece), "write /a and 2 more, 12 bytes");
    }
}
