//! Whatever language a config is written in: the command line takes it, and an error that is found late
//! still points at the user's own line.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use pilotlight_tests::{Answer, FirstBoot, pilotlight, program};

/// One config in every language, each with the line of its own that asks for `/etc/app`'s contents (an
/// URL) and the line that asks for the file system on the missing device.
fn same_in_every_language(url: &str) -> Vec<(&'static str, String, usize, usize)> {
    let ignition3 = format!(
        r#"{{"ignition": {{"version": "3.4.0"}},
"storage": {{
  "filesystems": [
    {{"device": "/dev/disk/by-id/nothing", "format": "ext4"}}],
  "files": [{{"path": "/etc/app", "contents": {{
    "source": "{url}"}}}}]}}}}"#
    );
    let ignition2 = format!(
        r#"{{"ignition": {{"version": "2.3.0"}},
"storage": {{
  "filesystems": [{{"name": "data", "mount": {{
    "device": "/dev/disk/by-id/nothing", "format": "ext4"}}}}],
  "files": [{{"filesystem": "root", "path": "/etc/app", "contents": {{
    "source": "{url}"}}}}]}}}}"#
    );
    let butane = format!(
        "variant: flatcar
version: 1.1.0
storage:
  filesystems:
    - device: /dev/disk/by-id/nothing
      format: ext4
  files:
    - path: /etc/app
      contents:
        source: {url}
"
    );
    let container_linux = format!(
        "storage:
  filesystems:
    - name: data
      mount:
        device: /dev/disk/by-id/nothing
        format: ext4
  files:
    - path: /etc/app
      filesystem: root
      contents:
        remote:
          url: {url}
"
    );
    vec![
        ("ignition3", ignition3, 4, 6),
        ("ignition2", ignition2, 4, 6),
        ("butane", butane, 5, 10),
        ("container-linux", container_linux, 5, 12),
    ]
}

/// A server that answers 404 to everything, until the test ends.
fn nothing_found() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(
                b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            );
        }
    });
    format!("http://{address}/app.conf")
}

fn points_at(answer: &Answer, line: usize, words: &[&str], language: &str) {
    assert_eq!(answer.code, Some(1), "{language}: {answer:?}");
    let place = format!("config.ign:{line}:");
    for text in words.iter().chain([&place.as_str()]) {
        assert!(
            answer.out.contains(text),
            "{language}: {text:?} is not in:\n{}",
            answer.out
        );
    }
}

#[test]
fn a_missing_device_points_at_the_line_that_asks_for_it() {
    let cloud_config = "#cloud-config
fs_setup:
  - filesystem: ext4
    device: /dev/disk/by-id/nothing
    partition: none
";
    let mut all = same_in_every_language("data:,x");
    all.push(("cloud-config", cloud_config.into(), 4, 0));
    for (language, config, line, _) in all {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        let boot = FirstBoot::new(dir.path(), &root, config.as_bytes());
        // The rehearsal misses it.
        let answer = boot
            .with("PILOTLIGHT_DEVICE_WAIT", "0")
            .stage("fetch-offline");
        points_at(&answer, line, &["/dev/disk/by-id/nothing"], language);
    }
}

#[test]
fn a_missing_file_on_a_server_points_at_its_url() {
    let url = nothing_found();
    for (language, config, _, line) in same_in_every_language(&url) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        let boot = FirstBoot::new(dir.path(), &root, config.as_bytes());
        assert_eq!(boot.stage("fetch-offline").code, Some(0), "{language}");
        assert!(dir.path().join("run/neednet").exists(), "{language}");
        points_at(&boot.stage("fetch"), line, &["404"], language);
    }
}

/// A directory with a Butane config, the file that it takes in, and a file beyond it.
fn butane_directory() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("files")).unwrap();
    fs::write(dir.path().join("files/motd"), "welcome\n").unwrap();
    fs::write(dir.path().join("secret"), "beyond\n").unwrap();
    symlink("../secret", dir.path().join("files/out")).unwrap();
    let config = |local: &str| {
        format!(
            "variant: flatcar\nversion: 1.1.0\nstorage:\n  files:\n    - path: /etc/motd\n      contents:\n        local: {local}\n"
        )
    };
    fs::write(dir.path().join("good.bu"), config("motd")).unwrap();
    fs::write(dir.path().join("out.bu"), config("out")).unwrap();
    dir
}

fn at(directory: &Path, arguments: &[&str]) -> Vec<std::ffi::OsString> {
    arguments
        .iter()
        .map(|argument| match argument.strip_prefix('@') {
            Some(name) => directory.join(name).into_os_string(),
            None => argument.into(),
        })
        .collect()
}

#[test]
fn local_files_come_from_their_directory_and_from_nowhere_else() {
    let dir = butane_directory();
    let call = |arguments: &[&str]| pilotlight(&at(dir.path(), arguments));
    let answer = call(&[
        "convert",
        "@good.bu",
        "--files-dir",
        "@files",
        "--to",
        "3.4",
    ]);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    let json: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(json["ignition"]["version"], "3.4.0");
    let source = json["storage"]["files"][0]["contents"]["source"].as_str();
    let contents = pilotlight_core::dataurl::decode(source.unwrap()).unwrap();
    assert_eq!(contents, b"welcome\n");

    let answer = call(&["validate", "@out.bu", "-d", "@files"]);
    assert_eq!(answer.code, Some(1), "{answer:?}");
    assert!(answer.err.contains("out.bu:7:"), "{}", answer.err);
    assert!(answer.err.contains("leads out"), "{}", answer.err);
    let answer = call(&["validate", "@good.bu"]);
    assert_eq!(answer.code, Some(1), "{answer:?}");
    assert!(answer.err.contains("--files-dir"), "{}", answer.err);
    let answer = call(&["plan", "@good.bu", "-d", "@files"]);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert!(answer.out.contains("/etc/motd"), "{}", answer.out);
}

#[test]
fn what_a_version_cannot_say_is_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join("k.bu"),
        "variant: fcos\nversion: 1.4.0\nkernel_arguments:\n  should_exist: [quiet]\n",
    )
    .unwrap();
    let answer = pilotlight(&at(dir.path(), &["convert", "@k.bu", "--to", "3.2"]));
    assert_eq!(answer.code, Some(1), "{answer:?}");
    assert_eq!(answer.out, "");
    assert!(answer.err.contains("k.bu:"), "{}", answer.err);
    assert!(answer.err.contains("3.3"), "{}", answer.err);
    let answer = pilotlight(&at(
        dir.path(),
        &["convert", "@k.bu", "--to", "3.3", "-o", "@k.ign"],
    ));
    assert_eq!(answer.code, Some(0), "{answer:?}");
    let answer = pilotlight(&at(dir.path(), &["validate", "--strict", "@k.ign"]));
    assert_eq!((answer.code, answer.err.as_str()), (Some(0), ""));
}

#[test]
fn a_config_of_openshift_becomes_a_machine_config_unless_a_version_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let role = "machineconfiguration.openshift.io/role";
    let text = format!(
        "variant: openshift\nversion: 4.20.0\nmetadata: {{name: a, labels: {{{role}: worker}}}}\nopenshift: {{kernel_arguments: [quiet]}}\n"
    );
    fs::write(dir.path().join("m.bu"), text).unwrap();
    let call = |arguments: &[&str]| pilotlight(&at(dir.path(), arguments));
    let answer = call(&["convert", "@m.bu"]);
    assert_eq!((answer.code, answer.err.as_str()), (Some(0), ""));
    let json: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(json["kind"], "MachineConfig");
    assert_eq!(json["spec"]["config"]["ignition"]["version"], "3.5.0");
    assert_eq!(json["spec"]["kernelArguments"][0], "quiet");
    let answer = call(&["convert", "@m.bu", "--to", "3.4"]);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert_eq!(answer.out, "{\"ignition\":{\"version\":\"3.4.0\"}}\n");
    let lost = "openshift.kernel_arguments is for the cluster";
    assert!(answer.err.contains(lost), "{}", answer.err);
    let answer = call(&["validate", "--strict", "@m.bu"]);
    assert_eq!((answer.code, answer.err.as_str()), (Some(0), ""));
    let answer = call(&["plan", "@m.bu"]);
    assert!(answer.err.contains(lost), "{}", answer.err);
}

/// Calls `ignition-validate` with arguments and standard input.
fn ignition_validate(directory: &Path, arguments: &[&str], input: &str) -> Answer {
    let name = directory.join("ignition-validate");
    if !name.exists() {
        symlink(program(), &name).unwrap();
    }
    let mut child = Command::new(name)
        .args(at(directory, arguments))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap().into()
}

/// Codes seen of Ignition 2.14's own tool with the same arguments.
#[test]
fn ignition_validate_answers_with_its_exit_codes() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    write("good.ign", r#"{"ignition": {"version": "3.0.0"}}"#);
    write("odd.ign", r#"{"ignition": {"version": "3.0.0"}, "x": 1}"#);
    write("bad.ign", r#"{"ignition": {"version": "9.0.0"}}"#);
    write("empty.ign", "");
    for (arguments, code) in [
        (vec!["@good.ign"], 0),
        (vec!["@odd.ign"], 0),
        (vec!["@bad.ign"], 1),
        (vec!["@empty.ign"], 1),
        (vec!["@missing.ign"], 1),
        (vec![], 1),
        (vec!["@good.ign", "@good.ign"], 1),
        (vec!["--frobnicate", "@good.ign"], 2),
        (vec!["-version"], 0),
        (vec!["--version"], 0),
        (vec!["-h"], 0),
    ] {
        let answer = ignition_validate(dir.path(), &arguments, "");
        assert_eq!(answer.code, Some(code), "{arguments:?}: {answer:?}");
    }
    let answer = ignition_validate(
        dir.path(),
        &["-"],
        r#"{"ignition": {"version": "3.0.0"}, "x": 1}"#,
    );
    assert_eq!(answer.code, Some(0));
    assert!(
        answer.err.starts_with("<stdin>:1:36: warning:"),
        "{}",
        answer.err
    );
}

#[test]
fn validate_speaks_to_machines_and_can_be_strict() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.ign");
    fs::write(
        &path,
        "{\"ignition\": {\"version\": \"3.0.0\"},\n \"storag\": {}}",
    )
    .unwrap();
    let path = path.to_str().unwrap();
    let answer = pilotlight(&["validate", "--json", path]);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    let json: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(json[0]["valid"], true);
    assert_eq!(json[0]["language"], "ignition");
    let finding = &json[0]["findings"][0];
    assert_eq!(finding["severity"], "warning");
    assert_eq!(
        (&finding["line"], &finding["column"]),
        (&2.into(), &2.into())
    );
    assert_eq!(finding["help"], "did you mean \"storage\"?");
    let answer = pilotlight(&["validate", "--json", "--strict", path]);
    assert_eq!(answer.code, Some(1));
    assert!(answer.out.contains("\"valid\": false"));
    let answer = pilotlight(&["plan", "--strict", path]);
    assert_eq!((answer.code, answer.out.as_str()), (Some(1), ""));
}

#[test]
fn the_schema_of_a_version_knows_its_keys() {
    let schema = |version: &str| pilotlight(&["schema", version]).out;
    assert!(schema("3.3").contains("kernelArguments"));
    assert!(!schema("3.2").contains("kernelArguments"));
    serde_json::from_str::<serde_json::Value>(&schema("3.6")).unwrap();
    assert_eq!(pilotlight(&["schema", "4.0"]).code, Some(2));
}

#[test]
fn a_strict_distribution_refuses_what_only_warns() {
    let config = "{\"ignition\": {\"version\": \"3.0.0\"},\n \"storag\": {}}";
    let dir = tempfile::tempdir().unwrap();
    let boot = FirstBoot::new(dir.path(), &dir.path().join("root"), config.as_bytes());
    let answer = boot.stage("fetch-offline");
    assert_eq!(answer.code, Some(0), "{answer:?}");
    let state = fs::read_to_string(dir.path().join("run/state")).unwrap();
    assert!(
        state.contains("config.ign:2:2: warning: unknown key"),
        "{state}"
    );
    let answer = boot.with("PILOTLIGHT_STRICT", "1").stage("fetch-offline");
    points_at(&answer, 2, &["unknown key \"storag\""], "ignition3");
}

#[test]
fn a_reader_that_stops_early_is_no_error() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("c.ign");
    fs::write(&config, r#"{"ignition": {"version": "3.4.0"}}"#).unwrap();
    let config = config.to_str().unwrap();
    for arguments in [
        vec!["schema"],
        vec!["validate", "--json", config],
        vec!["convert", config],
        vec!["plan", config],
        vec!["plan", "--json", config],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let child = Command::new(program())
            .args(&arguments)
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn();
        let answer: Answer = child.unwrap().wait_with_output().unwrap().into();
        assert_eq!(
            (answer.code, answer.err.as_str()),
            (Some(0), ""),
            "{arguments:?}"
        );
    }
}
