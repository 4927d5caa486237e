use super::*;
use crate::config;
use crate::dataurl;
use crate::diag::Sources;

/// Paths and contents of files, and what is said.
fn files(entries: &str) -> (Vec<(String, String)>, String) {
    let mut sources = Sources::default();
    let text = format!("#cloud-config\nwrite_files:\n{entries}");
    let parsed = config::read(&mut sources, "c", text.as_bytes());
    let files = parsed.config.map(|config| config.storage.files);
    let file = |file: &v3::File| {
        let source = file
            .contents
            .source
            .as_ref()
            .or(file.append.0.first()?.source.as_ref());
        let bytes = dataurl::decode(&source?.value).ok()?;
        Some((
            file.path.as_ref()?.value.clone(),
            String::from_utf8(bytes).ok()?,
        ))
    };
    let whole = |file: &v3::File| {
        let bytes = dataurl::decode(&file.contents.source.as_ref()?.value).ok()?;
        Some((
            file.path.as_ref()?.value.clone(),
            String::from_utf8(bytes).ok()?,
        ))
    };
    let files = files.unwrap_or_default();
    let files = files
        .iter()
        .filter_map(|one| whole(one).or_else(|| file(one)));
    (files.collect(), parsed.report.render(&sources))
}

/// The line by which systemd-tmpfiles makes the file.
fn line(entries: &str) -> String {
    let (files, said) = files(entries);
    let conf = files.iter().find(|(path, _)| path == CONF);
    let conf = &conf
        .unwrap_or_else(|| panic!("{entries}: {files:?} {said}"))
        .1;
    assert!(said.contains("hint: "), "{said}");
    conf.lines().skip(1).collect::<Vec<_>>().join("\n")
}

#[test]
fn files_where_every_boot_begins_with_nothing_are_made_in_every_boot() {
    const KEPT: &str = "/var/lib/pilotlight/volatile";
    for (entry, expected) in [
        ("- {path: /run/a, content: x}", "C /run/a 0644 root root - "),
        (
            "- {path: /var/run/a, content: x}",
            "C /run/a 0644 root root - ",
        ),
        (
            "- {path: /run/a/b.env, content: x, permissions: '0600'}",
            "C /run/a/b.env 0600 root root - ",
        ),
        (
            "- {path: /run//a/../b, content: x, owner: core}",
            "C /run/b 0644 core root - ",
        ),
        (
            "- {path: /run/a, content: x, owner: 'core:docker', permissions: 0640}",
            "C /run/a 0640 core docker - ",
        ),
        (
            "- {path: /run/a, content: x, owner: '500:7'}",
            "C /run/a 0644 500 7 - ",
        ),
        (
            "- {path: /tmp/setup.sh, content: x, permissions: '0755'}",
            "C /tmp/setup.sh 0755 root root - ",
        ),
        (
            "- {path: /dev/shm/a, content: x}",
            "C /dev/shm/a 0644 root root - ",
        ),
        (
            "- {path: '/run/a b', content: x}",
            "C \"/run/a b\" 0644 root root - ",
        ),
        (
            "- {path: '/run/50%', content: x}",
            "C \"/run/50%%\" 0644 root root - ",
        ),
        (
            "- {path: '/run/a\"b\\c', content: x}",
            "C \"/run/a\\\"b\\\\c\" 0644 root root - ",
        ),
        (
            "- {path: /run/a, content: eA==, encoding: b64}",
            "C /run/a 0644 root root - ",
        ),
        (
            "- {path: /run/a, content: x, append: true}",
            "C /run/a 0644 root root - ",
        ),
    ] {
        assert_eq!(line(entry), format!("{expected}{KEPT}/1"), "{entry}");
        let (files, _) = files(entry);
        assert!(
            files.contains(&(format!("{KEPT}/1"), "x".into())),
            "{entry}: {files:?}"
        );
    }
    assert_eq!(
        line(
            "- {path: /run/a, content: x}\n- {path: /run/b, content: y}\n- {path: /run/a, content: z, permissions: '0600'}"
        ),
        format!("C /run/a 0600 root root - {KEPT}/1\nC /run/b 0644 root root - {KEPT}/2")
    );
}

#[test]
fn what_means_the_same_in_etc_is_written_there() {
    for (path, expected) in [
        (
            "/run/systemd/network/10-a.network",
            "/etc/systemd/network/10-a.network",
        ),
        (
            "/run/systemd/system/a.service",
            "/etc/systemd/system/a.service",
        ),
        (
            "/var/run/systemd/system/a.service.d/x.conf",
            "/etc/systemd/system/a.service.d/x.conf",
        ),
        (
            "/run/systemd/resolved.conf.d/x.conf",
            "/etc/systemd/resolved.conf.d/x.conf",
        ),
        ("/run/udev/rules.d/a.rules", "/etc/udev/rules.d/a.rules"),
        ("/run/sysctl.d/a.conf", "/etc/sysctl.d/a.conf"),
        ("/run/modprobe.d/a.conf", "/etc/modprobe.d/a.conf"),
        ("/run/tmpfiles.d/a.conf", "/etc/tmpfiles.d/a.conf"),
    ] {
        let (files, said) = files(&format!("- {{path: {path}, content: x}}"));
        assert_eq!(files, [(expected.to_owned(), "x".to_owned())], "{said}");
        assert!(said.contains("hint: the file is written to /etc"), "{said}");
    }
}

#[test]
fn what_stays_is_written_where_it_is_wanted() {
    for path in [
        "/runner/a",
        "/etc/run/a",
        "/var/running/a",
        "/tmpfiles/a",
        "/var/tmp/a",
        "/opt/run",
    ] {
        let (files, said) = files(&format!("- {{path: {path}, content: x}}"));
        assert_eq!(files, [(path.to_owned(), "x".to_owned())]);
        assert_eq!(said, "");
    }
}
