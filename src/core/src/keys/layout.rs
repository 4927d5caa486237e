//! Where a system keeps the keys of its platform, found from what is there.

/// Program of Fedora CoreOS that prints the fragments for sshd.
const FRAGMENT_READER: &str = "ssh-key-dir";
/// Directory of the fragments, below `~/.ssh`.
const FRAGMENTS: &str = "authorized_keys.d";
/// The fragment that Afterburn writes, and the first boot.
const AFTERBURN: &str = "afterburn";
/// The fragment that Flatcar's metadata service names.
const FLATCAR: &str = "coreos-metadata";

/// Where keys of the platform are kept, below a user's home directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layout {
    /// `~/.ssh/authorized_keys.d/NAME`, which sshd reads, and in which all is the platform's.
    Fragment {
        /// Its name.
        name: &'static str,
    },
    /// `~/.ssh/authorized_keys.d/coreos-metadata`, from which, with all others, update-ssh-keys makes
    /// `~/.ssh/authorized_keys`.
    FlatcarFragments,
    /// Lines between two marks in `~/.ssh/authorized_keys`, in which all others are the user's.
    Block,
}

/// What decides on the layout.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LayoutFacts {
    /// Whether there is a program update-ssh-keys.
    pub update_ssh_keys: bool,
    /// The texts of sshd's configuration, in the order in which sshd reads them.
    pub sshd_config: Vec<String>,
}

impl Layout {
    /// Fragments as Afterburn and Fedora CoreOS have them.
    pub const AFTERBURN: Layout = Layout::Fragment { name: AFTERBURN };

    /// The layout of a system, with what is doubtful of it.
    ///
    /// Flatcar's program wins: what it has not made of the fragments, its sshd does not read.
    pub fn detect(facts: &LayoutFacts) -> (Self, Option<String>) {
        if facts.update_ssh_keys {
            return (Layout::FlatcarFragments, None);
        }
        let files = first(&facts.sshd_config, "authorizedkeysfile");
        let command = first(&facts.sshd_config, "authorizedkeyscommand").unwrap_or_default();
        let names_fragment = |word: &String| {
            let name = word.split_once(&format!("{FRAGMENTS}/"));
            name.is_some_and(|(_, name)| name == AFTERBURN || name == "*")
        };
        let reads = files.iter().flatten().any(names_fragment);
        // The program's name, or its arguments.
        let prints = command.iter().any(|word| {
            let name = word.rsplit('/').next().unwrap_or_default();
            name == FRAGMENT_READER || word.contains(FRAGMENTS)
        });
        if reads || prints {
            return (Self::AFTERBURN, None);
        }
        let usual = |word: &String| {
            let below = word.strip_prefix("%h/").unwrap_or(word);
            below == ".ssh/authorized_keys"
        };
        let read = files.as_ref().is_none_or(|files| files.iter().any(usual));
        let doubt = files.filter(|_| !read).map(|files| {
            format!(
                "sshd reads keys from {}, not from .ssh/authorized_keys: the platform's are not among them",
                files.join(" ")
            )
        });
        (Layout::Block, doubt)
    }

    /// The file, as components below the home directory.
    pub fn file(self) -> Vec<&'static str> {
        match self {
            Layout::Fragment { name } => vec![".ssh", FRAGMENTS, name],
            Layout::FlatcarFragments => vec![".ssh", FRAGMENTS, FLATCAR],
            Layout::Block => vec![".ssh", "authorized_keys"],
        }
    }

    /// The fragment that the first boot and Afterburn have written, where this layout has another one.
    pub fn former(self) -> Option<Vec<&'static str>> {
        (self == Layout::FlatcarFragments).then(|| vec![".ssh", FRAGMENTS, AFTERBURN])
    }
}

/// The words after the first line that has a keyword: of several, sshd takes the first (sshd_config(5)). What
/// follows `Match` counts for some users only.
fn first(texts: &[String], keyword: &str) -> Option<Vec<String>> {
    let mut found = texts.iter().flat_map(|text| {
        let lines = text.lines().map(words);
        lines.take_while(|words| !is(words, "match"))
    });
    let mut words = found.find(|words| is(words, keyword))?;
    words.remove(0);
    Some(words)
}

/// The patterns that a text of sshd's configuration includes others by.
pub fn includes(text: &str) -> Vec<String> {
    let lines = text.lines().map(words);
    lines
        .take_while(|words| !is(words, "match"))
        .filter(|words| is(words, "include"))
        .flat_map(|words| words.into_iter().skip(1))
        .collect()
}

fn is(words: &[String], keyword: &str) -> bool {
    words
        .first()
        .is_some_and(|word| word.eq_ignore_ascii_case(keyword))
}

/// Words with blanks between them, of which `=` after the keyword is one; quotes hold blanks together, and `#` ends
/// the line.
fn words(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let (mut quoted, mut inside) = (false, false);
    for c in line.trim().chars() {
        match c {
            '#' if !quoted && !inside => break,
            '"' => {
                quoted = !quoted;
                if !inside {
                    words.push(String::new());
                    inside = true;
                }
            }
            c if !quoted && (c.is_whitespace() || c == '=' && words.len() <= 1) => inside = false,
            c => {
                if !inside {
                    words.push(String::new());
                    inside = true;
                }
                if let Some(word) = words.last_mut() {
                    word.push(c);
                }
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_follows_from_what_is_there() {
        let unread = |files: &str| {
            Some(format!(
                "sshd reads keys from {files}, not from .ssh/authorized_keys: the platform's are not among them"
            ))
        };
        for (program, texts, layout, doubt) in [
            (false, &[][..], Layout::Block, None),
            (false, &["UsePAM yes\n"][..], Layout::Block, None),
            (true, &[], Layout::FlatcarFragments, None),
            (
                true,
                &["AuthorizedKeysCommand /x/ssh-key-dir %u"],
                Layout::FlatcarFragments,
                None,
            ),
            // Fedora CoreOS.
            (
                false,
                &[
                    "# c\nAuthorizedKeysCommand /usr/libexec/ssh-key-dir %u\nAuthorizedKeysCommandUser root\n",
                    "AuthorizedKeysFile .ssh/authorized_keys\n",
                ],
                Layout::AFTERBURN,
                None,
            ),
            (
                false,
                &["authorizedkeyscommand=\"/bin/cat\" \"%h/.ssh/authorized_keys.d/x y\""],
                Layout::AFTERBURN,
                None,
            ),
            (
                false,
                &["AuthorizedKeysFile .ssh/authorized_keys .ssh/authorized_keys.d/afterburn"],
                Layout::AFTERBURN,
                None,
            ),
            (
                false,
                &["AuthorizedKeysFile = %h/.ssh/authorized_keys.d/*"],
                Layout::AFTERBURN,
                None,
            ),
            // Another fragment is not ours.
            (
                false,
                &["AuthorizedKeysFile .ssh/authorized_keys .ssh/authorized_keys.d/ignition"],
                Layout::Block,
                None,
            ),
            (
                false,
                &["AuthorizedKeysFile %h/.ssh/authorized_keys"],
                Layout::Block,
                None,
            ),
            (
                false,
                &["AuthorizedKeysFile /etc/ssh/keys/%u none"],
                Layout::Block,
                unread("/etc/ssh/keys/%u none"),
            ),
            // The first one counts.
            (
                false,
                &[
                    "AuthorizedKeysFile .ssh/authorized_keys",
                    "AuthorizedKeysFile .ssh/authorized_keys.d/afterburn",
                ],
                Layout::Block,
                None,
            ),
            // And none that counts for some only.
            (
                false,
                &["Match User x\nAuthorizedKeysFile .ssh/authorized_keys.d/afterburn"],
                Layout::Block,
                None,
            ),
            (
                false,
                &["#AuthorizedKeysFile .ssh/authorized_keys.d/afterburn"],
                Layout::Block,
                None,
            ),
        ] {
            let facts = LayoutFacts {
                update_ssh_keys: program,
                sshd_config: texts.iter().map(|text| text.to_string()).collect(),
            };
            assert_eq!(Layout::detect(&facts), (layout, doubt), "{texts:?}");
        }
    }

    #[test]
    fn included_files_are_named() {
        let text = "include /etc/ssh/sshd_config.d/*.conf \"a b\" # c\n#Include x\nInclude=y\nMatch all\nInclude z";
        assert_eq!(
            includes(text),
            ["/etc/ssh/sshd_config.d/*.conf", "a b", "y"]
        );
    }
}
