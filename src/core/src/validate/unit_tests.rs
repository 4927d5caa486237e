//! What is said of units and their texts, checked against `systemd-analyze verify` of systemd 252.

use super::tests::said;

/// What is said of units given as name and text.
fn units(units: &[(&str, &str)]) -> Vec<String> {
    let units: Vec<serde_json::Value> = (units.iter())
        .map(|(name, text)| serde_json::json!({"name": name, "contents": text}))
        .collect();
    said(
        "3.4.0",
        &format!("\"systemd\": {{\"units\": {}}}", serde_json::json!(units)),
    )
}

fn unit(json: &str) -> Vec<String> {
    said("3.4.0", &format!("\"systemd\": {{\"units\": [{json}]}}"))
}

#[track_caller]
fn good(name: &str, text: &str) {
    let said = units(&[(name, text)]);
    assert!(said.is_empty(), "{name} {text:?}: {said:#?}");
}

#[track_caller]
fn bad(name: &str, text: &str, words: &str) {
    let said = units(&[(name, text)]);
    assert_eq!(said.len(), 1, "{name} {text:?}: {said:#?}");
    assert!(said[0].contains(": warning: "), "{said:?}");
    assert!(said[0].contains(words), "{said:?} lacks {words:?}");
}

/// A service whose [Service] has these lines besides a good ExecStart=.
fn service(lines: &str) -> String {
    format!("[Service]\nExecStart=/bin/true\n{lines}")
}

#[test]
fn sections() {
    good(
        "a.service",
        &service("[X-Any]\na=b\n[Unit]\nX-Key=1\n[Install]\n"),
    );
    good(
        "a.target",
        "[Unit]\nDescription=x\n[Install]\nWantedBy=multi-user.target\n",
    );
    good("a.slice", "[Slice]\nMemoryMax=1G\n");
    bad(
        "a.service",
        &service("[Instal]\nx=y\n"),
        "line 3 of the unit's text: systemd ignores the section [Instal]",
    );
    bad("a.service", &service("[install]\n"), "[install]");
    bad("a.service", &service("[Timer]\nOnBootSec=1\n"), "[Timer]");
    bad(
        "a.service",
        &service("[Container]\nImage=x\n[Container]\n"),
        "[Container]",
    );
    bad(
        "a.target",
        "[Service]\nExecStart=/bin/true\n",
        "a .target unit has none",
    );
}

#[test]
fn settings() {
    good(
        "a.service",
        &service("SettingOfTheFuture=1\nStartLimitInterval=1\nUser=x\nMemoryMax=1\n"),
    );
    good(
        "a.service",
        &service("# Exec=x\n;y\nEnvironment=\"A=b\" \\\n  C=d\n"),
    );
    for (line, words) in [
        ("ExecStrat=/bin/false", "ignores ExecStrat="),
        ("execstart=/bin/false", "ignores execstart="),
        ("Enviroment=A=b", "ignores Enviroment="),
        (
            "After=network.target",
            "After= in [Service]: it is a setting of [Unit]",
        ),
        ("StartLimitIntervalSec=1", "it is a setting of [Unit]"),
        ("WantedBy=multi-user.target", "it is a setting of [Install]"),
        ("OnCalendar=daily", "it is a setting of [Timer]"),
        ("[Unit]\nRestart=no", "it is a setting of [Service]"),
        ("[Install]\nWantedby=multi-user.target", "ignores Wantedby="),
    ] {
        bad("a.service", &service(line), words);
    }
}

#[test]
fn values() {
    for line in [
        "Type=notify-reload",
        "Restart=on-failure",
        "Restart=%i",
        "KillMode=mixed",
        "Type=",
    ] {
        good("a.service", &service(line));
    }
    for (line, words) in [
        ("Restart=yes", "ignores Restart=yes"),
        ("Restart=allways", "ignores Restart=allways"),
        ("Type=one-shot", "ignores Type=one-shot"),
        ("KillMode=all", "ignores KillMode=all"),
    ] {
        bad("a.service", &service(line), words);
    }
}

#[test]
fn command_lines() {
    for command in [
        "/bin/true",
        "-@!/bin/true x",
        "+/bin/true",
        "|/bin/true",
        "true",
        "%h/bin/x",
        "\"/opt/a b/c\" x",
        "/bin/sh -c 'a && b || c >> d 2>&1'",
        "/bin/sh -c \"a && \\\n  b\"",
        "/usr/bin/env A=b /bin/x",
    ] {
        good("a.service", &format!("[Service]\nExecStart={command}\n"));
    }
    for (command, words) in [
        ("bin/true", "\"bin/true\", which is neither"),
        ("${DIR}/true", "\"${DIR}/true\", which is neither"),
        ("\"bin/a b\" c", "\"bin/a b\", which is neither"),
        ("./x", "\"./x\", which is neither"),
        ("/bin/", "is a directory"),
        ("-", "names no program"),
        ("A=b /bin/true", "begins with a variable"),
        ("PATH=/x y", "begins with a variable"),
        ("/bin/a && /bin/b", "hands \"&&\" to the program"),
        ("/bin/a 'x' || /bin/b", "hands \"||\" to the program"),
        ("/bin/a >> /tmp/x", "hands \">>\" to the program"),
    ] {
        bad(
            "a.service",
            &format!("[Service]\nExecStart={command}\n"),
            words,
        );
    }
    bad(
        "a.service",
        &service("ExecStartPre=bin/x\n"),
        "ExecStartPre= starts",
    );
}

#[test]
fn names_of_other_units() {
    good(
        "a@.service",
        &service(
            "[Unit]\nAfter=network-online.target b@%i.service my.target initrd-fs.target a@x.mount\n[Install]\nWantedBy=multi-user.target other.service\n",
        ),
    );
    for (lines, words) in [
        (
            "[Install]\nWantedBy=multi-user\n",
            "\"multi-user\", which is no name of a unit",
        ),
        (
            "[Install]\nWantedBy=multiuser.target\n",
            "multiuser.target, which is no target of systemd",
        ),
        (
            "[Unit]\nAfter=network.targt\n",
            "\"network.targt\", which is no name",
        ),
        (
            "[Unit]\nRequires=a/b.service\n",
            "\"a/b.service\", which is no name",
        ),
    ] {
        bad("a.service", &service(lines), words);
    }
}

#[test]
fn services_that_systemd_refuses() {
    good(
        "a.service",
        "[Service]\nExecStop=/bin/true\nRemainAfterExit=yes\n",
    );
    good(
        "a.service",
        "[Unit]\nSuccessAction=reboot\n[Service]\nType=oneshot\n",
    );
    good(
        "a.service",
        "[Service]\nType=oneshot\nExecStart=/bin/a\nExecStart=/bin/b\nRestart=on-failure\n",
    );
    good(
        "a.service",
        "[Service]\nExecStart=/bin/a\nExecStart=\nExecStart=/bin/b\n",
    );
    good("a.service", "[Service]\nBusName=x\nExecStart=/bin/a\n");
    for (text, words) in [
        ("[Unit]\nDescription=x\n", "no ExecStart="),
        ("[Service]\nExecStart=\n", "no ExecStart="),
        (
            "[Service]\nType=simple\nExecStop=/bin/true\n",
            "no ExecStart=",
        ),
        (
            "[Service]\nExecStop=/bin/true\n",
            "neither ExecStart= nor RemainAfterExit",
        ),
        (
            "[Service]\nType=oneshot\nRemainAfterExit=yes\n",
            "no ExecStart=",
        ),
        (
            "[Service]\nExecStart=/bin/a\nExecStart=/bin/b\n",
            "for Type=oneshot only",
        ),
        (
            "[Service]\nType=oneshot\nExecStart=/bin/a\nRestart=always\n",
            "Restart=always together with",
        ),
        (
            "[Service]\nType=dbus\nExecStart=/bin/a\n",
            "Type=dbus without BusName=",
        ),
        // What the misspelt setting leads to is not reported as well.
        ("[Service]\nExecStrat=/bin/a\n", "ignores ExecStrat="),
    ] {
        bad("a.service", text, words);
    }
}

#[test]
fn units_of_paths() {
    good(
        "var-lib-x.mount",
        "[Mount]\nWhat=LABEL=x\nWhere=/var/lib/x/\n",
    );
    good("var-lib-x.mount", "[Mount]\nWhat=/dev/x\n");
    good(
        r"var-lib-a\x2db.mount",
        "[Mount]\nWhat=/dev/x\nWhere=/var/lib/a-b\n",
    );
    good("var.automount", "[Automount]\nWhere=/var\n");
    good("dev-vdb.swap", "[Swap]\nWhat=/dev/vdb\n");
    good("dev-vdb.swap", "[Swap]\nWhat=LABEL=swap\n");
    for (name, text, words) in [
        ("var.mount", "[Mount]\nWhere=/var\n", "does not say What="),
        (
            "var.mount",
            "[Mount]\nWhat=x\nWhere=/var/lib\n",
            "has the name var-lib.mount",
        ),
        (
            "var-lib-a-b.mount",
            "[Mount]\nWhat=x\nWhere=/var/lib/a-b\n",
            r"has the name var-lib-a\x2db.mount",
        ),
        (
            "x.automount",
            "[Automount]\nWhere=/var\n",
            "has the name var.automount",
        ),
        (
            "swap.swap",
            "[Swap]\nWhat=/dev/vdb\n",
            "has the name dev-vdb.swap",
        ),
    ] {
        bad(name, text, words);
    }
}

#[test]
fn triggers() {
    good("a.timer", "[Timer]\nOnCalendar=daily\n");
    good("a.socket", "[Socket]\nListenStream=80\n");
    good("a.path", "[Path]\nPathExists=/x\n");
    bad("a.timer", "[Timer]\nPersistent=yes\n", "no time");
    bad("a.timer", "[Timer]\nOnBootSec=1\nOnBootSec=\n", "no time");
    bad("a.socket", "[Socket]\nAccept=no\n", "listens on nothing");
    bad("a.path", "[Path]\nUnit=x.service\n", "watches no path");
}

#[test]
fn dropins_and_files_complete_a_unit() {
    let half = r#""name": "a.service", "contents": "[Unit]\nDescription=x\n""#;
    let dropin = |text: &str| {
        format!(r#"{{{half}, "dropins": [{{"name": "1.conf", "contents": "{text}"}}]}}"#)
    };
    assert!(unit(&dropin(r"[Service]\nExecStart=/bin/true\n")).is_empty());
    assert_eq!(unit(&dropin(r"[Service]\nUser=x\n")).len(), 1);
    for (path, findings) in [
        ("/etc/systemd/system/a.service.d/x.conf", 0),
        ("/etc/systemd/system/service.d/x.conf", 0),
        ("/etc/systemd/system/b.service.d/x.conf", 1),
    ] {
        let config = format!(
            r#""systemd": {{"units": [{{{half}}}]}}, "storage": {{"files": [{{"path": "{path}", "contents": {{"source": "data:,"}}}}]}}"#
        );
        assert_eq!(said("3.4.0", &config).len(), findings, "{path}");
    }
    // A masked unit and one whose text is the machine's own are not looked at.
    assert!(unit(&format!(r#"{{{half}, "mask": true}}"#)).is_empty());
    assert!(unit(r#"{"name": "a.service", "dropins": [{"name": "1.conf", "contents": "[Service]\nUser=x\n"}]}"#).is_empty());
    let said = unit(
        r#"{"name": "a.service", "dropins": [{"name": "1.conf", "contents": "[Service]\nUsr=x\n"}]}"#,
    );
    assert!(
        said.len() == 1 && said[0].contains("ignores Usr="),
        "{said:?}"
    );
}

#[test]
fn enabling() {
    let installed =
        r#""contents": "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n""#;
    let bare = r#""contents": "[Service]\nExecStart=/bin/true\n""#;
    let default = r#""contents": "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\nDefaultInstance=x\n""#;
    let typo = r#""contents": "[Service]\nExecStart=/bin/true\n[Instal]\n""#;
    let install =
        r#""dropins": [{"name": "1.conf", "contents": "[Install]\nWantedBy=multi-user.target\n"}]"#;
    for (json, words) in [
        (
            format!(r#"{{"name": "a.service", "enabled": true, {installed}}}"#),
            None,
        ),
        (
            format!(r#"{{"name": "a@.service", "enabled": true, {default}}}"#),
            None,
        ),
        (
            format!(r#"{{"name": "a@b.service", "enabled": true, {installed}}}"#),
            None,
        ),
        (
            format!(r#"{{"name": "a.service", "enabled": true, {bare}, {install}}}"#),
            None,
        ),
        (
            format!(r#"{{"name": "a.service", "enabled": false, {bare}}}"#),
            None,
        ),
        (r#"{"name": "a@.service", "enabled": true}"#.into(), None),
        (
            format!(r#"{{"name": "a.service", "enabled": true, {bare}}}"#),
            Some("no [Install] section"),
        ),
        (
            format!(r#"{{"name": "a.service", "enabled": true, {typo}}}"#),
            Some("section [Instal]"),
        ),
        (
            format!(r#"{{"name": "a@.service", "enabled": true, {installed}}}"#),
            Some("no DefaultInstance="),
        ),
        (
            format!(r#"{{"name": "a.service", "enabled": true, "mask": true, {installed}}}"#),
            Some("enabled and masked"),
        ),
    ] {
        let said = unit(&json);
        match words {
            None => assert!(said.is_empty(), "{json}: {said:?}"),
            Some(words) => {
                assert_eq!(said.len(), 1, "{json}: {said:?}");
                assert!(said[0].contains(words), "{said:?} lacks {words:?}");
            }
        }
    }
}

#[test]
fn names_of_dropins() {
    let dropin = |name: &str| {
        unit(&format!(
            r#"{{"name": "a.service", "dropins": [{{"name": "{name}"}}]}}"#
        ))
    };
    let longest = format!("{}.conf", "a".repeat(250));
    for name in ["10-x.conf", "a b.conf", &longest] {
        assert!(dropin(name).is_empty(), "{name}");
    }
    for (name, words) in [
        ("x", "error: \"x\" cannot be"),
        (".conf", "error: \".conf\" cannot be"),
        ("../x.conf", "error: \"../x.conf\" cannot be"),
        ("a.wants/x.conf", "cannot be the name"),
        (&format!("a{longest}"), "cannot be the name"),
        (".x.conf", "warning: systemd ignores drop-ins"),
    ] {
        let said = dropin(name);
        assert!(
            said.len() == 1 && said[0].contains(words),
            "{name}: {said:?}"
        );
    }
}

#[test]
fn the_work_is_bounded() {
    let settings: String = (0..50_000).map(|i| format!("Unknown{i}=x\n")).collect();
    let names = "after.targets ".repeat(50_000);
    let many: String = (0..50_000).map(|_| "ExecStrat=x\n").collect();
    good("a.service", &service(&settings));
    bad(
        "a.service",
        &service(&format!("[Unit]\nAfter={names}\n")),
        "no name of a unit",
    );
    assert_eq!(units(&[("a.service", &service(&many))]).len(), 10);
}

#[test]
fn what_others_start_needs_no_install_section() {
    let enabled = |name: &str, text: &str| {
        format!(r#"{{"name": "{name}", "enabled": true, "contents": "{text}"}}"#)
    };
    let service = enabled("a.service", "[Service]\\nExecStart=/bin/a\\n");
    let missing = "the unit is enabled, but has no [Install] section";
    for (name, text, starts) in [
        ("a.timer", "[Timer]\\nOnCalendar=daily", true),
        (
            "b.timer",
            "[Timer]\\nOnCalendar=daily\\nUnit=a.service",
            true,
        ),
        ("a.socket", "[Socket]\\nListenStream=1", true),
        ("a.path", "[Path]\\nPathExists=/a", true),
        ("b.path", "[Path]\\nPathExists=/a\\nUnit=a.service", true),
        ("b.target", "[Unit]\\nWants=x.service a.service", true),
        (
            "b.service",
            "[Service]\\nExecStart=/bin/b\\n[Install]\\nAlso=a.service",
            true,
        ),
        ("b.timer", "[Timer]\\nOnCalendar=daily", false),
        ("b.target", "[Unit]\\nAfter=a.service", false),
    ] {
        let other = enabled(
            name,
            &format!("{text}\\n[Install]\\nWantedBy=multi-user.target\\n"),
        );
        let said = said(
            "3.4.0",
            &format!("\"systemd\": {{\"units\": [{service},\n{other}]}}"),
        );
        let found = said.iter().filter(|line| line.contains(missing)).count();
        assert_eq!(found, usize::from(!starts), "{name} {text}: {said:?}");
    }
}
