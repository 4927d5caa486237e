use crate::config;
use crate::diag::Sources;

/// What is said of a config with a unit that has no `[Install]` section and is enabled, beside others.
fn said(unit: &str, units: &str, storage: &str) -> String {
    let text = format!(
        "variant: flatcar\nversion: 1.1.0\nsystemd:\n  units:\n    - {{name: {unit}, enabled: true, contents: \"[Service]\\nExecStart=/bin/true\\n\"}}\n{units}\nstorage:\n{storage}\n"
    );
    let mut sources = Sources::default();
    let parsed = config::read(&mut sources, "c", text.as_bytes());
    parsed.report.render(&sources)
}

fn other(name: &str, text: &str) -> String {
    format!("    - {{name: {name}, contents: \"{text}\"}}")
}

fn file(path: &str, text: &str) -> String {
    format!("  files:\n    - {{path: {path}, contents: {{inline: \"{text}\"}}}}")
}

#[test]
fn what_something_starts_needs_no_install_section() {
    let link = |path: &str| format!("  links:\n    - {{path: {path}, target: ../a.service}}");
    let none = String::new();
    for (units, storage) in [
        (other("a.timer", "[Timer]\\nOnCalendar=daily\\n"), none.clone()),
        (other("b.timer", "[Timer]\\nOnCalendar=daily\\nUnit=a.service\\n"), none.clone()),
        (other("a.path", "[Path]\\nPathExists=/x\\n"), none.clone()),
        (other("a.socket", "[Socket]\\nListenStream=80\\n"), none.clone()),
        (other("b.socket", "[Socket]\\nListenStream=80\\nService=a.service\\n"), none.clone()),
        (other("b.service", "[Unit]\\nWants=c.service a.service\\n[Service]\\nExecStart=/bin/true\\n"), none.clone()),
        (other("b.service", "[Unit]\\nOnFailure=a.service\\n[Service]\\nExecStart=/bin/true\\n"), none.clone()),
        (other("b.service", "[Service]\\nExecStart=/usr/bin/systemctl start a\\n"), none.clone()),
        (other("b.service", "[Service]\\nExecStart=/usr/bin/systemctl --no-block restart a.service\\n"), none.clone()),
        (
            "    - {name: multi-user.target, dropins: [{name: a.conf, contents: \"[Unit]\\nWants=a.service\\n\"}]}".to_owned(),
            none.clone(),
        ),
        (none.clone(), link("/etc/systemd/system/multi-user.target.wants/a.service")),
        (none.clone(), link("/etc/systemd/system/b.service.requires/a.service")),
        (none.clone(), link("/etc/systemd/system/b.service.upholds/a.service")),
        (none.clone(), file("/etc/systemd/system/a.timer", "[Timer]\\nOnCalendar=daily\\n")),
        (none.clone(), file("/etc/systemd/system/b.timer", "[Timer]\\nUnit=a.service\\n")),
        (none.clone(), file("/etc/systemd/system/b.service.d/x.conf", "[Unit]\\nWants=a.service\\n")),
        (none.clone(), file("/etc/udev/rules.d/a.rules", "ACTION==\\\"add\\\", ENV{SYSTEMD_WANTS}+=\\\"a.service\\\"\\n")),
        (none.clone(), file("/opt/bin/setup", "#!/bin/sh\\nsystemctl enable --now a.service\\n")),
        (none.clone(), file("/opt/bin/setup", "#!/bin/sh\\nsystemctl start a b\\n")),
    ] {
        let said = said("a.service", &units, &storage);
        assert!(!said.contains("nothing will start it"), "{units} {storage}: {said}");
    }
}

#[test]
fn what_nothing_starts_is_said() {
    let none = String::new();
    for (units, storage) in [
        (none.clone(), none.clone()),
        (
            other("b.timer", "[Timer]\\nOnCalendar=daily\\n"),
            none.clone(),
        ),
        (
            other(
                "b.service",
                "[Unit]\\nAfter=a.service\\n[Service]\\nExecStart=/bin/true\\n",
            ),
            none.clone(),
        ),
        ("    - {name: a.timer, mask: true}".to_owned(), none.clone()),
        (
            none.clone(),
            file("/etc/motd", "a.service is what matters here\\n"),
        ),
        (
            none.clone(),
            file("/srv/a.timer", "[Timer]\\nOnCalendar=daily\\n"),
        ),
        (
            none.clone(),
            file("/opt/bin/setup", "#!/bin/sh\\nsystemctl start b\\n"),
        ),
        (
            none.clone(),
            "  links:\n    - {path: /etc/systemd/system/x.wants/b.service, target: ../b.service}"
                .to_owned(),
        ),
    ] {
        let said = said("a.service", &units, &storage);
        assert!(
            said.contains("nothing will start it"),
            "{units} {storage}: {said}"
        );
    }
}
