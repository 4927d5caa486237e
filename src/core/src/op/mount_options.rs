//! Mount options as mount(8) and systemd.mount(5) document them: some belong to the mount, some to whoever
//! reads fstab, and only the rest to the file system.

/// Options, sorted by whose they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MountOptions {
    /// Attributes of the mount (mount_setattr(2)) that are set.
    pub attributes: Vec<MountAttribute>,
    /// When access times are written; `None` is the kernel's default, relatime.
    pub access_times: Option<AccessTimes>,
    /// Options of the file system, as given: `key` or `key=value`.
    pub of_filesystem: Vec<String>,
}

/// An attribute of a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MountAttribute {
    /// `ro`
    ReadOnly,
    /// `nosuid`
    NoSuid,
    /// `nodev`
    NoDev,
    /// `noexec`
    NoExec,
    /// `nodiratime`
    NoDirectoryAccessTimes,
    /// `nosymfollow`
    NoSymlinks,
}

/// When access times are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessTimes {
    /// `noatime`
    Never,
    /// `relatime`
    Relative,
    /// `strictatime`
    Always,
}

/// What tells mount(8), systemd and fstab generators what to do, and the kernel nothing.
const OF_USER_SPACE: &[&str] = &[
    "", "defaults", "auto", "noauto", "nofail", "_netdev", "user", "nouser", "users", "owner",
    "group", "loop", "silent", "loud",
];
/// The same, with a value or a name behind.
const OF_USER_SPACE_WITH: &[&str] = &[
    "x-",
    "X-",
    "comment=",
    "loop=",
    "offset=",
    "sizelimit=",
    "helper=",
    "uhelper=",
];

/// An attribute's two spellings: the one that sets it, and the one that takes it back.
const ATTRIBUTES: &[(&str, &str, MountAttribute)] = &[
    ("ro", "rw", MountAttribute::ReadOnly),
    ("nosuid", "suid", MountAttribute::NoSuid),
    ("nodev", "dev", MountAttribute::NoDev),
    ("noexec", "exec", MountAttribute::NoExec),
    (
        "nodiratime",
        "diratime",
        MountAttribute::NoDirectoryAccessTimes,
    ),
    ("nosymfollow", "symfollow", MountAttribute::NoSymlinks),
];

/// When access times are written, by option; what takes it back leaves the kernel's default.
const ACCESS_TIMES: &[(&str, Option<AccessTimes>)] = &[
    ("noatime", Some(AccessTimes::Never)),
    ("atime", None),
    ("relatime", Some(AccessTimes::Relative)),
    ("norelatime", None),
    ("strictatime", Some(AccessTimes::Always)),
    ("nostrictatime", None),
];

/// Sorts options; each entry may hold several with commas between. The last of two that contradict counts.
pub fn mount_options(entries: &[String]) -> MountOptions {
    let mut sorted = MountOptions::default();
    for option in entries.iter().flat_map(|entry| words(entry)) {
        let option = option.as_str();
        let of_mount =
            (ATTRIBUTES.iter()).find(|(set, unset, _)| option == *set || option == *unset);
        if let Some((set, _, attribute)) = of_mount {
            sorted.attributes.retain(|other| other != attribute);
            sorted
                .attributes
                .extend((option == *set).then_some(*attribute));
        } else if let Some((_, times)) = ACCESS_TIMES.iter().find(|(name, _)| option == *name) {
            sorted.access_times = *times;
        } else if !OF_USER_SPACE.contains(&option)
            && !OF_USER_SPACE_WITH
                .iter()
                .any(|start| option.starts_with(start))
        {
            sorted.of_filesystem.push(option.into());
        }
    }
    sorted
}

/// Splits at commas that stand in no quotation marks; the marks are not part of an option.
fn words(entry: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in entry.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => words.push(String::new()),
            // There is always a last word: the list begins with one and only grows.
            c => words
                .iter_mut()
                .last()
                .into_iter()
                .for_each(|word| word.push(c)),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(text: &str) -> MountOptions {
        mount_options(&[text.to_string()])
    }

    #[test]
    fn what_is_not_the_kernels_never_reaches_it() {
        for option in [
            "defaults",
            "auto",
            "noauto",
            "nofail",
            "_netdev",
            "user",
            "users",
            "nouser",
            "owner",
            "group",
            "comment=mine",
            "loop",
            "loop=/dev/loop3",
            "x-systemd.device-timeout=30s",
            "x-systemd.makefs",
            "X-mount.mkdir",
            "rw",
            "exec",
            "dev",
            "suid",
            "atime",
            "diratime",
            "symfollow",
            "norelatime",
            "",
        ] {
            assert_eq!(sorted(option), MountOptions::default(), "{option}");
        }
    }

    #[test]
    fn attributes_are_the_mounts_and_the_last_of_two_counts() {
        let options = sorted("noexec,ro,nosuid,rw,nodev,noatime,strictatime,nodiratime");
        assert_eq!(
            options.attributes,
            [
                MountAttribute::NoExec,
                MountAttribute::NoSuid,
                MountAttribute::NoDev,
                MountAttribute::NoDirectoryAccessTimes
            ]
        );
        assert_eq!(options.access_times, Some(AccessTimes::Always));
        assert_eq!(sorted("noatime,atime").access_times, None);
    }

    #[test]
    fn the_rest_is_the_file_systems() {
        let entries = [
            "noatime,discard".to_string(),
            "subvol=/a".into(),
            "nofail,data=ordered".into(),
        ];
        assert_eq!(
            mount_options(&entries).of_filesystem,
            ["discard", "subvol=/a", "data=ordered"]
        );
        let context = r#"context="system_u:object_r:tmp_t:s0:c1,c2",discard"#;
        assert_eq!(
            sorted(context).of_filesystem,
            ["context=system_u:object_r:tmp_t:s0:c1,c2", "discard"]
        );
    }
}
