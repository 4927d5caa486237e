//! The script's name: it asks nobody, installs anew each time, and puts everything where the script put it.

use std::fs;

use crate::image::{SIZE, image};
use crate::{Disk, called, install, text};

#[test]
fn the_script_asks_nobody_and_installs_again() {
    let image = image();
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    fs::write(at("user.yml"), "#cloud-config\nhostname: node\n").unwrap();
    fs::create_dir(at("units")).unwrap();
    fs::write(at("units/10-a.network"), "[Match]\nName=eth0\n").unwrap();
    let disk = Disk::new(SIZE + 10);
    let line = format!(
        "-d {} -f {} -k {} -c {} --network-dir {}",
        disk.node(),
        image.packed.display(),
        image.key.display(),
        at("user.yml"),
        at("units"),
    );
    for _ in 0..2 {
        let answer = called("flatcar-install", &line, directory.path());
        assert_eq!(answer.code, Some(0), "{}", text(&answer));
    }
    disk.has_table_of(image);
    let root = |path: &str| disk.read(9, path);
    assert_eq!(
        root("var/lib/flatcar-install/user_data").unwrap(),
        "#cloud-config\nhostname: node\n"
    );
    assert_eq!(
        root("etc/systemd/network/10-a.network").unwrap(),
        "[Match]\nName=eth0\n"
    );
    let help = called("flatcar-install", "-h", directory.path());
    assert_eq!(help.code, Some(0));
    assert!(
        help.out.contains("--cloud-config") && help.out.contains("Usage: flatcar-install"),
        "{}",
        help.out
    );
}

#[test]
fn progress_can_be_read_by_programs() {
    let image = image();
    let disk = Disk::new(SIZE + 10);
    let answer = install(&format!(
        "-d {} -f {} -k {} --json",
        disk.node(),
        image.packed.display(),
        image.key.display()
    ));
    assert_eq!(answer.code, Some(0), "{}", text(&answer));
    let lines: Vec<serde_json::Value> = answer
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let events: Vec<&str> = lines
        .iter()
        .map(|line| line["event"].as_str().unwrap())
        .collect();
    assert!(
        events.contains(&"plan") && events.contains(&"operation"),
        "{events:?}"
    );
    let plan = lines.iter().find(|line| line["event"] == "plan").unwrap();
    assert_eq!(plan["disk"], disk.node());
    assert_eq!(plan["operations"][0]["destroys"], false);
}
