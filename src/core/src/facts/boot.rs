//! How the running kernel was started, and what decides about the next start.

use serde::{Deserialize, Serialize};

/// The command line of the running kernel, and what may change the next one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// Arguments of the running kernel, as [`words`] splits them.
    pub cmdline: Vec<String>,
    /// Whether the distribution brings the program that changes kernel arguments.
    pub helper: bool,
    /// Whether this is a live image, which no boot loader of a disk has started.
    pub live: bool,
    /// The partition labelled OEM, from which GRUB reads more configuration.
    pub oem: Option<Oem>,
    /// The EFI system partition, which holds the first-boot marker.
    pub esp: Option<Esp>,
    /// Whether nothing was looked at, because the machine is another one: a dry run.
    pub assumed: bool,
}

/// The OEM partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Oem {
    /// Its node.
    pub device: String,
    /// What its grub.cfg says; `None` when there is no such file.
    pub grub_cfg: Option<String>,
}

/// The EFI system partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Esp {
    /// Its node.
    pub device: String,
    /// Whether a first-boot marker is on it.
    pub marker: bool,
}

impl Boot {
    /// A machine of which nothing is known: its OEM partition has no grub.cfg yet.
    pub fn assumed() -> Self {
        Self {
            oem: Some(Oem {
                device: "/dev/disk/by-label/OEM".into(),
                grub_cfg: None,
            }),
            esp: Some(Esp {
                device: "/dev/disk/by-label/EFI-SYSTEM".into(),
                marker: true,
            }),
            assumed: true,
            ..Self::default()
        }
    }
}

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

fn without_marks(word: &str) -> String {
    let (whole, word) = match word.strip_prefix('"') {
        Some(rest) => (true, rest.strip_suffix('"').unwrap_or(rest)),
        None => (false, word),
    };
    match word.split_once('=') {
        Some((name, value)) if !whole => {
            let inner = value.strip_prefix('"');
            let value = inner.map_or(value, |inner| inner.strip_suffix('"').unwrap_or(inner));
            format!("{name}={value}")
        }
        _ => word.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ("\"two words\"", &["two words"]),
            // As GRUB hands on a mark: the kernel does not know the backslash.
            ("foo=\\\"x y\\\"", &["foo=\\\"x y\\\""]),
            ("a=\"never closed  ", &["a=never closed"]),
            ("\"\" a \"", &["a"]),
            ("=", &["="]),
        ] {
            assert_eq!(words(line), expected, "{line:?}");
        }
    }
}
