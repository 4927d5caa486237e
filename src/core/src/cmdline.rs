//! The kernel command line: the one parser of it, for the agent and, by way of `detect --env` and `--words`, for
//! the shell programs of the initramfs.

/// Splits a kernel command line as the kernel does (lib/cmdline.c, `next_arg`): at blanks outside of
/// quotation marks. The marks around an argument or its value are not part of it: `a="x y"` and
/// `"a=x y"` are the same.
pub fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut inside = false;
    for c in line.chars().chain([' ']) {
        if matches!(c, ' ' | '\t'..='\r') && !inside {
            words.push(without_marks(&word));
            word.clear();
            continue;
        }
        inside ^= c == '"';
        word.push(c);
    }
    // A mark that is never closed reaches to the end of the line.
    if inside {
        words.push(without_marks(word.trim_end()));
    }
    words.retain(|word| !word.is_empty());
    words
}

/// One mark goes at the beginning of the word, one at that of the value, and one at the end if there was
/// either.
fn without_marks(word: &str) -> String {
    let whole = word.strip_prefix('"');
    let word = whole.unwrap_or(word);
    let (name, value) = match word.split_once('=') {
        Some((name, value)) => (name, Some((value.strip_prefix('"'), value))),
        None => (word, None),
    };
    let is_marked = whole.is_some() || matches!(value, Some((Some(_), _)));
    let (start, last) = match value {
        Some((inner, value)) => (format!("{name}="), inner.unwrap_or(value)),
        None => (String::new(), name),
    };
    let end = last.strip_suffix('"').filter(|_| is_marked);
    start + end.unwrap_or(last)
}

/// The last value that any of the arguments has; an empty one unsets it.
pub fn last_value(line: &str, names: &[&str]) -> Option<String> {
    let words = words(line);
    let mut values = words.iter().rev().filter_map(|word| {
        let (name, value) = word.split_once('=')?;
        names.contains(&name).then_some(value)
    });
    let value = values.next().filter(|value| !value.is_empty())?;
    Some(value.to_owned())
}

/// Arguments of a first boot, in the spellings of the distributions.
const FIRST_BOOT: [&str; 3] = [
    "flatcar.first_boot",
    "coreos.first_boot",
    "ignition.firstboot",
];

/// Whether the kernel command line makes this a first boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstBoot {
    /// It does not.
    No,
    /// Somebody has asked for it.
    Asked,
    /// The boot loader has found a first-boot marker, which is to be removed in the end.
    Detected,
}

impl FirstBoot {
    /// Reads the line. Of each spelling the last one counts; a bare word is as good as a value, as GRUB
    /// configs say just `ignition.firstboot`; an empty value, 0, no and off are none.
    pub fn of(line: &str) -> Self {
        let words = words(line);
        let value = |name: &&'static str| {
            let mut values = words.iter().rev().filter_map(|word| {
                let rest = word.strip_prefix(name)?;
                rest.strip_prefix('=').or(rest.is_empty().then_some(name))
            });
            values.next()
        };
        let on = |value: &&str| !matches!(*value, "" | "0" | "no" | "off");
        let values: Vec<&str> = FIRST_BOOT.iter().filter_map(value).filter(on).collect();
        match values.is_empty() {
            true => Self::No,
            false if values.contains(&"detected") => Self::Detected,
            false => Self::Asked,
        }
    }

    /// How the generator reads it.
    pub fn name(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Asked => "asked",
            Self::Detected => "detected",
        }
    }
}

/// Where some arguments stand behind each other among others, the last time that they do.
pub fn sequence(line: &[String], wanted: &[String]) -> Option<usize> {
    line.windows(wanted.len().max(1))
        .rposition(|words| words == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert_eq, proptest};

    #[test]
    fn a_command_line_is_split_as_the_kernel_splits_it() {
        for (line, expected) in [
            ("", &[] as &[&str]),
            ("  quiet\tro \n", &["quiet", "ro"]),
            (
                "root=LABEL=ROOT a=1 a=1",
                &["root=LABEL=ROOT", "a=1", "a=1"],
            ),
            ("foo=\"x y\" z", &["foo=x y", "z"]),
            ("\"foo=x y\" z", &["foo=x y", "z"]),
            ("\"foo=x\" bar=\"y\"", &["foo=x", "bar=y"]),
            ("a=b\"c d\"e", &["a=b\"c d\"e"]),
            ("a=b\"c d\"", &["a=b\"c d\""]),
            ("\"two words\"", &["two words"]),
            ("\"a=\"x y", &["a=x", "y"]),
            ("\"a=\"x\"\"", &["a=x\""]),
            ("a=\"\"", &["a="]),
            ("a\"", &["a\""]),
            // As GRUB hands on a mark: the kernel does not know the backslash.
            ("foo=\\\"x y\\\"", &["foo=\\\"x y\\\""]),
            ("a=\"never closed  ", &["a=never closed"]),
            ("\"\" a \"", &["a"]),
            ("=", &["="]),
        ] {
            assert_eq!(words(line), expected, "{line:?}");
        }
    }

    #[test]
    fn the_last_of_all_spellings_counts() {
        for (line, expected) in [
            ("c=1", None),
            ("a=1", Some("1")),
            ("a=1 b=2", Some("2")),
            ("b=2 \"a=x y\"", Some("x y")),
            ("xa=1 a", None),
            ("a=1 a=", None),
            ("a=1 b=\"\"", None),
        ] {
            assert_eq!(last_value(line, &["a", "b"]).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn a_first_boot_in_all_spellings() {
        use FirstBoot::{Asked, Detected, No};
        for (line, expected) in [
            ("root=LABEL=ROOT", No),
            ("flatcar.first_boot=detected", Detected),
            ("coreos.first_boot=detected", Detected),
            ("coreos.first_boot=1", Asked),
            ("ignition.firstboot", Asked),
            ("ignition.firstboot=1", Asked),
            ("ignition.firstboot=detected flatcar.first_boot=0", Detected),
            ("flatcar.first_boot=yes quiet", Asked),
            ("flatcar.first_boot=1 flatcar.first_boot=detected", Detected),
            ("flatcar.first_boot=detected flatcar.first_boot=1", Asked),
            ("flatcar.first_boot=1 flatcar.first_boot=0", No),
            ("flatcar.first_boot=no", No),
            ("flatcar.first_boot=off", No),
            ("flatcar.first_boot=", No),
            ("xflatcar.first_boot=1", No),
            ("flatcar.first_boots=1", No),
            // As GRUB and others write them.
            (
                "\"flatcar.first_boot=1\" \"ignition.platform.id=qemu\"",
                Asked,
            ),
            ("flatcar.first_boot=\"detected\"", Detected),
            ("a=\"x flatcar.first_boot=1\"", No),
        ] {
            assert_eq!(FirstBoot::of(line), expected, "{line}");
        }
    }

    proptest! {
        #[test]
        fn marks_around_words_or_values_change_nothing(
            given in proptest::collection::vec(("[a-z.]{1,5}", "[a-z0-9/=,]{0,5}", 0..3_u8), 0..5),
        ) {
            let plain: Vec<String> = given.iter().map(|(name, value, _)| format!("{name}={value}")).collect();
            let marked: Vec<String> = given
                .iter()
                .map(|(name, value, marks)| match marks {
                    0 => format!("{name}={value}"),
                    1 => format!("\"{name}={value}\""),
                    _ => format!("{name}=\"{value}\""),
                })
                .collect();
            prop_assert_eq!(words(&marked.join(" ")), plain);
        }
    }
}
