//! What fills in a cloud-config's addresses on the machine, run by a real shell.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::process::Command;

use pilotlight_tests::{Answer, pilotlight};
use serde_json::Value;

/// The program that a cloud-config's unit runs.
fn script(directory: &std::path::Path) -> String {
    let config = directory.join("config.yaml");
    let text =
        "#cloud-config\nwrite_files:\n- path: /srv/peer\n  content: 'http://$private_ipv4:2380'\n";
    fs::write(&config, text).unwrap();
    let answer = pilotlight(&["convert", config.to_str().unwrap()]);
    assert_eq!(answer.code, Some(0), "{}", answer.err);
    let json: Value = serde_json::from_str(&answer.out).unwrap();
    let files = json["storage"]["files"].as_array().unwrap();
    let program = files
        .iter()
        .find(|file| file["path"].as_str().unwrap().ends_with("/addresses"))
        .unwrap();
    let source = program["contents"]["source"].as_str().unwrap();
    String::from_utf8(pilotlight_core::dataurl::decode(source).unwrap()).unwrap()
}

#[test]
fn an_address_is_filled_in_and_nothing_else_is_run() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    fs::create_dir(at("bin")).unwrap();
    std::os::unix::fs::symlink("/bin/true", at("bin/systemctl")).unwrap();
    let script = script(dir.path());
    let done = script.lines().last().unwrap().strip_prefix("touch ");
    let script = script
        .replace("/srv/peer", &at("peer"))
        .replace(done.unwrap(), &at("done"));
    let with = |text: &str, address: &str| -> (Option<i32>, String) {
        fs::write(at("peer"), text).unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).current_dir(dir.path());
        shell.env("PATH", format!("{}:/usr/bin:/bin", at("bin")));
        let answer: Answer = shell
            .env("COREOS_EC2_IPV4_LOCAL", address)
            .output()
            .unwrap()
            .into();
        (answer.code, fs::read_to_string(at("peer")).unwrap())
    };
    let run = |address: &str| with("http://$private_ipv4:2380", address);
    let peer = |address: &str| format!("http://{address}:2380");
    assert_eq!(run("10.0.0.7"), (Some(0), peer("10.0.0.7")));
    assert_eq!(run("2001:db8::1"), (Some(0), peer("2001:db8::1")));
    // What the platform does not know stays as it is written.
    assert_eq!(run(""), (Some(0), peer("$private_ipv4")));
    // Behind a backslash the variable stands for itself, as with coreos-cloudinit.
    for (text, expected) in [
        ("\\$private_ipv4", "$private_ipv4"),
        (
            "a \\$private_ipv4 $private_ipv4",
            "a $private_ipv4 10.0.0.7",
        ),
        ("$private_ipv4$private_ipv4", "10.0.0.710.0.0.7"),
        (
            "$private_ipv4\n$private_ipv4/24\n",
            "10.0.0.7\n10.0.0.7/24\n",
        ),
        ("C:\\dir $HOME '\"`", "C:\\dir $HOME '\"`"),
    ] {
        assert_eq!(with(text, "10.0.0.7"), (Some(0), expected.to_owned()));
    }
    assert_eq!(
        with("\\$private_ipv4 $private_ipv4", "").1,
        "$private_ipv4 $private_ipv4"
    );
    for hostile in ["x|e;touch run #", "$(touch run)", "1\n2", "a b"] {
        assert_eq!(run(hostile), (Some(1), peer("$private_ipv4")), "{hostile}");
    }
    assert!(!dir.path().join("run").exists());
}
