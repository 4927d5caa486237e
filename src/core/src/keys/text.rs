//! A file of authorized keys that is partly ours: our lines between two marks, the user's around them.
//!
//! Lines are bytes: nobody says in which encoding a person writes comments, and each has to stay as it is.

use super::google::ADDED;

/// The line before ours.
pub const BEGIN: &str = "# BEGIN pilotlight: keys of the platform, which decides on these lines";
/// The line after ours.
pub const END: &str = "# END pilotlight";

/// What a file holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parts<'t> {
    /// Lines of others before ours, with their ends.
    before: Vec<&'t [u8]>,
    /// Lines of others after ours.
    after: Vec<&'t [u8]>,
    /// Our keys, without blanks around them.
    pub(super) ours: Vec<Vec<u8>>,
    /// How many of them stood outside of the marks and become ours.
    pub(super) taken: usize,
    /// Whether there are marks.
    pub(super) has_block: bool,
    /// Whether the file has not the form that it gets when it is written.
    pub(super) is_odd: bool,
}

/// What says yes to some lines.
pub(super) type Choice<'f> = &'f dyn Fn(&[u8]) -> bool;

/// Which lines outside of the marks become ours.
#[derive(Clone, Copy)]
pub(super) struct Takes<'f> {
    /// Each that follows the line of Google's guest agent.
    pub(super) google: bool,
    /// These, which the first boot has written without marks.
    pub(super) first_boot: Option<Choice<'f>>,
    /// These, where the first of the marks has lost the second.
    pub(super) unclosed: Choice<'f>,
}

impl<'t> Parts<'t> {
    pub(super) fn of(text: &'t [u8], takes: Takes<'_>) -> Self {
        let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
        let mut parts = Self::default();
        let mut unclosed = false;
        let mut rest = lines.as_slice();
        while let Some((line, after)) = rest.split_first() {
            rest = after;
            let bare = line.trim_ascii();
            let is_mark =
                |line: &&[u8]| [BEGIN, END].map(str::as_bytes).contains(&line.trim_ascii());
            if bare == BEGIN.as_bytes() {
                let mark = after.iter().enumerate().find(|(_, line)| is_mark(line));
                match mark.filter(|(_, mark)| mark.trim_ascii() == END.as_bytes()) {
                    Some((end, _)) => {
                        let (inner, after) = after.split_at(end);
                        parts.is_odd |= parts.has_block;
                        parts.ours.extend(inner.iter().filter_map(key));
                        rest = after.get(1..).unwrap_or_default();
                    }
                    None => {
                        parts.is_odd = true;
                        unclosed = true;
                    }
                }
                parts.has_block = true;
                continue;
            }
            if takes.google && bare == ADDED {
                parts.is_odd = true;
                if let Some(taken) = rest.first().and_then(key) {
                    parts.take(taken);
                    rest = rest.get(1..).unwrap_or_default();
                }
                continue;
            }
            let first_boot = takes.first_boot.is_some_and(|is| is(bare));
            if first_boot || unclosed && (takes.unclosed)(bare) {
                parts.take(bare.to_vec());
                continue;
            }
            match parts.has_block {
                true => parts.after.push(line),
                false => parts.before.push(line),
            }
        }
        parts
    }

    fn take(&mut self, line: Vec<u8>) {
        self.is_odd = true;
        self.taken += 1;
        self.ours.push(line);
    }

    /// Whether a line stands outside of ours.
    pub(super) fn others_have(&self, line: &[u8]) -> bool {
        let mut others = self.before.iter().chain(&self.after);
        others.any(|other| other.trim_ascii() == line)
    }

    /// The file with these keys as ours; without any there are no marks either.
    pub(super) fn with(&self, ours: &[Vec<u8>]) -> Vec<u8> {
        let mut text = self.before.concat();
        if !ours.is_empty() {
            // A last line without an end would swallow the mark.
            if text.last().is_some_and(|byte| *byte != b'\n') {
                text.push(b'\n');
            }
            text.extend_from_slice(BEGIN.as_bytes());
            text.push(b'\n');
            text.extend(fragment(ours));
            text.extend_from_slice(END.as_bytes());
            text.push(b'\n');
        }
        text.extend(self.after.concat());
        text
    }
}

/// The keys of a text that is all ours.
pub(super) fn keys(text: &[u8]) -> Vec<Vec<u8>> {
    text.split(|byte| *byte == b'\n').filter_map(key).collect()
}

/// A text of nothing but keys.
pub(super) fn fragment(keys: &[Vec<u8>]) -> Vec<u8> {
    keys.iter()
        .flat_map(|key| key.iter().copied().chain([b'\n']))
        .collect()
}

/// A line without the blanks around it; `None` if it says nothing.
fn key(line: impl AsRef<[u8]>) -> Option<Vec<u8>> {
    let line = line.as_ref().trim_ascii();
    let says = line.first().is_some_and(|first| *first != b'#');
    says.then(|| line.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts<'t>(text: &'t str, google: bool, first_boot: bool) -> Parts<'t> {
        let wanted = |line: &[u8]| line == b"W";
        Parts::of(
            text.as_bytes(),
            Takes {
                google,
                first_boot: first_boot.then_some(&wanted),
                unclosed: &wanted,
            },
        )
    }

    #[test]
    fn what_is_ours_and_what_is_not() {
        let (b, e) = (BEGIN, END);
        for (text, google, first_boot, ours, others) in [
            ("", false, false, "", ""),
            ("x\n\n# c\ny", false, false, "", "x\n\n# c\ny"),
            (
                &format!("x\n{b}\nA\n\n# c\n B \r\n{e}\ny\n"),
                false,
                false,
                "A B",
                "x\ny\n",
            ),
            (&format!("{b}\n{e}\n"), false, false, "", ""),
            (&format!("{b}\nA\n{e}"), false, false, "A", ""),
            (
                &format!("{b}\nA\n{e}\nx\n{b}\nB\n{e}\ny"),
                false,
                false,
                "A B",
                "x\ny",
            ),
            // An end alone is somebody's comment.
            (
                &format!("x\n{e}\ny\n"),
                false,
                false,
                "",
                &format!("x\n{e}\ny\n"),
            ),
            // Without an end, only what is known to be ours.
            (&format!("{b}\nW\nx\n"), false, false, "W", "x\n"),
            (&format!("{b}\nx\n{b}\nA\n{e}\n"), false, false, "A", "x\n"),
            ("W\nx\n", false, false, "", "W\nx\n"),
            ("W\nx\n W\n", false, true, "W W", "x\n"),
            (
                "# Added by Google\nA\nx\n",
                false,
                false,
                "",
                "# Added by Google\nA\nx\n",
            ),
            ("# Added by Google\nA\nx\n", true, false, "A", "x\n"),
            ("# Added by Google\r\nA\r\nx\r\n", true, false, "A", "x\r\n"),
            (
                "x\n# Added by Google\n# Added by Google\nA",
                true,
                false,
                "A",
                "x\n",
            ),
            (
                "# Added by Google\n\nx\n# Added by Google\n# c\n",
                true,
                false,
                "",
                "\nx\n# c\n",
            ),
            ("x\n# Added by Google", true, false, "", "x\n"),
        ] {
            let parts = parts(text, google, first_boot);
            let found = parts.ours.iter().map(|line| String::from_utf8_lossy(line));
            assert_eq!(found.collect::<Vec<_>>().join(" "), ours, "{text:?}");
            assert_eq!(
                String::from_utf8_lossy(&parts.with(&[])),
                others,
                "{text:?}"
            );
        }
    }

    #[test]
    fn ours_stand_where_they_stood_or_at_the_end() {
        let (b, e) = (BEGIN, END);
        let new = [b"N".to_vec(), b"M".to_vec()];
        for (text, expected) in [
            ("", format!("{b}\nN\nM\n{e}\n")),
            ("x", format!("x\n{b}\nN\nM\n{e}\n")),
            ("x\n", format!("x\n{b}\nN\nM\n{e}\n")),
            (
                &format!("x\n{b}\nA\n{e}\ny"),
                format!("x\n{b}\nN\nM\n{e}\ny"),
            ),
        ] {
            let text = parts(text, false, false).with(&new);
            assert_eq!(String::from_utf8_lossy(&text), expected);
            let again = parts(&expected, false, false);
            assert_eq!((again.ours.as_slice(), again.is_odd), (&new[..], false));
        }
    }
}
