use super::*;
use crate::diag::Sources;
use crate::facts::accounts::Texts;
use crate::model::Metadata;
use crate::{config, validate};

fn accounts() -> Accounts {
    let passwd = b"root:x:0:0::/root:/bin/sh\ncore:x:500:500::/home/core:/bin/sh\n\
        ann:x:501:501::/home/ann:/bin/sh\n";
    Accounts::parse(&Texts {
        passwd: Some(passwd),
        ..Texts::default()
    })
}

fn parsed(text: &str) -> Config {
    let mut sources = Sources::default();
    let parsed = config::read_as(
        &mut sources,
        "c",
        text.as_bytes(),
        config::Reading::default(),
    );
    let wire = parsed.config.unwrap();
    validate::lower(&wire, validate::Stage::Merged, &mut Report::default()).unwrap()
}

fn metadata() -> Metadata {
    serde_json::from_value(serde_json::json!({
        "hostname": "vm-a",
        "ssh_keys": [
            {"key": "ssh-ed25519 AAAAone a"},
            {"user": "ann", "key": "ssh-ed25519 AAAAtwo b"},
            {"user": "bob", "key": "ssh-ed25519 AAAAthree c"},
        ],
    }))
    .unwrap()
}

/// What the platform gives, with or without a host name.
fn given(named: bool) -> FromPlatform {
    let said = metadata();
    FromPlatform {
        hostname: said.hostname.filter(|_| named),
        ssh_keys: said.ssh_keys,
        units: Vec::new(),
        left_out: Vec::new(),
    }
}

/// Path and text of every file that is wanted, in the order of planning.
fn wanted(
    given: FromPlatform,
    config: &str,
    fragment: bool,
    present: &str,
) -> Vec<(String, String)> {
    let (config, accounts) = (parsed(config), accounts());
    let keys = ssh_keys::key_files(&config.users, &accounts, fragment).unwrap();
    let mut facts = Facts {
        accounts,
        ..Facts::default()
    };
    for path in texts(Some(&given), fragment, &facts) {
        let there = path.as_str() == "/home/core/.ssh/authorized_keys" && !present.is_empty();
        facts
            .texts
            .extend(there.then(|| (path, present.to_string())));
    }
    let mut wants: Vec<Want> = keys.iter().flat_map(want::of_key_file).collect();
    add_to(&mut wants, &keys, &config, &facts, &given, fragment);
    let blobs = want::Blobs::default();
    let plan = crate::plan::tree::plan(&config, &wants, &facts, &blobs);
    assert!(
        plan.is_ok(),
        "{}",
        plan.unwrap_err().render(&Sources::default())
    );
    let files = wants.into_iter().filter_map(|want| match want.kind {
        Kind::File {
            contents: Some(contents),
            ..
        } => {
            let bytes = contents.source.known()?.into_owned();
            Some((want.path.to_string(), String::from_utf8(bytes).unwrap()))
        }
        _ => None,
    });
    files.collect()
}

fn of(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter()
        .map(|(path, text)| (path.to_string(), text.to_string()))
        .collect()
}

const EMPTY: &str = r#"{"ignition":{"version":"3.4.0"}}"#;
const CORE: &str = "/home/core/.ssh/authorized_keys.d/afterburn";
const ANN: &str = "/home/ann/.ssh/authorized_keys.d/afterburn";

#[test]
fn names_and_keys_become_files_of_users_that_exist() {
    let keys = [
        (ANN, "ssh-ed25519 AAAAtwo b\n"),
        (CORE, "ssh-ed25519 AAAAone a\n"),
    ];
    let mut all = vec![("/etc/hostname", "vm-a\n")];
    all.extend(keys);
    assert_eq!(wanted(given(true), EMPTY, true, ""), of(&all));
    // DHCP names these.
    assert_eq!(wanted(given(false), EMPTY, true, ""), of(&keys));
}

#[test]
fn the_config_wins() {
    let config = r#"{"ignition":{"version":"3.4.0"},"storage":{
        "files":[{"path":"/etc/hostname","contents":{"source":"data:,mine"}}],
        "links":[{"path":"/home/ann/.ssh","target":"/var/keys"}]}}"#;
    let found = wanted(given(true), config, true, "");
    assert_eq!(found, of(&[(CORE, "ssh-ed25519 AAAAone a\n")]));
}

#[test]
fn what_is_in_no_unit_is_told() {
    let given = FromPlatform {
        left_out: vec!["networks/1: \"x\" is left out: it is no list".into()],
        ..FromPlatform::default()
    };
    let mut wants = Vec::new();
    let facts = Facts::default();
    let notes = add_to(&mut wants, &[], &parsed(EMPTY), &facts, &given, true);
    let told = notes.render(&Sources::default());
    let expected =
        "warning: of the platform's network, networks/1: \"x\" is left out: it is no list";
    assert_eq!((told.trim_end(), wants.len()), (expected, 0));
}

#[test]
fn units_of_networkd_stand_beside_those_of_the_config() {
    let paths = |config: &str| -> Vec<String> {
        let name = |name: &str| (name.to_string(), String::from("[Match]\n"));
        let given = FromPlatform {
            units: vec![
                name("70-pilotlight-bond0.netdev"),
                name("70-pilotlight-others.network"),
            ],
            ..FromPlatform::default()
        };
        let found = wanted(given, config, true, "");
        found.into_iter().map(|(path, _)| path).collect()
    };
    let all = [
        "/etc/systemd/network/70-pilotlight-bond0.netdev",
        "/etc/systemd/network/70-pilotlight-others.network",
    ];
    assert_eq!(paths(EMPTY), all);
    let own_file = r#"{"ignition":{"version":"3.4.0"},"storage":{
        "files":[{"path":"/etc/systemd/network/10-mine.network"}],
        "links":[{"path":"/etc/systemd/network/70-pilotlight-others.network","target":"/dev/null"}]}}"#;
    assert_eq!(paths(own_file), [all[0]]);
    let own_place = r#"{"ignition":{"version":"3.4.0"},"storage":{
        "links":[{"path":"/etc/systemd/network","target":"/etc/elsewhere"}]}}"#;
    assert!(paths(own_place).is_empty());
}

#[test]
fn without_fragments_keys_are_merged_and_not_doubled() {
    let ann = ("/home/ann/.ssh/authorized_keys", "ssh-ed25519 AAAAtwo b\n");
    let core = "/home/core/.ssh/authorized_keys";
    let found = wanted(
        given(false),
        EMPTY,
        false,
        "ssh-rsa OLD x\nssh-ed25519 AAAAone a",
    );
    assert_eq!(
        found,
        of(&[ann, (core, "ssh-rsa OLD x\nssh-ed25519 AAAAone a")])
    );
    let found = wanted(given(false), EMPTY, false, "ssh-rsa OLD x");
    assert_eq!(
        found,
        of(&[ann, (core, "ssh-rsa OLD x\nssh-ed25519 AAAAone a\n")])
    );
    let config = r#"{"ignition":{"version":"3.4.0"},"passwd":{"users":[
        {"name":"core","sshAuthorizedKeys":["ssh-rsa CONFIG y"]}]}}"#;
    let found = wanted(given(false), config, false, "ssh-rsa OLD x");
    assert_eq!(
        found,
        of(&[ann, (core, "ssh-rsa CONFIG y\nssh-ed25519 AAAAone a\n")])
    );
}

#[test]
fn with_fragments_both_have_a_file() {
    let config = r#"{"ignition":{"version":"3.4.0"},"passwd":{"users":[
        {"name":"core","sshAuthorizedKeys":["ssh-rsa CONFIG y"]}]}}"#;
    let found = wanted(given(false), config, true, "");
    let expected = [
        (
            "/home/core/.ssh/authorized_keys.d/ignition",
            "ssh-rsa CONFIG y\n",
        ),
        (ANN, "ssh-ed25519 AAAAtwo b\n"),
        (CORE, "ssh-ed25519 AAAAone a\n"),
    ];
    assert_eq!(found, of(&expected));
}
