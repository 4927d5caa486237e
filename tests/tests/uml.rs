//! That guests of user-mode Linux carry what the tests of disks need.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;

use pilotlight_tests::uml::Guest;

#[test]
fn a_program_ends_with_its_exit_code_and_output() {
    let mut guest = Guest::new();
    let answer = guest.run(&[
        "sh",
        "-c",
        "echo it''s \"$0\"; id -u; uname -n >&2; exit 7",
        "it's",
    ]);
    assert_eq!(answer.code, Some(7), "{answer:?}");
    assert_eq!(answer.out, "its it's\n0\n(none)");
}

#[test]
fn what_is_written_to_a_disk_is_there_after_a_second_boot() {
    let mut guest = Guest::new();
    let disk = guest.disk(1);
    guest.boot(|| {
        fs::write(&disk, "kept").unwrap();
        fs::write("/etc/gone", "").unwrap();
    });
    guest.boot(|| {
        assert!(fs::read(&disk).unwrap().starts_with(b"kept"));
        assert!(!fs::exists("/etc/gone").unwrap());
    });
}
