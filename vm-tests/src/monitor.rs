//! What QEMU's monitor tells of a machine that does not end.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

/// Whether it runs, and where its processors are: twice, so that one that waits is told from one that loops.
const QUESTIONS: &str = "info status\ninfo registers -a\ninfo registers -a\n";
/// The lines that tell where a processor is: its number, its instruction pointer and its state.
const TELLING: [&str; 3] = ["VM status", "CPU#", "RIP="];

/// Asks the monitor behind a socket; an answer that does not come is told instead.
pub fn where_it_is(socket: &Path) -> Vec<String> {
    let answers = ask(socket).unwrap_or_else(|error| format!("RIP=? {error:#}"));
    answers
        .lines()
        .filter(|line| TELLING.iter().any(|word| line.contains(word)))
        .map(str::to_owned)
        .collect()
}

fn ask(socket: &Path) -> Result<String> {
    let mut monitor = UnixStream::connect(socket)?;
    monitor.set_read_timeout(Some(Duration::from_secs(5)))?;
    monitor.write_all(QUESTIONS.as_bytes())?;
    let mut answers = Vec::new();
    // It goes on waiting for questions: the end is that no more comes.
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = monitor.read(&mut buffer) {
        answers.extend_from_slice(&buffer[..length]);
    }
    Ok(String::from_utf8_lossy(&answers).into_owned())
}
