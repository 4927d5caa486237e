//! What is said of entries that make no sense together, and of places that will not last.

use super::tests::{KEY, hints, only, said, storage};

const MOUNT: &str = r#""systemd": {"units": [{"name": "var-lib-x.mount", "contents": "[Mount]\nWhat=/dev/vdb1\nWhere=/var/lib/x\n"}]}"#;

fn file(path: &str) -> String {
    format!(r#"{{"path": "{path}", "contents": {{"source": "data:,"}}}}"#)
}

#[test]
fn entries_below_later_mounts() {
    let with = |storage: &str, units: &str| {
        said("3.4.0", &format!("\"storage\": {{{storage}}},\n{units}"))
    };
    let below = format!("\"files\": [{}]", file("/var/lib/x/y/z"));
    only(
        with(&below, MOUNT),
        "2:32",
        "/var/lib/x/y/z will be hidden: var-lib-x.mount mounts over /var/lib/x",
    );
    only(
        with(r#""directories": [{"path": "/var/lib/x/y"}]"#, MOUNT),
        "2:38",
        "will be hidden",
    );
    only(
        with(
            r#""links": [{"path": "/var/lib/x/y", "target": "z"}]"#,
            MOUNT,
        ),
        "2:32",
        "will be hidden",
    );
    only(
        with(
            &format!(
                r#"{below}, "filesystems": [{{"device": "/dev/a", "format": "ext4", "path": "/var"}}]"#
            ),
            MOUNT,
        ),
        "2:32",
        "will be hidden",
    );
    for (storage, units) in [
        // The mount point itself, and what is beside it.
        (
            r#""directories": [{"path": "/var/lib/x"}, {"path": "/var/lib/xy/z"}]"#.to_string(),
            MOUNT.to_string(),
        ),
        // The file system is mounted while files are written, there or further down.
        (
            format!(
                r#"{below}, "filesystems": [{{"device": "/dev/a", "format": "ext4", "path": "/var/lib/x"}}]"#
            ),
            MOUNT.into(),
        ),
        (
            format!(
                r#"{below}, "filesystems": [{{"device": "/dev/a", "format": "ext4", "path": "/var/lib/x/y"}}]"#
            ),
            MOUNT.into(),
        ),
        // Mounts that show what lies below, mounts of the directory itself, and masked ones.
        (
            below.clone(),
            MOUNT.replace("What=/dev/vdb1", "What=overlay\\nType=overlay"),
        ),
        (
            below.clone(),
            MOUNT.replace("What=/dev/vdb1", "What=/var/lib/x\\nOptions=bind"),
        ),
        (
            below.clone(),
            MOUNT.replace("\"contents\"", "\"mask\": true, \"contents\""),
        ),
    ] {
        let said = with(&storage, &units);
        assert!(said.is_empty(), "{storage} {units}: {said:?}");
    }
}

#[test]
fn keys_below_later_mounts() {
    let home = r#""systemd": {"units": [{"name": "home.mount", "contents": "[Mount]\nWhat=/dev/vdb1\nWhere=/home\n"}]}"#;
    let user =
        |inner: &str| format!("\"passwd\": {{\"users\": [{{\"name\": \"a\"{inner}}}]}},\n{home}");
    only(
        said(
            "3.4.0",
            &user(&format!(", \"sshAuthorizedKeys\": [\"{KEY}\"]")),
        ),
        "2:31",
        "the SSH keys of a in /home/a/.ssh will be hidden",
    );
    assert!(
        said(
            "3.4.0",
            &user(&format!(
                ", \"homeDir\": \"/var/a\", \"sshAuthorizedKeys\": [\"{KEY}\"]"
            ))
        )
        .is_empty()
    );
    assert!(said("3.4.0", &user("")).is_empty());
}

#[test]
fn places_that_do_not_last() {
    for path in [
        "/run/x",
        "/var/run/x",
        "/tmp/a/b",
        "/dev/x",
        "/proc/x",
        "/sys/x",
    ] {
        let top = if path.starts_with("/var") {
            "/var/run"
        } else {
            &path[..path[1..].find('/').unwrap() + 1]
        };
        only(
            storage(&format!("\"files\": [{}]", file(path))),
            "2:32",
            &format!("{path} will not be there: {top} is empty"),
        );
    }
    for path in ["/usr/lib/x", "/lib/x", "/bin/x"] {
        only(
            storage(&format!("\"files\": [{}]", file(path))),
            "2:32",
            "is read-only on Flatcar",
        );
    }
    for path in [
        "/etc/x",
        "/opt/bin/x",
        "/var/tmp/x",
        "/usr/local/bin/x",
        "/usr/share/oem/x",
        "/tmpx/y",
        "/users/x",
        "/home/tmp/x",
        "/var/lib/run/x",
    ] {
        assert!(
            storage(&format!("\"files\": [{}]", file(path))).is_empty(),
            "{path}"
        );
    }
    assert!(storage(r#""directories": [{"path": "/tmp"}]"#).is_empty());
    // On a file system of its own it lasts.
    let own = r#""filesystems": [{"device": "/dev/a", "format": "ext4", "path": "/run/x"}]"#;
    assert!(storage(&format!("\"files\": [{}], {own}", file("/run/x/y"))).is_empty());
}

#[test]
fn file_systems_without_a_mount_unit() {
    let fs = |path: &str, format: &str| {
        format!(
            r#""storage": {{"filesystems": [{{"device": "/dev/vdb", "format": "{format}", "path": "{path}"}}]}}"#
        )
    };
    only(
        hints(&fs("/srv/a-b", "ext4")),
        "2:40",
        r"/srv/a-b will not be mounted after the first boot: the config has no unit srv-a\x2db.mount",
    );
    let with_unit = format!("{}, {MOUNT}", fs("/var/lib/x", "xfs"));
    for config in [
        fs("/", "ext4"),
        fs("/boot", "vfat"),
        fs("/oem", "btrfs"),
        fs("/run/x", "ext4"),
        fs("/srv", "swap"),
        with_unit,
    ] {
        assert!(hints(&config).is_empty(), "{config}");
    }
    for other in ["/etc/fstab", "/etc/systemd/system/srv.mount"] {
        let config = fs("/srv", "ext4").replace(
            "\"filesystems\"",
            &format!("\"files\": [{}], \"filesystems\"", file(other)),
        );
        assert!(hints(&config).is_empty(), "{other}");
    }
}

#[test]
fn two_file_systems_on_one_path() {
    let two = |first: &str, second: &str| {
        storage(&format!(
            "\"filesystems\": [{{\"device\": \"/dev/a\", {first}}}, {{\"device\": \"/dev/b\", {second}}}]"
        ))
    };
    only(
        two(
            r#""format": "ext4", "path": "/var""#,
            r#""format": "xfs", "path": "/var""#,
        ),
        "2:131",
        "two file systems have the path \"/var\"",
    );
    only(
        two(
            r#""format": "ext4", "path": "/var""#,
            r#""format": "xfs", "path": "/var/""#,
        ),
        "2:131",
        "double or final slash",
    );
    assert!(
        two(
            r#""format": "swap", "path": "/var""#,
            r#""format": "swap", "path": "/var""#
        )
        .is_empty()
    );
    assert!(
        two(
            r#""format": "swap", "path": "/var""#,
            r#""format": "ext4", "path": "/var""#
        )
        .is_empty()
    );
    assert!(
        two(
            r#""format": "ext4", "path": "/var""#,
            r#""format": "ext4", "path": "/var/lib""#
        )
        .is_empty()
    );
}

#[test]
fn nobody_can_log_in() {
    let users = |list: &str| hints(&format!("\"passwd\": {{\"users\": [{list}]}}"));
    let hash = format!("$6$salt${}", "a".repeat(86));
    only(
        users(r#"{"name": "root"}, {"name": "a"}"#),
        "2:49",
        "nobody can log in",
    );
    only(
        users(r#"{"name": "a"}, {"name": "b", "shouldExist": false, "sshAuthorizedKeys": ["x"]}"#),
        "2:31",
        "nobody can log in",
    );
    for list in [
        String::new(),
        r#"{"name": "root"}"#.into(),
        r#"{"name": "a", "system": true}"#.into(),
        r#"{"name": "a", "shell": "/sbin/nologin"}"#.into(),
        r#"{"name": "a", "shouldExist": false}"#.into(),
        format!(r#"{{"name": "a", "passwordHash": "{hash}"}}"#),
        format!(r#"{{"name": "a"}}, {{"name": "root", "sshAuthorizedKeys": ["{KEY}"]}}"#),
    ] {
        assert!(users(&list).is_empty(), "{list}");
    }
    let keys_by_file = format!(
        r#""passwd": {{"users": [{{"name": "a"}}]}}, "storage": {{"files": [{}]}}"#,
        file("/home/a/.ssh/authorized_keys")
    );
    assert!(hints(&keys_by_file).is_empty());
    // Other configs may bring the key.
    let parent = said_whole(
        r#"{"ignition": {"version": "3.4.0", "config": {"merge": [{"source": "http://a/"}]}}, "passwd": {"users": [{"name": "a"}]}}"#,
        false,
    );
    assert_eq!(parent, Vec::<String>::new());
    let lone = r#"{"ignition": {"version": "3.4.0"}, "passwd": {"users": [{"name": "a"}]}}"#;
    assert_eq!(said_whole(lone, false).len(), 1);
    assert_eq!(said_whole(lone, true), Vec::<String>::new());
}

fn said_whole(text: &str, part: bool) -> Vec<String> {
    let mut sources = crate::diag::Sources::default();
    let reading = crate::config::Reading {
        part,
        ..crate::config::Reading::default()
    };
    let parsed = crate::config::read_as(&mut sources, "c", text.as_bytes(), reading);
    parsed
        .report
        .items
        .into_iter()
        .map(|item| item.message)
        .collect()
}

#[test]
fn passwords_and_shells() {
    let user = |inner: &str| {
        said(
            "3.4.0",
            &format!("\"passwd\": {{\"users\": [{{\"name\": \"a\", {inner}}}]}}"),
        )
    };
    only(
        user(r#""passwordHash": "hunter2""#),
        "2:52",
        "is no password hash",
    );
    only(user(r#""passwordHash": "$6$salt$cut""#), "2:52", "cut off");
    only(user(r#""passwordHash": "a:b""#), "2:52", "ends a field");
    assert!(!user(r#""passwordHash": "hunter2""#)[0].contains("hunter2"));
    let keys = |shell: &str, key: &str| {
        user(&format!(
            r#""shell": "{shell}", "sshAuthorizedKeys": ["{key}"]"#
        ))
    };
    only(
        keys("/sbin/nologin", KEY),
        "2:31",
        "the shell /sbin/nologin ends every login",
    );
    assert!(keys("/bin/bash", KEY).is_empty());
    assert!(keys("/sbin/nologin", &format!("restrict,port-forwarding {KEY}")).is_empty());
}

#[test]
fn modes_of_directories() {
    let mode = |mode: u32| {
        storage(&format!(
            "\"directories\": [{{\"path\": \"/a\", \"mode\": {mode}}}]"
        ))
    };
    for good in [0o755, 0o700, 0o711, 0o1777 & 0o777, 0] {
        assert!(mode(good).is_empty(), "{good:o}");
    }
    for bad in [0o644, 0o600, 0o666] {
        only(mode(bad), "2:52", "only root can enter");
    }
    only(mode(755), "2:52", "special bits");
    only(mode(644), "2:52", "special bits");
    only(mode(444), "2:52", "is decimal");
}

#[test]
fn kernel_arguments() {
    let arguments = |json: &str| {
        said(
            "3.4.0",
            &format!("\"kernelArguments\": {{\"shouldExist\": [{json}]}}"),
        )
    };
    for good in [
        r#""quiet""#,
        r#""a=b,c""#,
        r#""dyndbg=\"file a.c +p\"""#,
        r#""console=ttyS0 console=tty0""#,
        r#""quiet ""#,
        r#""quiet\n""#,
        r#""a b"], "shouldNotExist": ["a", "b""#,
    ] {
        assert!(arguments(good).is_empty(), "{good}");
    }
    only(
        arguments(r#""a"], "shouldNotExist": ["b a""#),
        "2:37",
        "the kernel argument is asked for and ruled out",
    );
    only(
        arguments(r#""a\nb""#),
        "2:37",
        "a line break or another control character",
    );
}

#[test]
fn urls_and_proxies() {
    let source = |url: &str| {
        storage(&format!(
            r#""files": [{{"path": "/a", "contents": {{"source": "{url}"}}}}]"#
        ))
    };
    for good in [
        "http://u:p@a:80/x",
        "http://[fd00::1]:80/x",
        "https://a/x?y=z#w",
    ] {
        assert!(source(good).is_empty(), "{good}");
    }
    only(source("http://a:0/"), "2:61", "error: the port");
    only(source("http://a b/"), "2:61", "error: the URL's host name");
    only(
        source("http://a/b c"),
        "2:61",
        "warning: the URL holds a space",
    );
    only(
        source("http://a/b\\nc"),
        "2:61",
        "error: the URL holds a line break",
    );
    let proxy = |inner: &str| {
        let text = format!(r#"{{"ignition": {{"version": "3.4.0", "proxy": {{{inner}}}}}}}"#);
        said_whole(&text, false)
    };
    for good in [
        r#""httpProxy": "http://u:p@a:3128""#,
        r#""noProxy": ["a", ".b", "10.0.0.0/8", "*"]"#,
    ] {
        assert!(proxy(good).is_empty(), "{good}");
    }
    for (bad, words) in [
        (r#""httpProxy": "a:3128""#, "HTTP server"),
        (r#""httpsProxy": "http://a:x""#, "port"),
        (r#""httpsProxy": "http://a..b""#, "empty part"),
        (r#""noProxy": ["http://a"]"#, "not a URL"),
    ] {
        let said = proxy(bad);
        assert!(
            said.len() == 1 && said[0].contains(words),
            "{bad}: {said:?}"
        );
    }
    let tang = |url: &str| {
        storage(&format!(
            r#""luks": [{{"name": "l", "device": "/dev/a", "clevis": {{"tang": [{{"url": "{url}", "thumbprint": "x"}}]}}}}]"#
        ))
    };
    assert!(tang("http://a:7500").is_empty());
    only(tang("a:7500"), "2:84", "http or https");
    only(tang("http://a:75000"), "2:84", "port");
}

#[test]
fn only_people_are_missed_who_cannot_log_in() {
    let nobody = "nobody can log in, unless the platform brings keys";
    let hinted = |section: &str| {
        let found = hints(section);
        found.iter().any(|line| line.contains(nobody))
    };
    let users = |list: &str| format!("\"passwd\": {{\"users\": [{list}]}}");
    let storage = |inner: &str| format!("\"storage\": {{{inner}}}");
    for (section, expected) in [
        (users(r#"{"name": "a"}"#), true),
        (users(r#"{"name": "a", "noCreateHome": true}"#), false),
        (users(r#"{"name": "a", "system": true}"#), false),
        (users(r#"{"name": "a", "passwordHash": "!"}"#), false),
        (users(r#"{"name": "a", "shell": "/sbin/nologin"}"#), false),
        (
            users(r#"{"name": "a", "noCreateHome": true}, {"name": "b"}"#),
            true,
        ),
        // Parts of a config, and whole ones.
        (
            storage(&format!("\"files\": [{}]", file("/etc/motd"))),
            false,
        ),
        (
            format!(
                "{},\n{MOUNT}",
                storage(&format!("\"files\": [{}]", file("/etc/hostname")))
            ),
            true,
        ),
        (
            storage(r#""disks": [{"device": "/dev/vdb", "wipeTable": true}]"#),
            false,
        ),
        (
            format!(
                "{},\n{}",
                storage(&format!("\"files\": [{}]", file("/etc/hostname"))),
                users(r#"{"name": "svc", "noCreateHome": true}"#)
            ),
            false,
        ),
    ] {
        assert_eq!(hinted(&section), expected, "{section}");
    }
}

#[test]
fn what_a_merged_config_leaves_standing_is_said_where_it_stands() {
    use crate::config;
    use crate::diag::{Report, Sources};
    use crate::merge;
    use crate::validate::{Stage, lower};

    let of = |contents: &str| {
        format!(
            "{{\"ignition\": {{\"version\": \"3.4.0\"}}, \"storage\": {{\"files\": [{{\"path\": \"/a\",\n\"contents\": {{{contents}}}}}]}}}}"
        )
    };
    let hash = "sha256-e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    for (parent, child, expected) in [
        (
            r#""source": "http://h/", "compression": "gzip""#.to_string(),
            r#""source": "data:,a""#,
            Some(
                "parent:2:52: error: the compression is of contents that a merged config has replaced",
            ),
        ),
        (
            format!(r#""source": "http://h/", "verification": {{"hash": "{hash}"}}"#),
            r#""source": "data:,a""#,
            Some("parent:2:62: error: the hash is of contents that a merged config has replaced"),
        ),
        (
            format!(r#""source": "http://h/", "verification": {{"hash": "{hash}"}}"#),
            r#""source": "data:,""#,
            None,
        ),
        (
            r#""source": "http://h/", "compression": "gzip""#.into(),
            r#""source": "data:,a", "compression": """#,
            None,
        ),
        (
            r#""source": "http://h/", "compression": "gzip""#.into(),
            r#""source": "http://i/""#,
            None,
        ),
    ] {
        let mut sources = Sources::default();
        let mut read = |name: &str, contents: &str| {
            let text = of(contents);
            config::read(&mut sources, name, text.as_bytes())
                .config
                .unwrap()
        };
        let merged = merge::configs(read("parent", &parent), read("child", child));
        let mut report = Report::default();
        lower(&merged, Stage::Merged, &mut report);
        let said = report.render(&sources);
        match expected {
            Some(expected) => {
                assert!(said.starts_with(expected), "{said}");
                assert!(
                    said.contains("the new contents are at: child:2:24"),
                    "{said}"
                );
            }
            None => assert_eq!(said, "", "{parent} {child}"),
        }
    }
}
