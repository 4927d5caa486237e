//! A machine's network as a test makes it: namespaces, servers that fail by a script, and what an operator
//! reads meanwhile.

mod certificates;
mod dns;
mod program;
mod web;

use std::path::Path;
use std::process::Command;
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
                run(&["ip", "address", "add", address, "dev", "lo"]);
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

/// A kernel console that is a file: gives its path.
///
/// The agent writes to consoles in an initramfs only, which `/etc/initrd-release` says it is.
pub fn console(scratch: &Path) -> std::path::PathBuf {
    let etc = scratch.join("etc");
    std::fs::create_dir_all(&etc).unwrap();
    std::fs::write(etc.join("initrd-release"), "").unwrap();
    for name in ["hosts", "nsswitch.conf", "resolv.conf", "passwd", "group"] {
        let text = std::fs::read(Path::new("/etc").join(name)).unwrap_or_default();
        std::fs::write(etc.join(name), text).unwrap();
    }
    let active = scratch.join("active");
    std::fs::write(&active, "full\n").unwrap();
    let shown = scratch.join("console");
    std::fs::write(&shown, "").unwrap();
    cover("/etc", &etc);
    cover("/sys/class/tty/console/active", &active);
    // Any name in /dev will do.
    cover("/dev/full", &shown);
    shown
}
