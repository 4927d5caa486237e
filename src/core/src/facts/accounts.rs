//! Groups and users of the sysroot, as its own files have them.
//!
//! The formats are those of passwd(5), group(5), shadow(5), gshadow(5), login.defs(5) and useradd(8).
//! Lines that do not fit are skipped, as the C library skips them: an image with one odd line still
//! boots. Password hashes never enter the facts, only digests of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::facts::unfinished_accounts::Before;
use crate::hex;
use crate::model::{Config, Owner};
use crate::ordered::{Arrange as _, Gather as _};

/// The files that accounts are read from; `None` where the sysroot has no such file.
///
/// They are read whole: the caller bounds their size and fails where a file is longer, because an
/// account that was cut off would be made a second time.
#[derive(Clone, Copy, Default)]
pub struct Texts<'a> {
    /// `/etc/passwd`
    pub passwd: Option<&'a [u8]>,
    /// `/etc/group`
    pub group: Option<&'a [u8]>,
    /// `/etc/shadow`
    pub shadow: Option<&'a [u8]>,
    /// `/etc/gshadow`
    pub gshadow: Option<&'a [u8]>,
    /// `/etc/login.defs`
    pub login_defs: Option<&'a [u8]>,
    /// `/etc/default/useradd`
    pub useradd: Option<&'a [u8]>,
    /// The image's own users, beside /etc: the files that [`beside`] names, in its order.
    pub users_beside: &'a [Vec<u8>],
    /// The image's own groups.
    pub groups_beside: &'a [Vec<u8>],
}

/// The files besides /etc that the name service reads users (`passwd`) or groups (`group`) of, by the text of
/// `/etc/nsswitch.conf` (nsswitch.conf(5)): those of nss-altfiles, and Flatcar's.
///
/// Without a line for them the file of nss-altfiles counts where there is one: nothing else reads it.
pub fn beside(database: &str, nsswitch: Option<&[u8]>) -> Vec<&'static str> {
    let of = |service: &str| match (service, database) {
        ("altfiles", "passwd") => Some("/usr/lib/passwd"),
        ("altfiles", "group") => Some("/usr/lib/group"),
        ("usrfiles", "passwd") => Some("/usr/share/baselayout/passwd"),
        ("usrfiles", "group") => Some("/usr/share/baselayout/group"),
        _ => None,
    };
    let mut found = None;
    for line in lines(nsswitch) {
        let line = line.split('#').next().unwrap_or_default();
        if let Some((name, services)) = line.split_once(':')
            && name.trim() == database
        {
            found = Some(services.to_string());
        }
    }
    let services = found.unwrap_or_else(|| "altfiles".into());
    let mut list = Vec::new();
    for path in services.split_whitespace().filter_map(of) {
        if !list.contains(&path) {
            list.push(path);
        }
    }
    list
}

/// Groups and users of the sysroot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accounts {
    /// Users by name.
    pub users: BTreeMap<String, User>,
    /// Groups by name.
    pub groups: BTreeMap<String, Group>,
    /// What useradd does where it is not told.
    pub defaults: Defaults,
    /// Lines of users that stand beside /etc and not in it, where no tool changes them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub users_beside: BTreeMap<String, String>,
    /// Lines of groups that stand beside /etc and not in it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups_beside: BTreeMap<String, String>,
    /// What an earlier run was cut off at. Users and groups are those of before it, which have to be put back.
    #[serde(skip)]
    pub unfinished: Option<Before>,
}

/// A user. `None` is "not known": absent when observed, not chosen yet when predicted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Number.
    pub uid: Option<u32>,
    /// Number of the main group.
    pub gid: Option<u32>,
    /// Name of the main group where its number is not known yet; observed users have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Full name and the like.
    pub gecos: String,
    /// Home directory as it is written.
    pub home: String,
    /// Login shell.
    pub shell: Option<String>,
    /// SHA-256 of the password field that counts: shadow's where passwd refers to it.
    pub password: Option<String>,
}

/// A group. `None` is "not known": absent when observed, not chosen yet when predicted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Number.
    pub gid: Option<u32>,
    /// Users that it lists; those whose main group it is need not be among them.
    pub members: BTreeSet<String>,
    /// SHA-256 of the password field that counts: gshadow's where there is one.
    pub password: Option<String>,
}

/// What useradd does where it is not told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Defaults {
    /// Directory that home directories are made in: `HOME` of `/etc/default/useradd`.
    pub home_base: String,
    /// Login shell: `SHELL` of `/etc/default/useradd`; else the program's own, which differs.
    pub shell: Option<String>,
    /// Main group of users without one of their own: `GROUP` of `/etc/default/useradd`, as written.
    pub group: Option<String>,
    /// Whether a user gets a group of its name, and loses it: `USERGROUPS_ENAB` of login.defs.
    pub user_groups: bool,
    /// Directory of which new home directories are copies: `SKEL` of `/etc/default/useradd`.
    pub skeleton: String,
    /// Directory of mailboxes: `MAIL_DIR` of login.defs; else the program's own, which differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail: Option<String>,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            home_base: "/home".into(),
            shell: None,
            group: None,
            user_groups: false,
            skeleton: "/etc/skel".into(),
            mail: None,
        }
    }
}

/// The digest by which password fields are compared: SHA-256 in hexadecimal digits.
pub fn password_digest(field: &str) -> String {
    hex::encode(&Sha256::digest(field.as_bytes()))
}

/// What passwd and group hold in place of a password that stands in the shadow file.
const SHADOWED: &str = "x";

impl Accounts {
    /// Reads the sysroot's files.
    pub fn parse(texts: &Texts<'_>) -> Self {
        let shadow = passwords(texts.shadow);
        let gshadow = passwords(texts.gshadow);
        let mut accounts = Self {
            defaults: Defaults::parse(texts),
            ..Self::default()
        };
        for line in lines(texts.passwd) {
            if let Some((name, user)) = user(&line, &shadow) {
                // The first line of a name is the one that getpwnam(3) finds.
                accounts.users.entry(name).or_insert(user);
            }
        }
        for line in lines(texts.group) {
            if let Some((name, group)) = group(&line, &gshadow) {
                accounts.groups.entry(name).or_insert(group);
            }
        }
        for line in texts.users_beside.iter().flat_map(|text| lines(Some(text))) {
            if let Some((name, user)) = user(&line, &shadow)
                && !accounts.users.contains_key(&name)
            {
                accounts.users_beside.insert(name.clone(), line.to_string());
                accounts.users.insert(name, user);
            }
        }
        for line in texts
            .groups_beside
            .iter()
            .flat_map(|text| lines(Some(text)))
        {
            if let Some((name, group)) = group(&line, &gshadow)
                && !accounts.groups.contains_key(&name)
            {
                accounts
                    .groups_beside
                    .insert(name.clone(), line.to_string());
                accounts.groups.insert(name, group);
            }
        }
        accounts
    }

    /// Accounts of a root that is not there: root, and every group that the config adds users to without
    /// making it, because an image brings such groups.
    pub fn assumed(config: &Config) -> Self {
        let mut passwd = String::from("root:x:0:0:root:/root:/bin/sh\n");
        let mut group = String::from("root:x:0:\n");
        let made = |name: &str| config.groups.iter().any(|group| group.name == name);
        let named = config
            .users
            .iter()
            .flat_map(|user| user.groups.iter().chain(&user.primary_group));
        let mut assumed: Vec<&String> = named
            .filter(|name| !made(name) && *name != "root")
            .collect();
        assumed.arrange();
        assumed.dedup();
        for (name, gid) in assumed.into_iter().zip(100..) {
            group.push_str(&format!("{name}:x:{gid}:\n"));
        }
        let owners = config
            .files
            .iter()
            .filter_map(|file| file.inode.user.as_ref());
        for (owner, uid) in owners.zip(100..) {
            if let Owner::Name(name) = owner
                && !config.users.iter().any(|user| user.name == *name)
                && name != "root"
            {
                passwd.push_str(&format!("{name}:x:{uid}:0::/:/bin/sh\n"));
            }
        }
        Self::parse(&Texts {
            passwd: Some(passwd.as_bytes()),
            group: Some(group.as_bytes()),
            shadow: None,
            gshadow: None,
            login_defs: Some(b"USERGROUPS_ENAB yes\n"),
            ..Texts::default()
        })
    }

    /// The user of a name.
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.get(name)
    }

    /// The group of a name.
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.get(name)
    }

    /// The group that useradd and usermod mean: digits are a number and never a name.
    pub fn group_named_or_numbered(&self, text: &str) -> Option<(&str, &Group)> {
        let found = match text.parse::<u32>() {
            Ok(gid) => self.groups.iter().find(|(_, group)| group.gid == Some(gid)),
            Err(_) => self.groups.get_key_value(text),
        };
        found.map(|(name, group)| (name.as_str(), group))
    }

    /// The user that has a number.
    pub fn user_by_uid(&self, uid: u32) -> Option<&str> {
        self.users
            .iter()
            .find(|(_, user)| user.uid == Some(uid))
            .map(|(name, _)| name.as_str())
    }

    /// The group that has a number.
    pub fn group_by_gid(&self, gid: u32) -> Option<&str> {
        self.groups
            .iter()
            .find(|(_, group)| group.gid == Some(gid))
            .map(|(name, _)| name.as_str())
    }

    /// The groups that list a user.
    pub fn groups_of(&self, user: &str) -> BTreeSet<&str> {
        self.groups
            .iter()
            .filter(|(_, group)| group.members.contains(user))
            .map(|(name, _)| name.as_str())
            .gather()
    }

    /// Whether a group is the main group of a user.
    pub fn is_main_group(&self, group: &str, user: &str) -> bool {
        let (Some(group_facts), Some(user)) = (self.group(group), self.user(user)) else {
            return false;
        };
        match user.gid {
            Some(gid) => group_facts.gid == Some(gid),
            None => user.group.as_deref() == Some(group),
        }
    }

    /// A user whose main group it is.
    pub fn user_of_main_group(&self, group: &str) -> Option<&str> {
        self.users
            .keys()
            .find(|user| self.is_main_group(group, user))
            .map(String::as_str)
    }

    /// Whether this observation is what was predicted; what the prediction left open fits anything.
    pub fn agrees_with(&self, predicted: &Accounts) -> bool {
        fn open<T: PartialEq>(seen: &Option<T>, predicted: &Option<T>) -> bool {
            predicted.is_none() || seen == predicted
        }
        let users = |name: &String, user: &User| {
            self.user(name).is_some_and(|seen| {
                open(&seen.uid, &user.uid)
                    && open(&seen.gid, &user.gid)
                    && seen.gecos == user.gecos
                    && seen.home == user.home
                    && open(&seen.shell, &user.shell)
                    && open(&seen.password, &user.password)
                    && user
                        .group
                        .as_deref()
                        .is_none_or(|group| user.gid.is_some() || self.is_main_group(group, name))
            })
        };
        let groups = |name: &String, group: &Group| {
            self.group(name).is_some_and(|seen| {
                open(&seen.gid, &group.gid)
                    && seen.members == group.members
                    && open(&seen.password, &group.password)
            })
        };
        self.users.len() == predicted.users.len()
            && self.groups.len() == predicted.groups.len()
            && predicted.users.iter().all(|(name, user)| users(name, user))
            && predicted
                .groups
                .iter()
                .all(|(name, group)| groups(name, group))
    }
}

/// A line of passwd(5).
fn user(line: &str, shadow: &BTreeMap<String, String>) -> Option<(String, User)> {
    let mut fields = line.split(':');
    let (name, password) = (fields.next()?, fields.next()?);
    let (uid, gid) = (number(fields.next())?, number(fields.next())?);
    let mut text = || fields.next().unwrap_or_default().to_string();
    let user = User {
        uid: Some(uid),
        gid: Some(gid),
        group: None,
        gecos: text(),
        home: text(),
        shell: Some(text()),
        password: match password {
            SHADOWED => shadow.get(name).map(|field| password_digest(field)),
            field => Some(password_digest(field)),
        },
    };
    Some((name.into(), user))
}

/// A line of group(5).
fn group(line: &str, gshadow: &BTreeMap<String, String>) -> Option<(String, Group)> {
    let mut fields = line.split(':');
    let (name, password) = (fields.next()?, fields.next()?);
    let gid = number(fields.next())?;
    let members = fields.next().unwrap_or_default();
    let password = match (password, gshadow.get(name)) {
        (_, Some(field)) => Some(password_digest(field)),
        (SHADOWED, None) => None,
        (field, None) => Some(password_digest(field)),
    };
    let group = Group {
        gid: Some(gid),
        members: members
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(String::from)
            .gather(),
        password,
    };
    Some((name.into(), group))
}

impl Defaults {
    fn parse(texts: &Texts<'_>) -> Self {
        let mut defaults = Self::default();
        for line in lines(texts.useradd) {
            match line.split_once('=') {
                Some(("HOME", value)) => defaults.home_base = value.into(),
                Some(("SHELL", value)) => defaults.shell = Some(value.into()),
                Some(("GROUP", value)) => defaults.group = Some(value.into()),
                Some(("SKEL", value)) if !value.is_empty() => defaults.skeleton = value.into(),
                _ => {}
            }
        }
        for line in lines(texts.login_defs) {
            let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
            let (key, value) = (words.next(), words.next().unwrap_or_default());
            let value = value.trim_matches('"');
            match key {
                Some("USERGROUPS_ENAB") => {
                    defaults.user_groups = value.eq_ignore_ascii_case("yes");
                }
                Some("MAIL_DIR") => defaults.mail = Some(value.into()),
                _ => {}
            }
        }
        defaults
    }
}

/// Name → password field of shadow or gshadow; the first line of a name counts.
fn passwords(text: Option<&[u8]>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for line in lines(text) {
        let mut fields = line.split(':');
        if let (Some(name), Some(field)) = (fields.next(), fields.next()) {
            found.entry(name.into()).or_insert_with(|| field.into());
        }
    }
    found
}

/// Lines that say something; `+` and `-` begin entries that the long gone NIS would fill in.
fn lines(text: Option<&[u8]>) -> impl Iterator<Item = String> {
    text.unwrap_or_default()
        .split(|byte| *byte == b'\n')
        .map(|line| String::from_utf8_lossy(line).trim_start().to_string())
        .filter(|line| !line.is_empty() && !line.starts_with(['#', '+', '-', ':']))
}

fn number(field: Option<&str>) -> Option<u32> {
    field?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/bash\n\
        core:x:500:500:CoreOS Admin:/home/core:/bin/bash\n\
        core:x:501:501:second:/:/bin/false\n\
        odd line\n# comment:x:1:1:::\n+::::::\nbig:x:99999999999:1:::\nneg:x:-1:1:::\n:x:5:5:::\n\
        short:*:7:8\nl\xffatin:x:9:9:::\n\
        ex\0tra:!:10:10:g:h:s:more:and more";
    const GROUP: &[u8] = b"root:x:0:\nwheel:x:10:core, root,,core\nbad:x::\nplain:!:11:\n";

    fn parse() -> Accounts {
        Accounts::parse(&Texts {
            passwd: Some(PASSWD),
            group: Some(GROUP),
            shadow: Some(b"root:*:1::::::\ncore:$6$hash:1::::::\ncore:other:\nodd\n"),
            gshadow: Some(b"wheel:!::core\n"),
            login_defs: Some(b"# USERGROUPS_ENAB no\nUSERGROUPS_ENAB \t yes\nMAIL_DIR /mail\n"),
            useradd: Some(b"# useradd\nGROUP=100\nHOME=/var/home\nSHELL=/bin/zsh\nSKEL\nSKEL=\n"),
            ..Texts::default()
        })
    }

    #[test]
    fn odd_lines_are_skipped_and_the_first_of_a_name_counts() {
        let accounts = parse();
        let names: Vec<&str> = accounts.users.keys().map(String::as_str).collect();
        assert_eq!(names, ["core", "ex\0tra", "l\u{fffd}atin", "root", "short"]);
        let core = accounts.user("core").unwrap();
        assert_eq!((core.uid, core.gid), (Some(500), Some(500)));
        assert_eq!(core.gecos, "CoreOS Admin");
        assert_eq!(core.home, "/home/core");
        let names: Vec<&str> = accounts.groups.keys().map(String::as_str).collect();
        assert_eq!(names, ["plain", "root", "wheel"]);
        assert_eq!(accounts.groups_of("core"), ["wheel"].into());
        assert_eq!(accounts.groups_of("root"), ["wheel"].into());
    }

    #[test]
    fn the_password_field_that_counts_is_kept_as_a_digest() {
        let accounts = parse();
        let password = |name: &str| accounts.user(name).unwrap().password.clone();
        assert_eq!(password("root"), Some(password_digest("*")));
        assert_eq!(password("core"), Some(password_digest("$6$hash")));
        assert_eq!(password("short"), Some(password_digest("*")));
        assert_eq!(password("l\u{fffd}atin"), None);
        let group = |name: &str| accounts.group(name).unwrap().password.clone();
        assert_eq!(group("wheel"), Some(password_digest("!")));
        assert_eq!(group("root"), None);
        assert_eq!(group("plain"), Some(password_digest("!")));
        assert!(!format!("{accounts:?}").contains("$6$hash"));
        assert!(
            !serde_json::to_string(&accounts)
                .unwrap()
                .contains("$6$hash")
        );
    }

    #[test]
    fn the_defaults_of_useradd_are_the_sysroots() {
        let defaults = parse().defaults;
        assert_eq!(defaults.home_base, "/var/home");
        assert_eq!(defaults.shell.as_deref(), Some("/bin/zsh"));
        assert_eq!(defaults.group.as_deref(), Some("100"));
        assert!(defaults.user_groups);
        assert_eq!(defaults.skeleton, "/etc/skel");
        assert_eq!(defaults.mail.as_deref(), Some("/mail"));
        let useradd = Some(&b"SKEL=/usr/share/skel\n"[..]);
        let other = Accounts::parse(&Texts {
            useradd,
            ..Texts::default()
        });
        assert_eq!(other.defaults.skeleton, "/usr/share/skel");
        assert_eq!(Accounts::parse(&Texts::default()), Accounts::default());
    }

    #[test]
    fn groups_are_found_by_number_where_digits_stand() {
        let accounts = parse();
        let name = |text: &str| accounts.group_named_or_numbered(text).map(|(name, _)| name);
        assert_eq!(name("10"), Some("wheel"));
        assert_eq!(name("wheel"), Some("wheel"));
        assert_eq!(name("12"), None);
    }

    #[test]
    fn an_observation_fits_what_a_prediction_leaves_open_and_nothing_else() {
        let seen = parse();
        let mut predicted = seen.clone();
        let core = predicted.users.get_mut("core").unwrap();
        (core.uid, core.gid, core.shell, core.password) = (None, None, None, None);
        predicted.groups.get_mut("wheel").unwrap().gid = None;
        assert!(seen.agrees_with(&predicted));
        assert!(!predicted.agrees_with(&seen));

        predicted.users.get_mut("core").unwrap().group = Some("wheel".into());
        assert!(!seen.agrees_with(&predicted), "the main group is another");
        predicted = seen.clone();
        predicted.users.get_mut("core").unwrap().home = "/".into();
        assert!(!seen.agrees_with(&predicted));
        predicted = seen.clone();
        predicted.groups.remove("plain");
        assert!(!seen.agrees_with(&predicted));
    }

    #[test]
    fn the_name_service_says_which_files_count_beside_etc() {
        let lib = &["/usr/lib/passwd"][..];
        let flatcar = &["/usr/share/baselayout/passwd"][..];
        let table: &[(Option<&str>, &[&str])] = &[
            (None, lib),
            (Some(""), lib),
            (Some("hosts: files dns\n"), lib),
            (Some("passwd: files altfiles\n"), lib),
            (Some("passwd:altfiles files"), lib),
            (Some("  passwd :  files   altfiles  systemd"), lib),
            (Some("passwd: files [SUCCESS=merge] altfiles"), lib),
            (Some("passwd: files usrfiles systemd\n"), flatcar),
            (Some("passwd: altfiles altfiles"), lib),
            (
                Some("passwd: files altfiles usrfiles"),
                &["/usr/lib/passwd", "/usr/share/baselayout/passwd"],
            ),
            (Some("passwd: files systemd\n"), &[]),
            (Some("passwd: files # altfiles\n"), &[]),
            (Some("#passwd: files\npasswd: files\n"), &[]),
            (Some("passwd: files\ngroup: files altfiles\n"), &[]),
            (Some("passwd:"), &[]),
            (Some("passwd: files\npasswd: altfiles\n"), lib),
        ];
        for (text, expected) in table {
            let found = beside("passwd", text.map(str::as_bytes));
            assert_eq!(found, *expected, "{text:?}");
        }
        assert_eq!(beside("group", None), ["/usr/lib/group"]);
        assert!(beside("shadow", Some(b"shadow: altfiles")).is_empty());
    }

    #[test]
    fn what_stands_in_etc_hides_what_stands_beside() {
        let beside = [
            b"root:x:7:7::/:\ncore:x:500:600:Image:/home/core:/bin/sh\n".to_vec(),
            b"core:x:1:1:::\nother:x:8:9:::\n".to_vec(),
        ];
        let accounts = Accounts::parse(&Texts {
            passwd: Some(b"root:x:0:0:root:/root:/bin/bash\n"),
            group: Some(b"wheel:x:10:\n"),
            users_beside: &beside,
            groups_beside: &[b"wheel:x:11:\nusers2:x:777:core\nbad line\n".to_vec()],
            ..Texts::default()
        });
        let uid = |name: &str| accounts.user(name).and_then(|user| user.uid);
        assert_eq!(
            ["root", "core", "other"].map(uid),
            [Some(0), Some(500), Some(8)]
        );
        let gid = |name: &str| accounts.group(name).and_then(|group| group.gid);
        assert_eq!(
            ["wheel", "users2", "bad line"].map(gid),
            [Some(10), Some(777), None]
        );
        assert_eq!(accounts.groups_of("core"), ["users2"].into());
        let names: Vec<&String> = accounts.users_beside.keys().collect();
        assert_eq!(names, ["core", "other"]);
        assert_eq!(accounts.groups_beside["users2"], "users2:x:777:core");
    }

    #[test]
    fn no_bytes_make_it_fail() {
        for text in [
            &b"\xff\xfe:\xff"[..],
            b":::::::::",
            &[b':'; 100_000],
            &[0; 4096],
        ] {
            let _ = Accounts::parse(&Texts {
                passwd: Some(text),
                group: Some(text),
                shadow: Some(text),
                gshadow: Some(text),
                login_defs: Some(text),
                useradd: Some(text),
                users_beside: &[text.to_vec()],
                groups_beside: &[text.to_vec()],
            });
        }
    }
}
