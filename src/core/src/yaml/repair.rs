//! What Go's reader takes and the parser does not, mended in place: every byte keeps its position.
//!
//! Go's reader counts a tab as a blank wherever it is no indentation, and asks no indentation of what stands
//! in brackets and braces. There a blank means the same and breaks no rule.

/// The rule that a text breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// A tab between a key's colon and its value.
    TabBehindColon,
    /// A tab at the start of a line.
    TabInFront,
    /// A tab at the start of a line within quotes.
    TabInQuotes,
    /// A line within brackets that is indented less than what they belong to.
    Indentation,
    /// A comment right behind a value.
    Comment,
}

impl Wrong {
    /// The rule in the parser's words; `None` for rules that Go's reader has, too.
    pub(super) fn of(words: &str) -> Option<Self> {
        Some(match words {
            "':' must be followed by a valid YAML whitespace" => Wrong::TabBehindColon,
            "tabs disallowed within this context (block indentation)" => Wrong::TabInFront,
            "tab cannot be used as indentation" => Wrong::TabInQuotes,
            "invalid indentation" | "invalid indentation in flow construct" => Wrong::Indentation,
            "comments must be separated from other tokens by whitespace" => Wrong::Comment,
            _ => return None,
        })
    }
}

/// How much is read again, so that a hostile text is not read for ever.
#[derive(Debug)]
pub(super) struct Budget {
    repairs: usize,
    bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            repairs: 1000,
            bytes: 64 << 20,
        }
    }
}

/// The text with blanks in the place of what breaks the rule at a byte; `None` where it stays broken.
pub(super) fn repair(
    text: &str,
    at: usize,
    wrong: Wrong,
    is_flow: bool,
    budget: &mut Budget,
) -> Option<String> {
    budget.repairs = budget.repairs.checked_sub(1)?;
    budget.bytes = budget.bytes.checked_sub(at)?;
    let mut bytes = text.as_bytes().to_vec();
    let front = bytes.get_mut(..at)?;
    let changed = match wrong {
        Wrong::TabInFront if !is_flow && !is_opened(front) => false,
        Wrong::TabBehindColon | Wrong::TabInFront => {
            let blanks = |byte: &&mut u8| b" \t".contains(byte);
            blank(front.iter_mut().rev().take_while(blanks))
        }
        Wrong::TabInQuotes => {
            let blanks = |byte: &&mut u8| b" \t".contains(byte);
            blank(bytes.get_mut(at..)?.iter_mut().take_while(blanks))
        }
        Wrong::Indentation => join(front),
        Wrong::Comment => {
            let start = front.iter().rposition(|byte| *byte == b'#');
            let here = bytes.get(at) == Some(&b'#');
            let start = if here { at } else { start? };
            let is_line = |byte: &&mut u8| !b"\r\n".contains(byte);
            blank(bytes.get_mut(start..)?.iter_mut().take_while(is_line))
        }
    };
    // Only whole characters were overwritten.
    changed.then(|| String::from_utf8(bytes).ok()).flatten()
}

/// Whether a bracket or brace was opened last: the parser is ahead of what is known to be open.
fn is_opened(front: &[u8]) -> bool {
    let last = front.iter().rfind(|byte| !byte.is_ascii_whitespace());
    last.is_some_and(|byte| b"[{,".contains(byte))
}

fn blank<'b>(bytes: impl Iterator<Item = &'b mut u8>) -> bool {
    let mut changed = false;
    for byte in bytes {
        changed |= *byte != b' ';
        *byte = b' ';
    }
    changed
}

/// Joins the line that the text ends in to the last one before it that holds more than a comment.
fn join(front: &mut [u8]) -> bool {
    let mut changed = false;
    loop {
        let end = front
            .iter()
            .rposition(|byte| !byte.is_ascii_whitespace())
            .map_or(0, |at| at + 1);
        let breaks = front.get_mut(end..).unwrap_or_default();
        changed |= breaks.contains(&b'\n') || breaks.contains(&b'\r');
        blank(breaks.iter_mut());
        let line = front.get(..end).unwrap_or_default();
        let start = line
            .iter()
            .rposition(|byte| b"\r\n".contains(byte))
            .map_or(0, |at| at + 1);
        let line = front.get_mut(start..end).unwrap_or_default();
        let begins = |at: usize, line: &[u8]| {
            line[at] == b'#' && (at == 0 || b" \t".contains(&line[at - 1]))
        };
        let Some(comment) = (0..line.len()).find(|at| begins(*at, line)) else {
            return changed;
        };
        let comment = line.get_mut(comment..).unwrap_or_default();
        // Perhaps it is within quotes and no comment.
        if comment.iter().any(|byte| b"\"'".contains(byte)) {
            return false;
        }
        blank(comment.iter_mut());
    }
}
