//! Variables of a firmware: the input is the store's contents, in a volume that is whole.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pilotlight_install::card::variables::{self, Store};

fuzz_target!(|bytes: &[u8]| {
    // As it comes, and as the contents of a store.
    check(bytes.to_vec());
    let mut file = vec![0xff; 4096];
    file[..100].copy_from_slice(&head());
    let length = bytes.len().min(file.len() - 100);
    file[100..100 + length].copy_from_slice(&bytes[..length]);
    check(file);
});

fn check(mut file: Vec<u8>) {
    let Ok(before) = Store::read(&file) else {
        return;
    };
    let old = file.clone();
    if variables::set(&mut file, "RamLimitTo3GB", 0).is_err() {
        assert_eq!(file, old);
        return;
    }
    let after = Store::read(&file).expect("what was written is read");
    assert_eq!(after.setting(&file, "RamLimitTo3GB"), Ok(Some(0)));
    // Nothing else is another.
    for variable in &before.variables {
        let ours = variable.owner == variables::RASPBERRY_PI && variable.name == "RamLimitTo3GB";
        assert!(ours || file[variable.value.clone()] == old[variable.value.clone()]);
    }
    assert_eq!(file[..before.volume.start], old[..before.volume.start]);
    assert_eq!(file[before.volume.end..], old[before.volume.end..]);
}

fn head() -> [u8; 100] {
    let mut head = [0; 100];
    head[16..32].copy_from_slice(&[
        0x8d, 0x2b, 0xf1, 0xff, 0x96, 0x76, 0x8b, 0x4c, 0xa9, 0x85, 0x27, 0x47, 0x07, 0x5b, 0x4f,
        0x50,
    ]);
    head[32..34].copy_from_slice(&[0, 0x10]);
    head[40..44].copy_from_slice(b"_FVH");
    head[48] = 72;
    head[55] = 2;
    let words = head[..72].as_chunks::<2>().0.iter();
    let sum = words.fold(0u16, |sum, word| {
        sum.wrapping_add(u16::from_le_bytes(*word))
    });
    head[50..52].copy_from_slice(&sum.wrapping_neg().to_le_bytes());
    head[72..88].copy_from_slice(&[
        0x78, 0x2c, 0xf3, 0xaa, 0x7b, 0x94, 0x9a, 0x43, 0xa1, 0x80, 0x2e, 0x14, 0x4e, 0xc3, 0x77,
        0x92,
    ]);
    head[88..90].copy_from_slice(&(4096u16 - 72).to_le_bytes());
    head[92..94].copy_from_slice(&[0x5a, 0xfe]);
    head
}
