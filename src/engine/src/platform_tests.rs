use super::*;
use pilotlight_core::diag::{Report, Sources};
use pilotlight_core::facts::accounts::Texts;
use pilotlight_core::{config, validate};

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

/// Path and text of every file that is wanted, in the order of planning.
fn wanted(
    platform: Platform,
    config: &str,
    fragment: bool,
    present: &str,
) -> Vec<(String, String)> {
    wanted_of(&metadata(), platform, config, fragment, present)
}

fn wanted_of(
    said: &Metadata,
    platform: Platform,
    config: &str,
    fragment: bool,
    present: &str,
) -> Vec<(String, String)> {
    let (config, accounts) = (parsed(config), accounts());
    let read = |path: &SysPath| {
        let there = path.as_str() == "/home/core/.ssh/authorized_keys" && !present.is_empty();
        Ok(there.then(|| present.as_bytes().to_vec()))
    };
    let said = Said::new(platform, said, &accounts, fragment, read).unwrap();
    let keys = ssh_keys::key_files(&config.users, &accounts, fragment).unwrap();
    let mut wants: Vec<Want> = keys.iter().flat_map(want::of_key_file).collect();
    said.add_to(&mut wants, &keys, &config, &accounts, fragment);
    let facts = pilotlight_core::facts::Facts {
        accounts: accounts.clone(),
        ..Default::default()
    };
    let blobs = want::Blobs::default();
    let plan = pilotlight_core::plan::tree::plan(&config, &wants, &facts, &blobs);
    assert!(
        plan.is_ok(),
        "{}",
        plan.unwrap_err().render(&Sources::default())
    );
    let files = wants.into_iter().filter_map(|want| match want.kind {
        Kind::File {
            contents: Some(contents),
            ..
        } => match contents.source {
            pilotlight_core::op::ContentSource::Inline(bytes) => {
                Some((want.path.to_string(), String::from_utf8(bytes).unwrap()))
            }
            _ => None,
        },
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
    assert_eq!(wanted(Platform::Azure, EMPTY, true, ""), of(&all));
    // DHCP names these.
    assert_eq!(wanted(Platform::Aws, EMPTY, true, ""), of(&keys));
}

#[test]
fn the_config_wins() {
    let config = r#"{"ignition":{"version":"3.4.0"},"storage":{
        "files":[{"path":"/etc/hostname","contents":{"source":"data:,mine"}}],
        "links":[{"path":"/home/ann/.ssh","target":"/var/keys"}]}}"#;
    let found = wanted(Platform::Azure, config, true, "");
    assert_eq!(found, of(&[(CORE, "ssh-ed25519 AAAAone a\n")]));
}

#[test]
fn a_network_without_dhcp_is_units_of_networkd_beside_those_of_the_config() {
    let said: Metadata = serde_json::from_value(serde_json::json!({
        "bond_mode": 4,
        "interfaces": [
            {"mac": "0c:42:a1:00:00:01", "bond": "bond0", "addresses":
                [{"address": "198.51.100.3", "prefix": 31, "public": true, "gateway": "198.51.100.2"}]},
            {"mac": "0c:42:a1:00:00:02"},
        ],
    }))
    .unwrap();
    let paths = |platform, config: &str| -> Vec<String> {
        let found = wanted_of(&said, platform, config, true, "");
        found.into_iter().map(|(path, _)| path).collect()
    };
    let all = [
        "/etc/systemd/network/70-pilotlight-bond0.netdev",
        "/etc/systemd/network/70-pilotlight-bond0.network",
        "/etc/systemd/network/70-pilotlight-ports0.network",
        "/etc/systemd/network/70-pilotlight-others.network",
    ];
    assert_eq!(paths(Platform::Packet, EMPTY), all);
    // These have DHCP, whatever they say.
    assert!(paths(Platform::Aws, EMPTY).is_empty());
    assert!(paths(Platform::OpenStack, EMPTY).is_empty());
    let own_file = r#"{"ignition":{"version":"3.4.0"},"storage":{
        "files":[{"path":"/etc/systemd/network/70-pilotlight-bond0.network"},
                 {"path":"/etc/systemd/network/10-mine.network"}],
        "links":[{"path":"/etc/systemd/network/70-pilotlight-others.network","target":"/dev/null"}]}}"#;
    assert_eq!(paths(Platform::Packet, own_file), [all[0], all[2]]);
    let own_place = r#"{"ignition":{"version":"3.4.0"},"storage":{
        "links":[{"path":"/etc/systemd/network","target":"/etc/elsewhere"}]}}"#;
    assert!(paths(Platform::Packet, own_place).is_empty());
}

#[test]
fn without_fragments_keys_are_merged_and_not_doubled() {
    let ann = ("/home/ann/.ssh/authorized_keys", "ssh-ed25519 AAAAtwo b\n");
    let core = "/home/core/.ssh/authorized_keys";
    let found = wanted(
        Platform::Aws,
        EMPTY,
        false,
        "ssh-rsa OLD x\nssh-ed25519 AAAAone a",
    );
    assert_eq!(
        found,
        of(&[ann, (core, "ssh-rsa OLD x\nssh-ed25519 AAAAone a")])
    );
    let found = wanted(Platform::Aws, EMPTY, false, "ssh-rsa OLD x");
    assert_eq!(
        found,
        of(&[ann, (core, "ssh-rsa OLD x\nssh-ed25519 AAAAone a\n")])
    );
    let config = r#"{"ignition":{"version":"3.4.0"},"passwd":{"users":[
        {"name":"core","sshAuthorizedKeys":["ssh-rsa CONFIG y"]}]}}"#;
    let found = wanted(Platform::Aws, config, false, "ssh-rsa OLD x");
    assert_eq!(
        found,
        of(&[ann, (core, "ssh-rsa CONFIG y\nssh-ed25519 AAAAone a\n")])
    );
}

#[test]
fn with_fragments_both_have_a_file() {
    let config = r#"{"ignition":{"version":"3.4.0"},"passwd":{"users":[
        {"name":"core","sshAuthorizedKeys":["ssh-rsa CONFIG y"]}]}}"#;
    let found = wanted(Platform::Aws, config, true, "");
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

#[test]
fn what_is_kept_is_for_root_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("ignition.json");
    assert_eq!(kept(&cache).unwrap(), None);
    keep(&cache, &metadata()).unwrap();
    let mode = std::fs::metadata(place(&cache))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(kept(&cache).unwrap(), Some(metadata()));
    std::fs::write(place(&cache), "{").unwrap();
    assert!(kept(&cache).is_err());
}
