//! What of a source line is shown with a finding: keys, and the values that are no secret wherever they stand.
//!
//! A line may hold more than what is meant; a config in JSON is often one line. So it is said what is shown,
//! not what is hidden: everything else becomes dots, and a key that nobody thought of hides its value.
//!
//! A text with a syntax error has no tree. Of its lines the known keys are shown, and plain values behind them.

use std::borrow::Cow;
use std::ops::Range;

use super::marks::small;
use super::span::{Place, Span};
use crate::ordered::Arrange as _;
use crate::redact;

/// Keys whose values are objects, or lists of them, with keys of the config language. Keys are compared without
/// case, `_` and `-`, and whichever language they are of.
const SECTIONS: &[&str] = &[
    "append",
    "bootdevice",
    "cacerts",
    "certificateauthorities",
    "cex",
    "chpasswd",
    "clevis",
    "config",
    "contents",
    "coreos",
    "create",
    "custom",
    "device",
    "devicealiases",
    "directories",
    "disks",
    "disksetup",
    "docker",
    "dropins",
    "etcd",
    "etcd2",
    "files",
    "filesystems",
    "flannel",
    "fleet",
    "fssetup",
    "group",
    "groups",
    "grub",
    "hash",
    "httpheaders",
    "ignition",
    "kernelarguments",
    "keyfile",
    "links",
    "locksmith",
    "luks",
    "merge",
    "metadata",
    "mirror",
    "mount",
    "mounts",
    "networkd",
    "ntp",
    "oem",
    "openshift",
    "partitions",
    "passwd",
    "proxy",
    "raid",
    "remote",
    "replace",
    "security",
    "source",
    "sshkeys",
    "storage",
    "swap",
    "systemd",
    "tang",
    "timeouts",
    "tls",
    "trees",
    "units",
    "update",
    "user",
    "users",
    "verification",
    "writefiles",
];

/// Keys whose values are names, places, sizes and choices.
const PLAIN: &[&str] = &[
    "append",
    "command",
    "compression",
    "contentslocal",
    "coreossshimportgithub",
    "coreossshimportgithubusers",
    "creategroups",
    "createhome",
    "defer",
    "device",
    "devices",
    "dirmode",
    "disableroot",
    "discard",
    "doas",
    "enable",
    "enabled",
    "encoding",
    "etcdcafile",
    "etcdcertfile",
    "etcdkeyfile",
    "expire",
    "expiredate",
    "filemode",
    "filename",
    "filesystem",
    "force",
    "format",
    "fqdn",
    "function",
    "gecos",
    "gid",
    "group",
    "groups",
    "guid",
    "hard",
    "homedir",
    "hostname",
    "httpresponseheaders",
    "httptotal",
    "id",
    "inactive",
    "interface",
    "ipmasq",
    "label",
    "layout",
    "level",
    "local",
    "locale",
    "lockpasswd",
    "manageetchosts",
    "mask",
    "maxsize",
    "mode",
    "name",
    "needsnetwork",
    "nocreatehome",
    "nologinit",
    "noproxy",
    "nousergroup",
    "ntpclient",
    "number",
    "overwrite",
    "owner",
    "partition",
    "path",
    "permissions",
    "pools",
    "preferfqdnoverhostname",
    "preservehostname",
    "primarygroup",
    "publicip",
    "rebootstrategy",
    "removedefaults",
    "replacefs",
    "resize",
    "runtime",
    "selinuxuser",
    "servers",
    "shell",
    "size",
    "sizemib",
    "snapuser",
    "spares",
    "sshauthorizedkeyslocal",
    "sshimportid",
    "sshpwauth",
    "sshredirectuser",
    "start",
    "startmib",
    "subnetfile",
    "sudo",
    "system",
    "tabletype",
    "target",
    "threshold",
    "timezone",
    "tpm2",
    "type",
    "typeguid",
    "uid",
    "user",
    "users",
    "uuid",
    "variant",
    "version",
    "windowlength",
    "windowstart",
    "wipefilesystem",
    "wipepartitionentry",
    "wipetable",
    "wipevolume",
    "withmountunit",
];

/// Keys whose values are URLs.
const URLS: &[&str] = &[
    "coreossshimporturl",
    "endpoint",
    "etcdendpoints",
    "httpproxy",
    "httpsproxy",
    "server",
    "source",
    "uri",
    "url",
];

/// Keys whose values are options, among which may be a password: `username=a,password=b`.
const OPTIONS: &[&str] = &[
    "extraopts",
    "mountdefaultfields",
    "mountoptions",
    "mounts",
    "openoptions",
    "options",
];

/// The key whose values are SSH keys.
const SSH_KEYS: &str = "sshauthorizedkeys";

/// How the types of SSH keys begin.
const SSH_TYPES: &[&str] = &["ssh-", "ecdsa-sha2-", "sk-"];

/// Keys whose values are texts of units, or of files.
const TEXTS: &[&str] = &["content", "contents"];

/// Other keys, whose values are hidden. Where there is no tree, these are known as keys all the same.
const OTHERS: &[&str] = &[
    "advertisement",
    "bootcmd",
    "contenttransferencoding",
    "contenttype",
    "hash",
    "hashedpasswd",
    "headers",
    "inline",
    "list",
    "password",
    "passwordhash",
    "pin",
    "plaintextpasswd",
    "runcmd",
    "shouldexist",
    "shouldnotexist",
    "sshauthorizedkeys",
    "sum",
    "thumbprint",
    "trusted",
    "value",
];

/// Keys whose objects have devices or names for them as keys.
const FREE: &[&str] = &["devicealiases", "disksetup"];

/// What stands below a device's name is known as what stands below this key.
pub(crate) const DEVICE: &str = "device";

/// Headers of MIME messages that are spoken of.
const HEADERS: &[&str] = &["contenttransferencoding", "contenttype"];

/// What options and settings of units with a secret have in their names.
const SECRET: &[&str] = &["pass", "key", "cred", "secret", "token"];

/// Settings of units whose values are shown up to the first blank: what a program is told may be a secret.
const PROGRAMS: &str = "exec";

/// Settings of units with variables, which are where programs read their passwords.
const VARIABLES: &str = "environment";

/// What stands for a hidden character.
const HIDDEN: char = '·';

/// What JSON and YAML write around keys and values.
const BETWEEN: &str = " \t\r{}[],:-?|>&*!#\"'";

/// What ends a value without quotation marks on a line that is not understood.
const ENDS: &[&str] = &[", ", ",\"", " #", "{", "}", "[", "]"];

/// Longest key that is compared.
const KEY: usize = 40;

/// What is known of a part of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// It is shown.
    Shown,
    /// It is hidden.
    Hidden,
    /// It is hidden, but for a line of it that is meant.
    Text,
}

/// What of a source may be shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// First byte, the one behind the last, and what is known of them; sorted, one beside the other.
    parts: Vec<(u32, u32, Kind)>,
    /// Whether that is everything; else lines are looked at by themselves.
    is_tree: bool,
}

impl Shown {
    /// Of a text that is a config, before anything of it is added.
    pub(crate) fn tree() -> Self {
        Self {
            is_tree: true,
            ..Self::default()
        }
    }

    /// Of a text that is not understood: a part of it that says which kind of text it is.
    pub fn part(part: Range<usize>) -> Self {
        Self {
            parts: vec![(small(part.start), small(part.end), Kind::Shown)],
            is_tree: false,
        }
    }

    /// Of a line that is in no tree, as one with a syntax error: the keys that are known, and the values
    /// behind them.
    fn of_line(line: &str, start: usize) -> Self {
        let mut shown = Self::default();
        let is_of_key = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let mut at = 0;
        while let Some(found) = line[at..].find(is_of_key) {
            let from = at + found;
            let word = &line[from..];
            let word = &word[..word.find(|c| !is_of_key(c)).unwrap_or(word.len())];
            at = from + word.len();
            let rest = line[at..].trim_start_matches(['"', '\'']).trim_start();
            let key = normal(word);
            let is_known = [SECTIONS, PLAIN, URLS, OPTIONS, TEXTS, OTHERS]
                .iter()
                .any(|list| holds(list, &key));
            let Some(value) = rest.strip_prefix(':').filter(|_| is_known) else {
                continue;
            };
            shown.add(start + from..start + at, Kind::Shown);
            let value = value.trim_start();
            let value_at = line.len() - value.len();
            let length = match value.chars().next() {
                _ if holds(HEADERS, &key) => value.len(),
                // Without the second mark nobody knows where it ends.
                Some(quote @ ('"' | '\'')) => value[1..].find(quote).map_or(0, |at| at + 2),
                _ => (ENDS.iter().filter_map(|end| value.find(end)).min()).unwrap_or(value.len()),
            };
            let value = value[..length].trim_end().trim_end_matches(',');
            let visible = match holds(HEADERS, &key) {
                true => value.len(),
                false => visible(&key, value),
            };
            shown.value(start + value_at, value, visible, Kind::Hidden);
            at = value_at + value.len();
        }
        shown.sorted()
    }

    fn add(&mut self, part: Range<usize>, kind: Kind) {
        if part.start < part.end {
            self.parts.push((small(part.start), small(part.end), kind));
        }
    }

    /// Aliases of YAML stand where their anchors do, so a part may have been added more than once. What is
    /// shown in one place is no secret in the other.
    pub(crate) fn sorted(mut self) -> Self {
        self.parts.arrange();
        self.parts.dedup_by_key(|(start, ..)| *start);
        self.parts.shrink_to_fit();
        self
    }

    /// Adds a key of a tree.
    pub(crate) fn key(&mut self, span: Span, is_known: bool) {
        let kind = match is_known {
            true => Kind::Shown,
            false => Kind::Hidden,
        };
        self.add(bytes(span), kind);
    }

    /// Adds a value of a tree that is no list and no object. `is_word` says that it is one of the few words which
    /// tell nothing, as `true`.
    pub(crate) fn scalar(
        &mut self,
        text: &str,
        span: Span,
        key: &str,
        (is_word, is_known): (bool, bool),
    ) {
        let part = bytes(span);
        let written = text.get(part.clone()).unwrap_or_default();
        let length = match is_known {
            true if is_word => written.len(),
            true => visible(key, written),
            false => 0,
        };
        // Lines of other texts have no places of their own.
        let is_text = written.starts_with(['"', '\'']) || written.contains('\n');
        let kind = match is_text && is_known && holds(TEXTS, key) {
            true => Kind::Text,
            false => Kind::Hidden,
        };
        self.value(part.start, written, length, kind);
    }

    /// Adds a value, the first bytes of which are shown. Its quotation marks stay.
    fn value(&mut self, start: usize, written: &str, length: usize, rest: Kind) {
        // The text of a block of several lines is nowhere in the tree.
        if written.starts_with(['|', '>']) {
            return;
        }
        let (middle, end) = (start + length, start + written.len());
        self.add(start..middle, Kind::Shown);
        match written.starts_with(['"', '\'']) && written.len() > 1 {
            true => self.add(middle.max(start + 1)..end - 1, rest),
            false => self.add(middle..end, rest),
        }
    }

    /// Hides what may not be shown of the place's line, which begins at a byte. Behind what is meant, `…` stands
    /// for any number of characters.
    pub(super) fn mask(&self, place: &mut Place, line_start: usize, meant: Range<usize>) {
        let line = std::mem::take(&mut place.text);
        let known = match self.is_tree {
            true => Cow::Borrowed(self),
            false => {
                let mut of_line = Self::of_line(&line, line_start);
                of_line.parts.extend(&self.parts);
                Cow::Owned(of_line.sorted())
            }
        };
        let first = (known.parts).partition_point(|(_, end, _)| *end as usize <= line_start);
        let mut parts = known.parts[first..].iter().peekable();
        let of_text = part_of_text(&line, line_start, &meant);
        let behind = (place.column + place.width) as usize - 1;
        let mut shown = String::with_capacity(line.len());
        let (mut is_said, mut is_hidden, mut is_left_out) = (false, false, false);
        for (column, (at, c)) in line.char_indices().enumerate() {
            let at = line_start + at;
            while parts.next_if(|(_, end, _)| *end as usize <= at).is_some() {}
            let here = parts.peek().filter(|(start, ..)| *start as usize <= at);
            let is_shown = match here {
                Some((_, _, Kind::Shown)) => true,
                Some((start, end, Kind::Text)) => {
                    let is_within = *start as usize <= meant.start && meant.end <= *end as usize;
                    is_within && of_text.contains(&at)
                }
                Some((_, _, Kind::Hidden)) => false,
                None => BETWEEN.contains(c),
            };
            is_said |= is_shown && c.is_alphanumeric();
            is_hidden |= !is_shown;
            match is_shown {
                true => shown.push(c),
                false if column < behind => shown.push(HIDDEN),
                false if !is_left_out => shown.push('…'),
                false => {}
            }
            is_left_out = !is_shown && column >= behind;
        }
        // Dots alone tell nobody anything.
        if is_said || !is_hidden {
            place.text = shown;
        }
    }
}

/// Whether what stands below a key are keys of the language.
pub(crate) fn is_section(key: &str) -> bool {
    holds(SECTIONS, key)
}

/// Whether the keys below a key are names of devices or for them; each is known as [`DEVICE`].
pub(crate) fn is_free(key: &str) -> bool {
    holds(FREE, key)
}

fn bytes(span: Span) -> Range<usize> {
    span.start as usize..span.end as usize
}

/// A key as messages name it. Where a quotation mark is missing, half a config is one key.
pub fn key(key: &str) -> String {
    match is_key(key) {
        true => format!("{key:?}"),
        false => format!("of {} characters", key.chars().count()),
    }
}

pub(crate) fn is_key(key: &str) -> bool {
    let is_of_key = |c: char| c.is_alphanumeric() || "_-.".contains(c);
    key.chars().all(is_of_key) && key.len() <= 2 * KEY
}

/// A key as it stands in the lists.
pub(crate) fn normal(key: &str) -> String {
    let letters = key.chars().filter(|c| !"_-".contains(*c)).take(KEY);
    letters.map(|c| c.to_ascii_lowercase()).collect()
}

fn holds(list: &[&str], key: &str) -> bool {
    list.binary_search(&key).is_ok()
}

/// How many bytes of a value, as it is written, are shown behind a key that is known.
fn visible(key: &str, written: &str) -> usize {
    // A mark within belongs to another value, to which one before it is missing.
    let end = match written.starts_with(['"', '\'']) {
        true => written.len(),
        false => written.find('"').unwrap_or(written.len()),
    };
    let secret = redact::first_secret(written).map_or(end, |at| at.min(end));
    let lower = || written.to_ascii_lowercase();
    match () {
        () if holds(URLS, key) => {
            let is_url = redact::is_url(written.trim_matches(['"', '\'']));
            let scheme = lower().find("data:").map(|at| at + "data:".len());
            if is_url {
                secret.min(scheme.unwrap_or(secret))
            } else {
                0
            }
        }
        () if holds(OPTIONS, key) => {
            let is_secret = SECRET.iter().any(|word| lower().contains(word));
            if is_secret { 0 } else { secret }
        }
        () if holds(PLAIN, key) => secret,
        () if key == SSH_KEYS => public_key(written),
        () => 0,
    }
}

/// How much of an SSH key is shown: its type and the key itself. Somebody's name stands behind it.
fn public_key(written: &str) -> usize {
    let text = written.trim_start_matches(['"', '\'']);
    let mut words = text.split(' ');
    let is_type = |word: &&str| SSH_TYPES.iter().any(|start| word.starts_with(start));
    let Some(kind) = words.next().filter(is_type) else {
        return 0;
    };
    let is_body = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
    let body = words.next().filter(|body| body.starts_with("AAAA"));
    let length = body.map_or(0, |body| {
        1 + body.find(|c| !is_body(c)).unwrap_or(body.len())
    });
    written.len() - text.len() + kind.len() + length
}

/// What is shown of a unit's text: of the line that is meant. Nothing where all of the text is.
fn part_of_text(line: &str, line_start: usize, meant: &Range<usize>) -> Range<usize> {
    let within = |at: usize| at.saturating_sub(line_start).min(line.len());
    let text = line.get(within(meant.start)..within(meant.end));
    let text = text.unwrap_or_default();
    let length = match text.split_once('=') {
        _ if text.starts_with(['"', '\'']) => 0,
        // A section; what is neither that nor a setting may be anything.
        None if text.starts_with('[') => text.len(),
        None => 0,
        Some((key, value)) => {
            let start = key.len() + 1;
            let key = key.trim().to_ascii_lowercase();
            let is_secret = key == VARIABLES || SECRET.iter().any(|word| key.contains(word));
            let end = redact::first_secret(text).unwrap_or(text.len());
            match is_secret {
                true => start,
                false if key.starts_with(PROGRAMS) => {
                    value.find(' ').map_or(end, |at| end.min(start + at))
                }
                false => end,
            }
        }
    };
    meant.start..meant.start + length
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Sources;
    use crate::{reveal, yaml};

    #[test]
    fn keys_are_found_in_all_lists() {
        for list in [SECTIONS, PLAIN, URLS, OPTIONS, TEXTS, OTHERS, FREE, HEADERS] {
            assert!(list.is_sorted(), "{list:?}");
            for key in list {
                assert_eq!(normal(key), *key);
                assert!(holds(list, key));
            }
        }
    }

    /// The line of the text as it is shown where `meant` is meant, once as that of a config, once as text.
    fn both(text: &str, meant: &str) -> (String, String) {
        let start = text.find(meant).unwrap();
        let said = |is_config: bool| {
            let mut sources = Sources::default();
            let source = sources.add("u", text);
            if is_config {
                let tree = yaml::parse(source, text).unwrap();
                sources.show(source, reveal::of_tree(text, &tree));
            }
            let span = Span {
                source,
                start: small(start),
                end: small(start + meant.len()),
            };
            sources.place(span).text
        };
        (said(true), said(false))
    }

    #[test]
    fn of_a_line_keys_and_plain_values_are_shown() {
        for (text, meant, of_config, of_text) in [
            (
                "users: [{name: a, passwd: pw}, {name: b}] # why",
                "name: b",
                "users: [{name: a, passwd: ··}, {name: b}] # …",
                "users: [{name: a, passwd: ··}, {name: b}] # …",
            ),
            // Behind what is meant nobody sees how much there is.
            (
                "{\"name\": \"a\", \"passwordHash\": \"$6$x, y\"}",
                "\"a\"",
                "{\"name\": \"a\", \"passwordHash\": \"…\"}",
                "{\"name\": \"a\", \"passwordHash\": \"…\"}",
            ),
            (
                "{\"passwordHash\": \"$6$x, y\", \"name\": \"a\"}",
                "\"a\"",
                "{\"passwordHash\": \"·······\", \"name\": \"a\"}",
                "{\"passwordHash\": \"·······\", \"name\": \"a\"}",
            ),
            // Not even what is meant itself.
            ("passwd: pw", "pw", "passwd: ··", "passwd: ··"),
            ("- pw", "pw", "", ""),
            ("", "", "", ""),
            ("[]", "[]", "[]", "[]"),
            ("odd: {path: /x}", "odd", "odd: {…: …}", "···: {path: /x}"),
            ("o d: x, pw", "o d", "", ""),
            ("path: é", "path", "path: é", "path: é"),
            (
                "lock_passwd: yes",
                "yes",
                "lock_passwd: yes",
                "lock_passwd: yes",
            ),
            ("hidden: yes", "yes", "hidden: yes", ""),
            (
                "device_aliases: {a.b: /dev/vdb}",
                "a.b",
                "device_aliases: {a.b: /dev/vdb}",
                "device_aliases: {···: …}",
            ),
            (
                "mount_options: [ro, password=x]",
                "ro",
                "mount_options: [ro, …]",
                "mount_options: [··, …]",
            ),
            // URLs.
            (
                "source: http://a/b",
                "source",
                "source: http://a/b",
                "source: http://a/b",
            ),
            (
                "source: http://u:p@b/",
                "source",
                "source: http://…",
                "source: http://…",
            ),
            (
                "url: http://b/?sig=x",
                "url",
                "url: http://b/…",
                "url: http://b/…",
            ),
            (
                "source: data:,x",
                "source",
                "source: data:…",
                "source: data:…",
            ),
            ("source: pw", "source", "source: …", "source: …"),
            (
                "path: http://u:p@b/",
                "path",
                "path: http://…",
                "path: http://…",
            ),
            // SSH keys.
            (
                "ssh_authorized_keys: ssh-ed25519 AAAA/+= me@b",
                "ssh_",
                "ssh_authorized_keys: ssh-ed25519 AAAA/+=…",
                "ssh_authorized_keys: ssh-ed25519 AAAA/+=…",
            ),
            (
                "ssh_authorized_keys: ssh-ed25519 pw",
                "ssh_",
                "ssh_authorized_keys: ssh-ed25519…",
                "ssh_authorized_keys: ssh-ed25519…",
            ),
            (
                "ssh_authorized_keys: pw AAAA",
                "ssh_",
                "ssh_authorized_keys: …",
                "ssh_authorized_keys: …",
            ),
        ] {
            let shown = both(text, meant);
            let shown = (shown.0.as_str(), shown.1.as_str());
            assert_eq!(shown, (of_config, of_text), "{text}");
        }
    }

    #[test]
    fn of_a_text_the_line_that_is_meant_is_shown() {
        let text = r#"{"contents": "[A]\nEnvironment=PASS=x\nExecStart=/b c\nB=d\nPrivateKey=e\nURL=http://u:p@h/\npw"}"#;
        for (meant, shown) in [
            ("[A]", "[A]…"),
            ("Environment=PASS=x", "Environment=······…"),
            ("ExecStart=/b c", "ExecStart=/b··…"),
            ("B=d", "B=d…"),
            ("PrivateKey=e", "PrivateKey=·…"),
            ("URL=http://u:p@h/", "URL=http://······…"),
            ("pw", "··"),
        ] {
            let before = text.find(meant).unwrap() - r#"{"contents": ""#.len();
            let expected = format!("{{\"contents\": \"{}{shown}\"}}", "·".repeat(before));
            assert_eq!(both(text, meant).0, expected, "{meant}");
        }
        let (all, _) = both(text, &text[13..text.len() - 1]);
        assert_eq!(
            all,
            format!("{{\"contents\": \"{}\"}}", "·".repeat(text.len() - 16))
        );
        assert_eq!(both(text, "{").0, "{\"contents\": \"…\"}");
    }

    #[test]
    fn half_a_config_is_no_key() {
        assert_eq!(key("pass_word-1.é"), "\"pass_word-1.é\"");
        assert_eq!(key("a\": \"pw"), "of 7 characters");
        assert_eq!(key(&"a".repeat(1000)), "of 1000 characters");
    }
}
