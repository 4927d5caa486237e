//! Telling the platform how the first boot goes.
//!
//! Azure gives up on a machine that says nothing, Equinix Metal shows it as being installed for ever. Nobody else
//! listens: the instance check of EC2 fails where a machine does not answer on its network, whatever it says.

/// Longest text that a platform takes, in characters.
pub const MAX_TEXT: usize = 512;

/// How the first boot goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status<'a> {
    /// A stage is done.
    Stage(&'a str),
    /// All is done.
    Ready,
    /// A stage failed, and with it the first boot.
    Failed {
        /// The stage.
        stage: &'a str,
        /// The reason, which goes to the platform: without secrets.
        why: &'a str,
    },
}

/// Whether anybody was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// The platform was.
    Platform,
    /// The platform does not want to know.
    Nobody,
}

/// A text on one line, as long as platforms take it. Control characters are blanks.
pub(crate) fn bounded_text(text: &str) -> String {
    let mut words = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        if !word.is_empty() {
            if !words.is_empty() {
                words.push(' ');
            }
            words.push_str(word);
        }
    }
    match words.char_indices().nth(MAX_TEXT) {
        Some(_) => words.chars().take(MAX_TEXT - 1).chain(['…']).collect(),
        None => words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_line_of_bounded_length() {
        assert_eq!(bounded_text("a\n  b\u{0}\tc"), "a b c");
        let long = bounded_text(&"\u{e9}".repeat(600));
        assert_eq!(long.chars().count(), MAX_TEXT);
        assert!(long.ends_with('…'));
    }
}
