//! Whether a machine ended by a reset or by switching itself off, as QEMU's control protocol (QMP) tells.
//!
//! Its RESET events do not count boots: firmware and kernel may ask several times for one reset.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};

/// Listens to one QEMU, which connects before its machine starts.
pub struct Ending {
    socket: PathBuf,
    was_reset: JoinHandle<bool>,
}

impl Ending {
    /// Listens on a socket of this path.
    pub fn listen(socket: &Path) -> Result<Self> {
        let listener = UnixListener::bind(socket)
            .with_context(|| format!("while listening on {}", socket.display()))?;
        let was_reset =
            thread::spawn(move || listener.accept().is_ok_and(|(qemu, _)| follow(&qemu)));
        Ok(Self {
            socket: socket.to_owned(),
            was_reset,
        })
    }

    /// After QEMU's end: true when the guest asked for a reset.
    pub fn was_reset(self) -> bool {
        // A QEMU that failed never connected, and the listener waits still; else this fails.
        drop(UnixStream::connect(self.socket));
        self.was_reset.join().unwrap_or(false)
    }
}

/// Reads events until QEMU ends; they come only after the greeting was answered.
fn follow(mut qemu: &UnixStream) -> bool {
    // A QEMU that is gone already is found out by reading.
    let _ = qemu.write_all(b"{\"execute\": \"qmp_capabilities\"}\n");
    BufReader::new(qemu)
        .lines()
        .map_while(Result::ok)
        .any(|line| line.contains("\"SHUTDOWN\"") && line.contains("\"guest-reset\""))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::Ending;

    fn was_reset(said: Option<&str>) -> bool {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("qmp");
        let ending = Ending::listen(&socket).unwrap();
        if let Some(said) = said {
            let mut qemu = UnixStream::connect(&socket).unwrap();
            qemu.write_all(said.as_bytes()).unwrap();
        }
        ending.was_reset()
    }

    #[test]
    fn only_a_reset_by_the_guest_is_one() {
        let event = |reason: &str| {
            format!(
                "{{\"QMP\": {{}}}}\r\n{{\"return\": {{}}}}\r\n{{\"event\": \"SHUTDOWN\", \
                 \"data\": {{\"guest\": true, \"reason\": \"{reason}\"}}}}\r\n"
            )
        };
        assert!(was_reset(Some(&event("guest-reset"))));
        assert!(!was_reset(Some(&event("guest-shutdown"))));
        // QEMU that ends, or never starts.
        assert!(!was_reset(Some("{\"QMP\": {}}\r\n")));
        assert!(!was_reset(None));
    }
}
