use serde_json::{Value, json};

use crate::config;
use crate::dataurl;
use crate::diag::Sources;
use crate::spec;

fn read(text: &str) -> (Value, Vec<String>) {
    let mut sources = Sources::default();
    let parsed = config::read(&mut sources, "c.yaml", text.as_bytes());
    let said = parsed.report.render(&sources);
    let said = said.lines().filter(|line| line.starts_with("c.yaml:"));
    let json = parsed
        .config
        .and_then(|config| spec::tree(&config))
        .unwrap_or_default();
    (json, said.map(Into::into).collect())
}

fn means(text: &str) -> Value {
    let (json, said) = read(text);
    assert!(said.is_empty(), "{said:?}");
    json
}

fn refused(text: &str, expected: &str) {
    let (json, said) = read(text);
    assert!(json.is_null());
    assert_eq!(said.first().map(String::as_str), Some(expected));
}

fn dropin(json: &Value) -> (&str, &str) {
    let unit = &json["systemd"]["units"][0];
    assert_eq!(unit["enabled"], true);
    (
        unit["name"].as_str().unwrap(),
        unit["dropins"][0]["contents"].as_str().unwrap(),
    )
}

#[test]
fn updates_and_reboots_are_one_file() {
    let json = means(
        "update: {group: beta, server: disabled}
locksmith:
  reboot_strategy: \"off\"
  window_start: Sun 1:00
  window_length: 2h
  etcd_endpoints: http://a:2379",
    );
    let file = &json["storage"]["files"][0];
    assert_eq!(file["path"], "/etc/flatcar/update.conf");
    assert_eq!(
        (&file["mode"], &file["overwrite"]),
        (&json!(0o644), &json!(true))
    );
    let text = dataurl::decode(file["contents"]["source"].as_str().unwrap()).unwrap();
    assert_eq!(
        String::from_utf8(text).unwrap(),
        "GROUP=beta\nSERVER=disabled\nREBOOT_STRATEGY=\"off\"\nLOCKSMITHD_REBOOT_WINDOW_START=\"Sun 1:00\"\n\
         LOCKSMITHD_REBOOT_WINDOW_LENGTH=\"2h\"\nLOCKSMITHD_ENDPOINT=\"http://a:2379\"\n"
    );
    refused(
        "locksmith: {reboot_strategy: etcd_lock}",
        "c.yaml:1:30: error: unknown reboot_strategy \"etcd_lock\"",
    );
    refused(
        "locksmith: {window_start: 1:00}",
        "c.yaml:1:12: error: window_start and window_length are stated together or not at all",
    );
    refused(
        "locksmith: {etcd_endpoints: 'http://{PRIVATE_IPV4}:2379'}",
        "c.yaml:1:29: error: what only the running machine knows can stand in etcd and flannel, not here",
    );
    refused(
        "update: {group: 'a\"; rm'}",
        "c.yaml:1:17: error: GROUP holds a character that its file cannot hold",
    );
}

#[test]
fn docker_gets_its_flags() {
    let json = means("docker: {flags: [--debug, '--label=a=\"b\"']}");
    assert_eq!(
        dropin(&json),
        (
            "docker.service",
            "[Service]\nEnvironment=\"DOCKER_OPTS=--debug --label=a=\\\"b\\\"\"\n"
        )
    );
}

#[test]
fn etcd_is_run_with_its_options() {
    let json = means("etcd:\n");
    assert_eq!(dropin(&json), ("etcd-member.service", "[Service]\n"));
    let json = means(
        "etcd:
  version: 3.2.0
  name: \"%m\"
  enable_v2: true
  listen_peer_urls: http://{PUBLIC_IPV6}:2380",
    );
    assert_eq!(
        dropin(&json).1,
        "[Unit]\nRequires=coreos-metadata.service\nAfter=coreos-metadata.service\n\n[Service]\n\
         EnvironmentFile=/run/metadata/flatcar\nEnvironment=\"ETCD_IMAGE_TAG=v3.2.0\"\nExecStart=\n\
         ExecStart=/usr/lib/flatcar/etcd-wrapper $ETCD_OPTS \\\n  --name=\"%m\" \\\n  --enable-v2=\"true\" \\\n  \
         --listen-peer-urls=\"http://${COREOS_PACKET_IPV6_PUBLIC_0}${COREOS_DIGITALOCEAN_IPV6_PUBLIC_0}:2380\"\n"
    );
    for (text, expected) in [
        (
            "etcd: {enable_v2: true}",
            "c.yaml:1:8: warning: etcd 3.0 has no option enable_v2: it has no effect",
        ),
        (
            "etcd: {version: 3.3.0, nmae: x}",
            "c.yaml:1:24: warning: unknown key \"nmae\" in etcd: it has no effect",
        ),
        (
            "etcd: {version: 3.5.1}",
            "c.yaml:1:17: warning: the options of etcd 3.5.1 are not known: those of 3.3 are taken",
        ),
        (
            "etcd: {version: 2.3.7, auto_tls: true}",
            "c.yaml:1:24: warning: etcd 2.3 has no option auto_tls: it has no effect",
        ),
    ] {
        let (json, said) = read(text);
        assert!(!dropin(&json).1.contains("ExecStart"), "{text}");
        assert_eq!(said, [expected]);
    }
    for (version, expected) in [
        ("2.2.9", "version 2.2.9 of etcd is too old"),
        ("4.0.0", "version 4.0.0 of etcd is too new"),
        ("3.3", "\"3.3\" is no version"),
        ("'3.3.0\" x'", "\"3.3.0\\\" x\" is no version"),
    ] {
        refused(
            &format!("etcd: {{version: {version}}}"),
            &format!("c.yaml:1:17: error: {expected}"),
        );
    }
    refused(
        "etcd: [a]",
        "c.yaml:1:7: error: expected options, found an array",
    );
}

#[test]
fn flannel_finds_its_network_in_etcd() {
    let json = means(
        "flannel: {version: 0.7.0, network_config: '{\"Network\": \"10.1.0.0/16\"}', etcd_prefix: /n}",
    );
    assert_eq!(
        dropin(&json).1,
        "[Service]\nEnvironment=\"FLANNEL_IMAGE_TAG=v0.7.0\"\n\
         ExecStartPre=/usr/bin/etcdctl set /coreos.com/network/config \"{\\\"Network\\\": \\\"10.1.0.0/16\\\"}\"\n\
         ExecStart=\nExecStart=/usr/lib/flatcar/flannel-wrapper $FLANNEL_OPTS \\\n  --etcd-prefix=\"/n\"\n"
    );
}

#[test]
fn flannel_reaches_etcd_as_it_says() {
    let json = means(
        "flannel: {network_config: '{}', interface: eth1, etcd_endpoints: 'http://a:2379', etcd_cafile: /ca}",
    );
    assert_eq!(
        dropin(&json).1,
        "[Service]\nExecStartPre=/usr/bin/etcdctl --endpoints=\"http://a:2379\" --ca-file=\"/ca\" \
         set /coreos.com/network/config \"{}\"\nExecStart=\n\
         ExecStart=/usr/lib/flatcar/flannel-wrapper $FLANNEL_OPTS \\\n  --iface=\"eth1\" \\\n  \
         --etcd-endpoints=\"http://a:2379\" \\\n  --etcd-cafile=\"/ca\"\n"
    );
    let (json, said) = read("flannel: {kube_subnet_mgr: true}");
    assert_eq!(dropin(&json).1, "[Service]\n");
    assert_eq!(
        said,
        ["c.yaml:1:11: warning: flannel 0.6 has no option kube_subnet_mgr: it has no effect"]
    );
    refused(
        "flannel: {network_config: '[]'}",
        "c.yaml:1:27: error: the network_config is no JSON object",
    );
    refused(
        "flannel: {version: 0.7.0, kube_subnet_mgr: true, network_config: '{}'}",
        "c.yaml:1:66: error: network_config is stated beside kube_subnet_mgr, which has no use for it",
    );
}

#[test]
fn what_lies_nowhere_else_lies_on_the_root() {
    let json = means(
        "storage:
  files: [{path: /a, contents: {inline: a}}, {filesystem: '', path: /b}]
  directories: [{path: /d}]
  links: [{path: /l, target: /a}]",
    );
    assert_eq!(
        json["storage"],
        json!({
            "files": [{"path": "/a", "overwrite": true, "contents": {"source": "data:,a"}},
                {"path": "/b", "overwrite": true, "contents": {"source": ""}}],
            "directories": [{"path": "/d", "mode": 0o755}],
            "links": [{"path": "/l", "target": "/a"}]})
    );
}

#[test]
fn windows_are_checked() {
    refused(
        "locksmith: {window_start: 'Sonntag 14:00', window_length: 2}",
        "c.yaml:1:27: error: \"Sonntag 14:00\" is no start of a window",
    );
}

#[test]
fn sizes_have_units_and_types_have_names() {
    let partition = |fields: &str| {
        let text = format!(
            "storage: {{disks: [{{device: /dev/sda, partitions: [{{number: 1, {fields}}}]}}]}}"
        );
        read(&text)
    };
    let json = partition("size: 2GiB, start: 4096KiB, type_guid: raid_partition").0;
    assert_eq!(
        json["storage"]["disks"][0]["partitions"][0],
        json!({"number": 1, "startMiB": 4, "sizeMiB": 2048, "typeGuid": "A19D880F-05FC-4D3B-A006-743F0F84911E"})
    );
    let json = partition("size: 10GB, start: 1.5GiB").0;
    assert_eq!(
        json["storage"]["disks"][0]["partitions"][0],
        json!({"number": 1, "startMiB": 1536, "sizeMiB": 10240})
    );
    for (size, why) in [
        ("5", "\"5\" is no size with a unit"),
        ("2gib", "\"2gib\" is no size with a unit"),
        ("1000KiB", "\"1000KiB\" is no whole number of MiB"),
        (
            "99999999999999999TiB",
            "\"99999999999999999TiB\" is no size with a unit",
        ),
        ("-1GiB", "a size may not be negative, this is \"-1GiB\""),
    ] {
        let (json, said) = partition(&format!("size: {size}"));
        assert!(json.is_null(), "{size}");
        assert_eq!(said, [format!("c.yaml:1:69: error: {why}")]);
    }
}

#[test]
fn contents_are_inline_or_remote() {
    let sum = "0".repeat(128);
    let text = format!(
        "storage:
  files:
    - {{filesystem: root, path: /a, contents: {{inline: hi}}}}
    - filesystem: root
      path: /b
      contents: {{remote: {{url: http://h/b, verification: {{hash: {{function: sha512, sum: '{sum}'}}}}}}}}
  directories: [{{filesystem: root, path: /d}}]"
    );
    let storage = means(&text)["storage"].clone();
    assert_eq!(storage["files"][0]["contents"]["source"], "data:,hi");
    assert_eq!(
        storage["files"][1]["contents"]["verification"]["hash"],
        format!("sha512-{sum}")
    );
    assert_eq!(storage["directories"][0]["mode"], 0o755);
    refused(
        "storage: {files: [{filesystem: root, path: /a, contents: {inline: a, remote: {url: http://h/}}}]}",
        "c.yaml:1:58: error: contents come from one of inline, local and remote, not from several",
    );
}

#[test]
fn documented_keys_in_camel_case_are_taken() {
    let (json, said) = read("ignition: {timeouts: {httpTotal: 5}}");
    assert_eq!(json["ignition"]["timeouts"]["httpTotal"], 5);
    assert_eq!(
        said,
        ["c.yaml:1:23: warning: key \"httpTotal\" is spelt \"http_total\" in the specification"]
    );
}
