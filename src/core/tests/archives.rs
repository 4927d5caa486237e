//! User data of several configs, in MIME messages and cloud-config archives: what they mean together.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use pilotlight_core::config::{self, Language};
use pilotlight_core::dataurl;
use pilotlight_core::diag::Sources;
use pilotlight_core::spec::v3::Config;

/// A message of parts, each its headers and its body.
fn mime(parts: &[(&str, &str)]) -> String {
    let mut text =
        "Content-Type: multipart/mixed; boundary=\"=b=\"\nMIME-Version: 1.0\n\n".to_owned();
    for (headers, body) in parts {
        text.push_str(&format!("--=b=\n{headers}\n\n{body}\n"));
    }
    text + "--=b=--\n"
}

fn read(text: &str) -> (Option<Config>, String) {
    let mut sources = Sources::default();
    let parsed = config::read(&mut sources, "u", text.as_bytes());
    (parsed.config, parsed.report.render(&sources))
}

/// Host name, paths of files and names of units, sorted.
fn means(text: &str) -> String {
    let (config, said) = read(text);
    let config = config.unwrap_or_else(|| panic!("{text}\n{said}"));
    let mut found: Vec<String> = Vec::new();
    for file in &config.storage.files {
        let path = file.path.as_ref().unwrap().value.clone();
        let source = file.contents.source.as_ref().map(|at| at.value.as_str());
        let contents = dataurl::decode(source.unwrap_or("data:,")).unwrap();
        let contents = String::from_utf8_lossy(&contents).trim().to_owned();
        found.push(match path.as_str() {
            "/etc/hostname" => format!("hostname {contents}"),
            "/var/lib/pilotlight/runcmd" => contents.replace("#!/bin/sh\n", "runcmd "),
            _ => path.rsplit('/').next().unwrap().to_owned(),
        });
    }
    let units = config.systemd.units.iter();
    found.extend(units.map(|unit| unit.name.as_ref().unwrap().value.clone()));
    found.extend(
        config
            .passwd
            .users
            .iter()
            .map(|user| format!("user {}", user.name.as_ref().unwrap().value)),
    );
    found.sort();
    found.join(", ")
}

const CLOUD: &str = "Content-Type: text/cloud-config";
const SHELL: &str = "Content-Type: text/x-shellscript";
const IGNITION: &str = "Content-Type: application/vnd.coreos.ignition+json";
const FILE: &str = r#"{"ignition": {"version": "3.3.0"}, "storage": {"files": [{"path": "/etc/x", "mode": 420}]}}"#;

#[test]
fn parts_mean_what_each_of_them_means() {
    let packed = format!("{CLOUD}\nContent-Transfer-Encoding: base64");
    let quoted = format!("{CLOUD}\nContent-Transfer-Encoding: quoted-printable");
    let merged = format!("{CLOUD}\nMerge-Type: list(append)+dict(recurse_array)+str()");
    for (parts, expected) in [
        (
            &[(CLOUD, "hostname: a"), (SHELL, "#!/bin/sh\nid")][..],
            "hostname a, pilotlight-user-script.service, user-script",
        ),
        (
            &[(SHELL, "#!/bin/sh\nid"), (SHELL, "#!/bin/sh\nls")],
            "pilotlight-user-script-2.service, pilotlight-user-script.service, user-script, user-script-2",
        ),
        (
            &[(CLOUD, "hostname: a"), (CLOUD, "hostname: b")],
            "hostname b",
        ),
        (
            &[(CLOUD, "runcmd: [a]\nhostname: n"), (CLOUD, "runcmd: [b]")],
            "hostname n, pilotlight-runcmd.service, runcmd b",
        ),
        (
            &[(CLOUD, "runcmd: [a]"), (&merged, "runcmd: [b]")],
            "pilotlight-runcmd.service, runcmd a\nb",
        ),
        (
            &[
                (CLOUD, "runcmd: [a]"),
                (
                    CLOUD,
                    "merge_how: list(append)+dict(recurse_array)\nruncmd: [b]",
                ),
            ],
            "pilotlight-runcmd.service, runcmd a\nb",
        ),
        (&[(CLOUD, "hostname: a"), (IGNITION, FILE)], "hostname a, x"),
        (&[(IGNITION, FILE), (IGNITION, FILE)], "x"),
        (
            &[
                (&packed, &BASE64.encode("hostname: a")),
                (SHELL, "#!/bin/sh"),
            ],
            "hostname a, pilotlight-user-script.service, user-script",
        ),
        (
            &[(&quoted, "hostname: =61"), (IGNITION, FILE)],
            "hostname a, x",
        ),
        (
            &[
                (
                    "Content-Type: multipart/mixed; boundary=i",
                    "--i\nContent-Type: text/cloud-config\n\nhostname: a\n--i\nContent-Type: text/x-shellscript\n\n#!/bin/sh\n--i--",
                ),
                (IGNITION, FILE),
            ],
            "hostname a, pilotlight-user-script.service, user-script, x",
        ),
        (
            &[
                (
                    "Content-Type: text/cloud-boothook",
                    "#cloud-boothook\n#!/bin/sh\nid",
                ),
                (CLOUD, "hostname: a"),
            ],
            "hostname a, pilotlight-user-script.service, user-script",
        ),
        (
            &[
                ("Content-Type: text/x-shellscript-per-boot", "#!/bin/sh\nid"),
                (CLOUD, "users: [{name: b}]"),
            ],
            "pilotlight-user-script.service, user b, user-script",
        ),
        (
            &[
                ("Content-Type: text/plain", "#cloud-config\nhostname: a"),
                ("Content-Type: text/plain", "#!/bin/sh\n"),
            ],
            "hostname a, pilotlight-user-script.service, user-script",
        ),
        (
            &[(CLOUD, ""), (CLOUD, "hostname: a"), (SHELL, "  ")],
            "hostname a",
        ),
        (
            &[
                (
                    "Content-Type: text/cloud-config-archive",
                    "#cloud-config-archive\n- '#!/bin/sh'\n- {type: text/cloud-config, content: 'hostname: a'}",
                ),
                (CLOUD, "users: [{name: b}]"),
            ],
            "hostname a, pilotlight-user-script.service, user b, user-script",
        ),
        (
            &[
                (CLOUD, "hostname: a"),
                (
                    "Content-Type: text/plain",
                    "variant: flatcar\nversion: 1.0.0\npasswd: {users: [{name: c}]}",
                ),
            ],
            "hostname a, user c",
        ),
    ] {
        assert_eq!(means(&mime(parts)), expected, "{parts:?}");
    }
}

#[test]
fn archives_are_read_like_messages() {
    for (text, expected) in [
        (
            "- {type: text/cloud-config, content: 'hostname: a'}",
            "hostname a",
        ),
        (
            "- \"#cloud-config\\nhostname: a\"\n- \"#!/bin/sh\\nid\"",
            "hostname a, pilotlight-user-script.service, user-script",
        ),
        (
            "- type: text/cloud-config\n  content: |\n    hostname: a\n- type: text/x-shellscript\n  filename: x.sh\n  content: |\n    #!/bin/sh\n    id\n",
            "hostname a, pilotlight-user-script.service, user-script",
        ),
        (
            "- {content: \"#cloud-config\\nhostname: a\", launch-index: 1}",
            "hostname a",
        ),
        (
            "- content: ''\n- '#cloud-config'\n- {type: text/cloud-config, content: 'hostname: z'}",
            "hostname z",
        ),
    ] {
        assert_eq!(
            means(&format!("#cloud-config-archive\n{text}")),
            expected,
            "{text}"
        );
    }
    for (text, expected) in [
        (
            "a: b",
            "2:1: error: a cloud-config archive is a list, this is an object",
        ),
        (
            "- [a]",
            "2:3: error: a part of an archive is a text or a mapping, this is an array",
        ),
        (
            "- {type: a}",
            "2:3: error: a part of the archive has no content",
        ),
        (
            "- {content: [a]}",
            "2:13: error: the content of a part is a text, this is an array",
        ),
        (
            "- {type: text/part-handler, content: x}",
            "2:38: warning: part 1 is a cloud-init part handler: it has no effect",
        ),
    ] {
        let (_, said) = read(&format!("#cloud-config-archive\n{text}\n"));
        assert!(said.contains(&format!("u:{expected}")), "{text}: {said}");
    }
    let many = format!("#cloud-config-archive\n{}", "- x\n".repeat(65));
    assert!(
        read(&many)
            .1
            .contains("this archive has more than 64 parts")
    );
}

#[test]
fn scripts_run_in_their_order_and_before_the_commands() {
    let boot = "Content-Type: text/x-shellscript-per-boot";
    let hook = "Content-Type: text/cloud-boothook";
    let text = mime(&[
        (SHELL, "#!/bin/sh\n"),
        (boot, "#!/bin/sh\n"),
        (hook, "echo x"),
        (CLOUD, "runcmd: [a]"),
    ]);
    let (config, said) = read(&text);
    let config = config.unwrap_or_else(|| panic!("{said}"));
    let unit = |name: &str| {
        let mut units = config.systemd.units.iter();
        let unit = units
            .find(|unit| unit.name.as_ref().unwrap().value == name)
            .unwrap();
        unit.contents.as_ref().unwrap().value.clone()
    };
    let first = unit("pilotlight-user-script.service");
    assert!(
        first.contains("\nConditionPathExists=!/var/lib/pilotlight/user-script.done\n"),
        "{first}"
    );
    assert!(
        first.contains("\nBefore=pilotlight-runcmd.service\n"),
        "{first}"
    );
    let second = unit("pilotlight-user-script-2.service");
    assert!(
        second.contains("\nAfter=pilotlight-user-script.service\n"),
        "{second}"
    );
    assert!(
        !second.contains("ConditionPathExists") && !second.contains(".done"),
        "{second}"
    );
    let third = unit("pilotlight-user-script-3.service");
    assert!(third.contains("\nWantedBy=sysinit.target\n"), "{third}");
    let source = config
        .storage
        .files
        .iter()
        .find(|file| file.path.as_ref().unwrap().value.ends_with("user-script-3"));
    let source = source.unwrap().contents.source.as_ref().unwrap();
    assert_eq!(
        dataurl::decode(&source.value).unwrap(),
        b"#!/bin/sh\necho x"
    );
}

#[test]
fn what_is_wrong_with_a_part_is_said_with_its_name_and_line() {
    for (parts, expected) in [
        (
            &[(CLOUD, "hostname: a\nhostname: [b]"), (SHELL, "#!/bin/sh")][..],
            "u (unpacked from part 1 of MIME):2:",
        ),
        (
            &[(CLOUD, "a: b"), (IGNITION, "{\"ignition\": {}}")],
            "u (unpacked from part 2 of MIME):1:2: error: the config does not say its version",
        ),
        (
            &[(CLOUD, "hostname: a"), (SHELL, "id")],
            "u (unpacked from part 2 of MIME):1:1: error: a script begins with #!",
        ),
        (
            &[(CLOUD, "hostname: a"), (CLOUD, "hostname: b")],
            "u (unpacked from part 2 of MIME):1:1: warning: \"hostname\" takes the place of what an earlier part says of it",
        ),
        (
            &[(CLOUD, "hostname: a"), (CLOUD, "users: [{name: x y}]")],
            "u (unpacked from part 2 of MIME):1:16: error: ",
        ),
        (
            &[(CLOUD, "hostname: a"), ("Content-Type: image/png", "x")],
            "u:9:15: warning: part 2 is of the type \"image/png\"",
        ),
        (
            &[
                (CLOUD, "hostname: a"),
                (SHELL, "#!/bin/sh\ncloud-init-per once x y"),
            ],
            "u (unpacked from part 2 of MIME):1:1: warning: cloud-init is not on this system",
        ),
    ] {
        let (_, said) = read(&mime(parts));
        assert!(said.contains(expected), "{parts:?}: {said}");
    }
}

#[test]
fn many_parts_of_many_bytes_are_no_more_than_one_config_may_be() {
    use std::io::Write as _;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(&vec![b'%'; 40 << 20]).unwrap();
    let packed = BASE64.encode(packed.finish().unwrap());
    let headers = format!("{CLOUD}\nContent-Transfer-Encoding: base64");
    let part = (headers.as_str(), packed.as_str());
    let (config, said) = read(&mime(&[part, part]));
    assert!(config.is_none());
    assert!(said.contains("the config is larger than 64 MiB"), "{said}");
}

#[test]
fn the_language_is_that_of_the_first_part() {
    for (parts, expected) in [
        (
            &[(CLOUD, "hostname: a"), (SHELL, "#!/bin/sh")][..],
            Language::CloudConfig,
        ),
        (
            &[(SHELL, "#!/bin/sh"), (CLOUD, "hostname: a")],
            Language::Script,
        ),
        (
            &[(IGNITION, FILE), (CLOUD, "hostname: a")],
            Language::Ignition,
        ),
    ] {
        let parsed = config::read(&mut Sources::default(), "u", mime(parts).as_bytes());
        assert_eq!(parsed.language, Some(expected));
    }
}
