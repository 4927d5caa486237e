//! File systems of a partition: the input is laid over a FAT of each width, or is one by itself.
#![no_main]

use std::cell::RefCell;
use std::io;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use pilotlight_install::card::fat::{Medium, SECTOR, Source, Stamp, Volume, Width};

/// A partition; what of it nobody writes costs nothing.
struct Memory {
    bytes: RefCell<Vec<u8>>,
    size: u64,
}

fuzz_target!(|bytes: &[u8]| {
    let Some((flags, bytes)) = bytes.split_first() else {
        return;
    };
    // Large enough for a FAT32; what is not written is zeros.
    let memory = Memory {
        bytes: RefCell::new(vec![0; 36 << 20]),
        size: 36 << 20,
    };
    let wide = flags & 1 != 0;
    let boot = boot(wide);
    memory.write_at(0, &boot).expect("it is within");
    let reserved: u64 = if wide { 32 } else { 1 };
    let (table, root): (u64, u64) = if wide {
        (572, 32 + 572)
    } else {
        (144, 1 + 144)
    };
    // The first half of the input is the table, the second the root directory and what follows it.
    let (links, rest) = bytes.split_at(bytes.len() / 2);
    let links = &links[..links.len().min((table * SECTOR) as usize)];
    memory
        .write_at(reserved * SECTOR, links)
        .expect("it is within");
    memory.write_at(root * SECTOR, rest).expect("it is within");
    if flags & 2 != 0 {
        // As it comes.
        memory.write_at(0, bytes).expect("it is within");
    }

    let Ok(mut volume) = Volume::read(&memory, memory.size) else {
        return;
    };
    let before = contents(&volume, &memory, 50);
    let put = volume.put(
        "overlays/A long name.dtbo",
        Arc::from(&b"overlay"[..]),
        Stamp::default(),
    );
    if put.is_err() {
        return;
    }
    let Ok(layout) = volume.layout() else {
        return;
    };
    layout
        .write(&memory)
        .expect("a partition in memory is written");
    let after = Volume::read(&memory, memory.size).expect("what was written is read");
    assert_eq!(after.width(), Width::Fat32);
    let after = contents(&after, &memory, 5000);
    for file in &before {
        let ours = file.0.to_ascii_lowercase().ends_with("/a long name.dtbo");
        assert!(ours || after.contains(file), "{} is another", file.0);
    }
});

/// All files with what is in them, as far as that is not much.
fn contents(volume: &Volume, memory: &Memory, most: usize) -> Vec<(String, u64, Option<Vec<u8>>)> {
    let files = volume.files().into_iter().take(most);
    files
        .map(|(path, size)| {
            let bytes = volume.contents(memory, &path, 4096).unwrap_or(None);
            (path, size, bytes)
        })
        .collect()
}

/// A boot sector of a file system of 36 MiB, its clusters one sector or two.
fn boot(wide: bool) -> [u8; 512] {
    let mut boot = [0; 512];
    boot[11..14].copy_from_slice(&[0, 2, if wide { 1 } else { 2 }]);
    boot[14..17].copy_from_slice(&[if wide { 32 } else { 1 }, 0, 1]);
    boot[32..36].copy_from_slice(&(36u32 * 2048).to_le_bytes());
    if wide {
        boot[36..38].copy_from_slice(&572u16.to_le_bytes());
        boot[44] = 2;
        boot[48] = 1;
        boot[50] = 6;
    } else {
        boot[17] = 16;
        boot[22] = 144;
    }
    boot[510..].copy_from_slice(&[0x55, 0xaa]);
    boot
}

impl Source for Memory {
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        if at + into.len() as u64 > self.size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let at = at as usize;
        into.copy_from_slice(&self.bytes.borrow()[at..at + into.len()]);
        Ok(())
    }
}

impl Medium for Memory {
    fn write_at(&self, at: u64, from: &[u8]) -> io::Result<()> {
        if at + from.len() as u64 > self.size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let at = at as usize;
        self.bytes.borrow_mut()[at..at + from.len()].copy_from_slice(from);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}
