//! Stores of variables that are none, or damaged.

use pilotlight_install::card::variables::{self, Store, VariablesError};

use super::stand_in::rpi_efi;

/// Where the stand-in's volume, its store and the first variable begin.
const VOLUME: usize = 0x3b_0000;
const STORE: usize = VOLUME + 72;
const FIRST: usize = STORE + 28;

fn with(changes: &[(usize, &[u8])]) -> Vec<u8> {
    let mut file = rpi_efi();
    variables::set(&mut file, "RamLimitTo3GB", 1).unwrap();
    for (at, bytes) in changes {
        file[*at..at + bytes.len()].copy_from_slice(bytes);
    }
    file
}

/// Every row is refused with these words, and stays what it is.
#[test]
fn hostile_stores() {
    let again = rpi_efi().split_off(VOLUME);
    let mut several = with(&[]);
    several.extend(again);
    let mut cut = with(&[]);
    cut.truncate(VOLUME + 0x1_0000);
    let full = vec![0; 0xdfb8 - 28];
    let mut record = with(&[])[FIRST..FIRST + 92].to_vec();
    // A variable without contents that takes the whole store.
    record[40..44].copy_from_slice(&(0xdfb8u32 - 28 - 88 - 40).to_le_bytes());
    let rows: [(&str, Vec<u8>); 13] = [
        ("it has no store of variables", Vec::new()),
        ("it has no store of variables", cut),
        (
            "it has no store of variables",
            with(&[(VOLUME + 40, b"_FVX")]),
        ),
        // The sum of its head is another.
        ("it has no store of variables", with(&[(VOLUME + 56, &[1])])),
        ("it has 2 stores of variables", several),
        (
            "it is no store of authenticated variables",
            with(&[(STORE, &[0])]),
        ),
        (
            "it is larger than its volume",
            with(&[(STORE + 16, &[0xff, 0xff, 0xff, 0xff])]),
        ),
        (
            "it is larger than its volume",
            with(&[(STORE + 16, &[27, 0, 0, 0])]),
        ),
        (
            "it is not formatted, or not whole",
            with(&[(STORE + 21, &[0xff])]),
        ),
        (
            "it ends behind the store",
            with(&[(FIRST + 36, &[0xff, 0xff, 0xff, 0x7f])]),
        ),
        (
            "it ends behind the store",
            with(&[(FIRST + 40, &[0xff, 0xff, 0xff, 0xff])]),
        ),
        (
            "RamLimitTo3GB has 0 bytes where 4 are expected",
            with(&[(FIRST + 40, &[0])]),
        ),
        (
            "what follows the last one is not erased",
            with(&[(FIRST, &full)]),
        ),
    ];
    for (expected, file) in rows {
        let mut changed = file.clone();
        let error = variables::set(&mut changed, "RamLimitTo3GB", 0).unwrap_err();
        assert!(error.to_string().contains(expected), "{expected}: {error}");
        assert!(changed == file, "{expected}: changed");
    }
    // Behind the place of a new one, where it would be read as the next one.
    let mut file = with(&[(STORE + 0x8000, &[0xaa, 0x55])]);
    let before = file.clone();
    assert_eq!(
        variables::set(&mut file, "Other", 1),
        Err(VariablesError::Variable {
            at: STORE + 0x8000,
            what: "what follows the last one is not erased"
        })
    );
    assert!(file == before);
    let mut file = with(&[(FIRST, &record)]);
    let error = variables::set(&mut file, "SystemTableMode", 1).unwrap_err();
    assert_eq!(
        error.to_string(),
        "its store of variables has no room for SystemTableMode: 40 bytes are free"
    );
}

/// A variable counts while another is about to take its place, and no longer once that one is whole; deleted ones never.
#[test]
fn states() {
    let value = |file: &[u8]| Store::read(file).unwrap().setting(file, "RamLimitTo3GB");
    for (state, expected) in [
        (0x3f, Some(1)),
        (0x3e, Some(1)),
        (0x3d, None),
        (0x3c, None),
        (0x7f, None),
        (0xff, None),
    ] {
        assert_eq!(
            value(&with(&[(FIRST + 2, &[state])])),
            Ok(expected),
            "{state:x}"
        );
    }
    let record = with(&[])[FIRST..FIRST + 92].to_vec();
    let length = (60 + 28 + 4usize).next_multiple_of(4);
    let mut second = record.clone();
    second[88..92].copy_from_slice(&[5, 0, 0, 0]);
    let both = with(&[
        (FIRST, &record),
        (FIRST + 2, &[0x3e]),
        (FIRST + length, &second),
    ]);
    assert_eq!(value(&both), Ok(Some(5)));
    // Of somebody else.
    assert_eq!(value(&with(&[(FIRST + 44, &[0])])), Ok(None));
}
