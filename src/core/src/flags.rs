//! The grammars of command lines by which the programs of Ignition are called: Go's `flag`, and `pflag`.
//!
//! Units of distributions end a command line in `${IGNITION_ARGS}`, which systemd passes as one empty word
//! where the variable is not set. In Go's grammar that word ends the flags.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

/// How flags are told from other words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grammar {
    /// Go's `flag`: one dash or two, and the first word that is no flag is the end of them.
    Go,
    /// `pflag`, which is GNU's without short flags: two dashes, and other words may stand between flags.
    Gnu,
}

/// What a flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing, or a boolean behind "=": `-f`, `-f=false`.
    Switch,
    /// A value: `-f value`, `-f=value`.
    Value,
}

/// A flag that a program knows, by its name without dashes.
pub type Flag = (&'static str, Kind);

/// A flag that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// A switch, on or off.
    Switch(&'static str, bool),
    /// A value; not necessarily UTF-8, as file names are not.
    Value(&'static str, OsString),
}

/// Why a command line is not read on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// Somebody asks for help.
    #[error("help is asked for")]
    Help,
    /// Dashes that begin no flag, such as `---x` and `-=x`.
    #[error("{0:?} is not how a flag is written")]
    Syntax(String),
    /// No flag of this program.
    #[error("unknown flag {0}")]
    Unknown(String),
    /// The command line ends where the value should stand.
    #[error("flag {0} needs a value")]
    NoValue(String),
    /// What the program makes of a value, or of what is missing.
    #[error("{0}")]
    Wrong(String),
}

/// A command line, flag by flag; what is left of it when no flag comes any more is in [`Flags::words`].
#[derive(Debug)]
pub struct Flags<'a, I> {
    grammar: Grammar,
    known: &'a [Flag],
    left: I,
    words: Vec<OsString>,
}

impl<'a, I: Iterator<Item = OsString>> Flags<'a, I> {
    /// Begins with the first word after the program's name.
    pub fn new(grammar: Grammar, known: &'a [Flag], arguments: I) -> Self {
        Self {
            grammar,
            known,
            left: arguments,
            words: Vec::new(),
        }
    }

    /// The words that are no flags, in their order.
    pub fn words(self) -> Vec<OsString> {
        self.words
    }

    /// The flag in a word, without its dashes; none where the word is no flag.
    fn flag<'w>(&self, word: &'w [u8]) -> Option<Result<&'w [u8], Stop>> {
        let dashes = word
            .iter()
            .take(2)
            .take_while(|&&byte| byte == b'-')
            .count();
        let name = &word[dashes..];
        if dashes == 0 || (dashes == 1 && name.is_empty()) {
            return None;
        }
        let shown = || String::from_utf8_lossy(word).into_owned();
        Some(match name.first() {
            None | Some(b'-' | b'=') if dashes == 2 || self.grammar == Grammar::Go => {
                Err(Stop::Syntax(shown()))
            }
            Some(b'h') if dashes == 1 && self.grammar == Grammar::Gnu => Err(Stop::Help),
            _ if dashes == 1 && self.grammar == Grammar::Gnu => Err(Stop::Unknown(shown())),
            _ => Ok(name),
        })
    }

    fn read(&mut self, text: &[u8]) -> Result<Given, Stop> {
        let mut halves = text.splitn(2, |&byte| byte == b'=');
        let name = halves.next().unwrap_or_default();
        let value = halves
            .next()
            .map(|value| OsString::from_vec(value.to_vec()));
        let dashes = match self.grammar {
            Grammar::Go => "-",
            Grammar::Gnu => "--",
        };
        let shown = || format!("{dashes}{}", String::from_utf8_lossy(name));
        let Some(&(known, kind)) = self
            .known
            .iter()
            .find(|(known, _)| known.as_bytes() == name)
        else {
            let help = name == b"help" || (name == b"h" && self.grammar == Grammar::Go);
            return Err(if help {
                Stop::Help
            } else {
                Stop::Unknown(shown())
            });
        };
        Ok(match kind {
            Kind::Switch => {
                let on = value
                    .as_deref()
                    .map_or(Some(true), boolean)
                    .ok_or_else(|| {
                        let value = value.unwrap_or_default();
                        Stop::Wrong(format!(
                            "flag {}: {value:?} is neither true nor false",
                            shown()
                        ))
                    })?;
                Given::Switch(known, on)
            }
            Kind::Value => {
                let value = value.or_else(|| self.left.next());
                Given::Value(known, value.ok_or_else(|| Stop::NoValue(shown()))?)
            }
        })
    }
}

impl<I: Iterator<Item = OsString>> Iterator for Flags<'_, I> {
    type Item = Result<Given, Stop>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let word = self.left.next()?;
            if word == "--" {
                self.words.extend(self.left.by_ref());
                return None;
            }
            match self.flag(word.as_bytes()) {
                Some(Ok(text)) => return Some(self.read(text)),
                Some(Err(stop)) => return Some(Err(stop)),
                None => self.words.push(word),
            }
            if self.grammar == Grammar::Go {
                self.words.extend(self.left.by_ref());
                return None;
            }
        }
    }
}

/// A boolean as Go spells it (strconv.ParseBool).
fn boolean(text: &OsStr) -> Option<bool> {
    match text.to_str()? {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[Flag] = &[("root", Kind::Value), ("quiet", Kind::Switch)];

    /// The flags and the words of a line that "|" divides into words.
    fn read(grammar: Grammar, line: &str) -> (Result<Vec<String>, Stop>, Vec<OsString>) {
        let mut flags = Flags::new(grammar, KNOWN, line.split('|').map(OsString::from));
        let given = flags.by_ref().map(|given| {
            Ok(match given? {
                Given::Switch(name, on) => format!("{name}:{on}"),
                Given::Value(name, value) => format!("{name}:{}", value.display()),
            })
        });
        (given.collect(), flags.words())
    }

    #[test]
    fn words_end_gos_flags_and_stand_between_gnus() {
        for (line, go, go_words, gnu, gnu_words) in [
            ("--quiet||--nope", "quiet:true", "|--nope", "", ""),
            (
                "--quiet|x|--root|y",
                "quiet:true",
                "x|--root|y",
                "quiet:true root:y",
                "x",
            ),
            ("-|--quiet", "", "-|--quiet", "quiet:true", "-"),
            (
                "--quiet=F|--|--quiet",
                "quiet:false",
                "--quiet",
                "quiet:false",
                "--quiet",
            ),
            ("--root|--|x", "root:--", "x", "root:--", "x"),
            (
                "--root=|--root=a=b",
                "root: root:a=b",
                "",
                "root: root:a=b",
                "",
            ),
        ] {
            let join = |words: Vec<OsString>| words.join(OsStr::new("|")).into_string().unwrap();
            let (flags, words) = read(Grammar::Go, line);
            assert_eq!(
                (flags.unwrap().join(" "), join(words)),
                (go.into(), go_words.into()),
                "{line}"
            );
            let (flags, words) = read(Grammar::Gnu, line);
            if line.contains("nope") {
                assert_eq!(flags, Err(Stop::Unknown("--nope".into())));
                continue;
            }
            assert_eq!(
                (flags.unwrap().join(" "), join(words)),
                (gnu.into(), gnu_words.into()),
                "{line}"
            );
        }
        let (flags, _) = read(Grammar::Go, "-quiet|-root|x|-root=y");
        assert_eq!(flags.unwrap(), ["quiet:true", "root:x", "root:y"]);
    }

    #[test]
    fn what_stops_is_named_as_it_was_written() {
        let syntax = |word: &str| Stop::Syntax(word.into());
        let unknown = |word: &str| Stop::Unknown(word.into());
        for (grammar, line, stop) in [
            (Grammar::Go, "-h", Stop::Help),
            (Grammar::Go, "--help=1", Stop::Help),
            (Grammar::Go, "---x", syntax("---x")),
            (Grammar::Go, "-=x", syntax("-=x")),
            (Grammar::Go, "--nope=1", unknown("-nope")),
            (Grammar::Go, "--root", Stop::NoValue("-root".into())),
            (Grammar::Gnu, "-hx", Stop::Help),
            (Grammar::Gnu, "--help", Stop::Help),
            (Grammar::Gnu, "--h", unknown("--h")),
            (Grammar::Gnu, "-root", unknown("-root")),
            (Grammar::Gnu, "--=x", syntax("--=x")),
            (Grammar::Gnu, "--root", Stop::NoValue("--root".into())),
        ] {
            assert_eq!(read(grammar, line).0, Err(stop), "{line}");
        }
        let wrong = read(Grammar::Go, "-quiet=no").0.unwrap_err().to_string();
        assert_eq!(wrong, "flag -quiet: \"no\" is neither true nor false");
    }

    #[test]
    fn values_are_bytes() {
        let name = OsString::from_vec(b"--root=/a\xff".to_vec());
        let mut flags = Flags::new(Grammar::Go, KNOWN, [name].into_iter());
        let value = OsString::from_vec(b"/a\xff".to_vec());
        assert_eq!(flags.next(), Some(Ok(Given::Value("root", value))));
    }
}
