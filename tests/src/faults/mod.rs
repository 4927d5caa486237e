//! A machine's network as a test makes it: namespaces, servers that fail by a script, and what an operator
//! reads meanwhile.

mod certificates;
mod dns;
mod program;
mod web;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use nix::sched::{CloneFlags, unshare};

pub use certificates::{Authority, Identity, tls};
pub use dns::Names;
pub use program::Running;
pub use web::{Act, Asked, Web, reply, say};

/// Runs `body` in namespaces of its own for network and mounts, as root.
///
/// Threads and programs that it starts are in the same ones. The only device is `lo`, which has the given
/// addresses (`192.0.2.1/32`, `fd00:ec2::254/128`) besides its own; nothing else can be reached.
pub fn isolated<T: Send>(addresses: &[&str], body: impl FnOnce() -> T + Send) -> T {
    // Namespaces belong to threads. The one of the test may run other tests afterwards.
    let ended = thread::scope(|scope| {
        let inside = move || {
            unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS)
                .unwrap_or_else(|error| panic!("namespaces need root: {error}"));
            run(&["mount", "--make-rprivate", "/"]);
            run(&["ip", "link", "set", "lo", "up"]);
            for address in addresses {
                // No address may be tentative, not even for a moment: servers bind to it next.
                let checked = if address.contains(':') {
                    &["nodad"][..]
                } else {
                    &[]
                };
                run(&[&["ip", "address", "add", address, "dev", "lo"], checked].concat());
            }
            body()
        };
        scope.spawn(inside).join()
    });
    ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Runs a program that has to succeed.
pub fn run(argv: &[&str]) {
    let output = Command::new(argv[0]).args(&argv[1..]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{argv:?}: {text}");
}

/// Shows `path` with other contents to this namespace; the path must exist.
pub fn cover(path: &str, with: &Path) {
    run(&["mount", "--bind", with.to_str().unwrap(), path]);
}

/// A kernel console that a test reads.
#[derive(Debug)]
pub struct Console {
    way: PathBuf,
    shown: Receiver<String>,
}

/// What the test itself writes to know that it has read everything.
const END: &str = "\u{4}";

impl Console {
    /// Makes one for this namespace, which is an initramfs from now on: elsewhere the agent writes to none.
    pub fn new(scratch: &Path) -> Self {
        let etc = scratch.join("etc");
        std::fs::create_dir_all(&etc).unwrap();
        std::fs::write(etc.join("initrd-release"), "").unwrap();
        for name in ["hosts", "nsswitch.conf", "resolv.conf", "passwd", "group"] {
            let text = std::fs::read(Path::new("/etc").join(name)).unwrap_or_default();
            std::fs::write(etc.join(name), text).unwrap();
        }
        let active = scratch.join("active");
        std::fs::write(&active, "full\n").unwrap();
        let way = scratch.join("console");
        run(&["mkfifo", way.to_str().unwrap()]);
        cover("/etc", &etc);
        cover("/sys/class/tty/console/active", &active);
        // Any name in /dev will do.
        cover("/dev/full", &way);
        // Open for both, so that it does not end between two writers.
        let mut all = File::options().read(true).write(true).open(&way).unwrap();
        let (sender, shown) = channel();
        thread::spawn(move || {
            let (mut text, mut part) = (Vec::new(), [0; 4096]);
            while let Ok(length) = all.read(&mut part) {
                text.extend(&part[..length]);
                if text.ends_with(END.as_bytes()) {
                    text.truncate(text.len() - END.len());
                    let _ = sender.send(String::from_utf8_lossy(&text).into_owned());
                    return;
                }
            }
        });
        Self { way, shown }
    }

    /// All that it has shown.
    pub fn text(self) -> String {
        std::fs::write(&self.way, END).unwrap();
        self.shown.recv().unwrap()
    }
}
