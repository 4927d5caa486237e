//! Key-value pairs that a host of Hyper-V gives its guest, by the kernel's device (Linux include/uapi/linux/hyperv.h
//! and tools/hv/hv_kvp_daemon.c).

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

const DEVICE: &str = "/dev/vmbus/hv_kvp";
/// A message: a header of 4 bytes and the largest of its bodies, that of an address.
const MESSAGE: usize = 4 + 7426;
/// Operations.
const SET: u8 = 1;
const ENUMERATE: u8 = 3;
const REGISTER: u8 = 100;
/// The pool that the host writes.
const EXTERNAL: u8 = 0;
/// Where the parts of a pair are: the sizes, the key and the value.
const KEY_SIZE: usize = 8;
const VALUE_SIZE: usize = 12;
const KEY: usize = 16;
const VALUE: usize = KEY + 512;
const MAX_VALUE: usize = 2048;
/// Answers: done, there is no more, and what cannot be done.
const OK: u32 = 0;
const NO_MORE: u32 = 0x8007_0103;
const FAILED: u32 = 0x8000_4005;
/// How long the host may keep silent before it has said everything.
const SILENCE: Duration = Duration::from_secs(3);
/// How many messages are listened to.
const MAX_MESSAGES: usize = 4096;

/// Key and value of each pair of the pool that the host writes, in the order in which it gave them.
///
/// The host gives them once a boot, to whoever asks first. `None` where the machine has no such device.
pub fn pairs() -> io::Result<Option<Vec<(String, String)>>> {
    pairs_of(Path::new(DEVICE), SILENCE)
}

fn pairs_of(device: &Path, silence: Duration) -> io::Result<Option<Vec<(String, String)>>> {
    let opened = File::options().read(true).write(true).open(device);
    match opened {
        Ok(file) => converse(file, silence).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn converse(mut device: File, silence: Duration) -> io::Result<Vec<(String, String)>> {
    let mut message = vec![0; MESSAGE];
    message[0] = REGISTER;
    device.write_all(&message)?;
    let mut pairs = Vec::new();
    let limit = Timespec::try_from(silence).map_err(io::Error::other)?;
    for _ in 0..MAX_MESSAGES {
        let mut fds = [PollFd::new(&device, PollFlags::IN)];
        if poll(&mut fds, Some(&limit))? == 0 {
            break;
        }
        let length = device.read(&mut message)?;
        if length == 0 {
            break;
        }
        let said = &message[..length];
        if said.first() == Some(&REGISTER) {
            continue;
        }
        pairs.extend(pair(said));
        let answer = match said.first() {
            Some(&SET) => OK,
            Some(&ENUMERATE) => NO_MORE,
            _ => FAILED,
        };
        let mut reply = vec![0; MESSAGE];
        reply[..4].copy_from_slice(&answer.to_ne_bytes());
        device.write_all(&reply)?;
    }
    Ok(pairs)
}

/// The pair of a message that sets one of the host's pool; `None` of any other.
fn pair(message: &[u8]) -> Option<(String, String)> {
    if message.first() != Some(&SET) || message.get(1) != Some(&EXTERNAL) {
        return None;
    }
    let size = |at: usize| {
        let bytes = message.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_ne_bytes(bytes)).ok()
    };
    let text = |at: usize, size: usize| {
        let bytes = message.get(at..at + size)?;
        // The size counts the NUL at its end.
        let end = bytes.iter().position(|byte| *byte == 0);
        let bytes = &bytes[..end.unwrap_or(bytes.len())];
        String::from_utf8(bytes.to_vec()).ok()
    };
    let key = text(KEY, size(KEY_SIZE)?.min(VALUE - KEY))?;
    let value = text(VALUE, size(VALUE_SIZE)?.min(MAX_VALUE))?;
    Some((key, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixDatagram;

    fn set(pool: u8, key: &str, value: &str) -> Vec<u8> {
        let mut message = vec![0; MESSAGE];
        message[0] = SET;
        message[1] = pool;
        let size = |text: &str| u32::try_from(text.len() + 1).unwrap().to_ne_bytes();
        message[KEY_SIZE..KEY_SIZE + 4].copy_from_slice(&size(key));
        message[VALUE_SIZE..VALUE_SIZE + 4].copy_from_slice(&size(value));
        message[KEY..KEY + key.len()].copy_from_slice(key.as_bytes());
        message[VALUE..VALUE + value.len()].copy_from_slice(value.as_bytes());
        message
    }

    #[test]
    fn pairs_are_read_whatever_is_written_there() {
        let long = "k".repeat(511);
        for (message, expected) in [
            (set(0, "a", "b"), Some(("a", "b"))),
            (set(0, &long, ""), Some((long.as_str(), ""))),
            (set(1, "a", "b"), None),
            (vec![], None),
            (vec![SET, 0], None),
            (set(0, "a", "b")[..VALUE].to_vec(), None),
        ] {
            let found = pair(&message);
            let found = found
                .as_ref()
                .map(|(key, value)| (key.as_str(), value.as_str()));
            assert_eq!(found, expected);
        }
        // Sizes that no message has.
        let mut message = set(0, "a", "b");
        message[KEY_SIZE..KEY_SIZE + 8].fill(0xff);
        assert_eq!(pair(&message), Some(("a".into(), "b".into())));
        let mut message = set(0, "a", "b");
        message[KEY] = 0xff;
        assert_eq!(pair(&message), None);
    }

    #[test]
    fn the_host_is_answered_until_it_is_silent() {
        // Messages have ends on the device as they have on such a socket.
        let (ours, host) = UnixDatagram::pair().unwrap();
        let mut enumerate = vec![0; MESSAGE];
        enumerate[0] = ENUMERATE;
        let said = [
            {
                let mut registered = vec![0; MESSAGE];
                registered[0] = REGISTER;
                registered
            },
            set(0, "ignition.config.0", "{"),
            set(1, "other", "x"),
            enumerate,
            set(0, "ignition.config.1", "}"),
        ];
        for message in &said {
            host.send(message).unwrap();
        }
        let device = File::from(OwnedFd::from(ours));
        let pairs = converse(device, Duration::from_millis(50)).unwrap();
        let expected = [("ignition.config.0", "{"), ("ignition.config.1", "}")];
        assert_eq!(
            pairs,
            expected.map(|(key, value)| (key.to_string(), value.to_string()))
        );
        // Whoever has hung up is silent for ever.
        host.set_nonblocking(true).unwrap();
        let mut heard = Vec::new();
        let mut buffer = vec![0; MESSAGE];
        while let Ok(length) = host.recv(&mut buffer) {
            if length == 0 {
                break;
            }
            assert_eq!(length, MESSAGE);
            heard.push(u32::from_ne_bytes(buffer[..4].try_into().unwrap()));
        }
        assert_eq!(heard, [u32::from(REGISTER), OK, OK, NO_MORE, OK]);
    }

    #[test]
    fn a_machine_without_the_device_has_no_pairs() {
        let none = pairs_of(Path::new("/nonexistent/hv_kvp"), SILENCE);
        assert!(none.unwrap().is_none());
    }
}
