use super::*;

fn unit(name: &str, contents: &str) -> Unit {
    Unit {
        at: None,
        name: UnitName::parse(name).unwrap(),
        contents: Some(contents.to_string()).filter(|text| !text.is_empty()),
        dropins: Vec::new(),
        enabled: Some(true),
        mask: None,
    }
}

/// Facts of a root with these files.
fn root(texts: &[(&str, &str)]) -> Facts {
    let texts = texts
        .iter()
        .map(|(path, text)| (SysPath::parse(path).unwrap(), text.to_string()));
    Facts {
        texts: texts.collect(),
        ..Facts::default()
    }
}

const ID: (&str, &str) = ("/etc/machine-id", "0123456789abcdef0123456789abcdef\n");

fn said(units: &[Unit], facts: &Facts) -> String {
    let (wants, notes) = wants(units, facts);
    let links = wants.iter().map(|want| match &want.kind {
        Kind::Symlink { target } => format!("{} -> {target}", want.path),
        _ => panic!(),
    });
    let warnings = notes.items.iter().map(|note| {
        let (_, why) = note.message.split_once("do not apply, and ").unwrap();
        format!("! {why}")
    });
    links
        .chain(warnings)
        .collect::<Vec<_>>()
        .join("; ")
        .replace("/etc/systemd/system/", "")
}

#[test]
fn presets_apply_where_there_is_no_machine_id() {
    let units = [unit("a.service", "[Install]\nWantedBy=multi-user.target\n")];
    for (text, first) in [
        (None, true),
        (Some("uninitialized\n"), true),
        (Some("uninitialized"), true),
        (Some(" uninitialized \n"), true),
        (Some(""), false),
        (Some("\n"), false),
        (Some("0123456789abcdef0123456789abcdef\n"), false),
        (Some("0123456789abcdef0123456789abcdef"), false),
        (Some("uninitialised\n"), false),
        (Some("\nuninitialized\n"), false),
        (Some("uninitialized\n0123"), true),
    ] {
        let texts: Vec<(&str, &str)> = text.iter().map(|text| ("/etc/machine-id", *text)).collect();
        assert_eq!(wants(&units, &root(&texts)).0.is_empty(), first, "{text:?}");
    }
}

#[test]
fn links_are_those_of_systemctl_enable() {
    let image = |name: &str| format!("/usr/lib/systemd/system/{name}");
    let (sshd, template) = (image("sshd.service"), image("e@.service"));
    let facts = root(&[
        ID,
        (
            &sshd,
            "[Service]\nExecStart=/bin/sshd\n[Install]\nWantedBy=multi-user.target\nAlias=ssh.service\n",
        ),
        (
            &template,
            "[Install]\nWantedBy=multi-user.target w-%i.target\nDefaultInstance=tty1\n",
        ),
    ]);
    let install = |lines: &str| format!("[Service]\nExecStart=/bin/true\n[Install]\n{lines}\n");
    let with_dropin = Unit {
        dropins: vec![crate::model::Dropin {
            at: None,
            name: "10.conf".into(),
            contents: Some("[Install]\nWantedBy=x.target\n".into()),
        }],
        ..unit("sshd.service", "")
    };
    let table: Vec<(Vec<Unit>, &str)> = vec![
        (
            vec![unit("a.service", &install("WantedBy=multi-user.target"))],
            "multi-user.target.wants/a.service -> a.service",
        ),
        (
            vec![unit("a.timer", &install("WantedBy=timers.target x.target"))],
            "timers.target.wants/a.timer -> a.timer; x.target.wants/a.timer -> a.timer",
        ),
        (
            vec![unit(
                "a.service",
                &install("RequiredBy=b.service\nUpheldBy=c.service"),
            )],
            "b.service.requires/a.service -> a.service; c.service.upholds/a.service -> a.service",
        ),
        (
            vec![unit(
                "a.service",
                &install("WantedBy=x.target\nWantedBy=\nWantedBy=y.target"),
            )],
            "y.target.wants/a.service -> a.service",
        ),
        (
            vec![unit("sshd.service", "")],
            "multi-user.target.wants/sshd.service -> /usr/lib/systemd/system/sshd.service; \
             ssh.service -> /usr/lib/systemd/system/sshd.service",
        ),
        (
            vec![with_dropin],
            "multi-user.target.wants/sshd.service -> /usr/lib/systemd/system/sshd.service; \
             x.target.wants/sshd.service -> /usr/lib/systemd/system/sshd.service; \
             ssh.service -> /usr/lib/systemd/system/sshd.service",
        ),
        (
            vec![unit("e@one.service", "")],
            "multi-user.target.wants/e@one.service -> /usr/lib/systemd/system/e@.service; \
             w-one.target.wants/e@one.service -> /usr/lib/systemd/system/e@.service",
        ),
        (
            vec![unit("e@.service", "")],
            "multi-user.target.wants/e@tty1.service -> /usr/lib/systemd/system/e@.service; \
             w-tty1.target.wants/e@tty1.service -> /usr/lib/systemd/system/e@.service",
        ),
        (
            vec![unit("a.service", &install("Also=sshd.service"))],
            "multi-user.target.wants/sshd.service -> /usr/lib/systemd/system/sshd.service; \
             ssh.service -> /usr/lib/systemd/system/sshd.service",
        ),
        (
            vec![unit(
                "a.service",
                &install("Also=a.service\nWantedBy=%p.target"),
            )],
            "a.target.wants/a.service -> a.service",
        ),
        (vec![unit("none.service", "")], "! there is no such unit"),
        (
            vec![unit("a.service", "[Service]\nExecStart=/bin/true\n")],
            "! it has no [Install] section that says what wants it",
        ),
        (
            vec![unit("t@.service", &install("WantedBy=x.target"))],
            "! it is a template without an instance",
        ),
        (
            vec![unit("a.service", &install("WantedBy=%H.target"))],
            "! what \"%H.target\" stands for is known to systemd alone",
        ),
        (
            vec![unit("a.service", &install("WantedBy=../../x.target"))],
            "! \"../../x.target\" is no name of a unit",
        ),
        (
            vec![Unit {
                mask: Some(true),
                ..unit("a.service", &install("WantedBy=x.target"))
            }],
            "",
        ),
        (
            vec![Unit {
                enabled: Some(false),
                ..unit("a.service", &install("WantedBy=x.target"))
            }],
            "",
        ),
    ];
    for (units, expected) in table {
        assert_eq!(said(&units, &facts), expected, "{units:?}");
    }
}

#[test]
fn what_is_there_is_left() {
    let units = [unit(
        "a.service",
        "[Install]\nWantedBy=x.target\nAlias=b.service\n",
    )];
    let mut facts = root(&[ID]);
    let path = SysPath::parse("/etc/systemd/system/x.target.wants/a.service").unwrap();
    let link = Node::Symlink {
        target: "../a.service".into(),
        uid: Some(0),
        gid: Some(0),
    };
    facts.tree.put(&path, link);
    assert_eq!(said(&units, &facts), "b.service -> a.service");
}
