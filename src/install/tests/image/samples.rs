//! Contents and images to test with.

use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;

/// Numbers that look random and are the same every time (xorshift64).
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }
}

/// Runs of zeros, of other bytes, of words and of noise, as a disk's image has them.
pub fn content(seed: u64, length: usize) -> Vec<u8> {
    let mut numbers = Numbers(seed | 1);
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        let run = 1 + numbers.below(150_000);
        match numbers.below(5) {
            0 => bytes.resize(bytes.len() + run * 3, 0),
            1 => bytes.resize(bytes.len() + run / 8, 0xff),
            2 => {
                bytes.extend((0..run / 4).flat_map(|at| format!("word {} ", at % 97).into_bytes()))
            }
            _ => bytes.extend((0..run / 8).flat_map(|_| numbers.next().to_le_bytes())),
        }
    }
    bytes.truncate(length);
    bytes
}

/// What a tool makes of some bytes on its standard input.
pub fn piped(command: &str, input: &[u8]) -> Vec<u8> {
    let mut words = command.split_whitespace();
    let mut child = Command::new(words.next().unwrap())
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|cause| panic!("{command}: {cause}"));
    let mut stdin = child.stdin.take().unwrap();
    let output = thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input).unwrap());
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success(), "{command}");
    output.stdout
}

/// An image with a GPT for sectors of this size and contents of `length` bytes in all.
pub fn image(seed: u64, sector: usize, length: usize) -> Vec<u8> {
    let mut image = content(seed, length);
    label(&mut image, sector);
    image
}

/// Gives some bytes a boot record and the header of a GPT.
pub fn label(image: &mut [u8], sector: usize) {
    image[..40 * 1024].fill(0);
    let sectors = (image.len() / sector) as u64;
    image[510..512].copy_from_slice(&[0x55, 0xaa]);
    // Its protective partition.
    image[450] = 0xee;
    image[454] = 1;
    image[458..462].copy_from_slice(&u32::try_from(sectors - 1).unwrap().to_le_bytes());
    let header = &mut image[sector..];
    header[..8].copy_from_slice(b"EFI PART");
    header[24..32].copy_from_slice(&1_u64.to_le_bytes());
    header[32..40].copy_from_slice(&(sectors - 1).to_le_bytes());
    header[40..48].copy_from_slice(&34_u64.to_le_bytes());
    header[48..56].copy_from_slice(&(sectors - 34).to_le_bytes());
}
