//! Tests inside a kernel that has what the host's may lack: md, dm-crypt, vfat, partition scanning, udev.
//!
//! [`Guest`] boots user-mode Linux (`linux.uml` of Debian's package `user-mode-linux`), an ordinary process
//! that needs no KVM and no image: its root is the host's `/`, seen read-only through hostfs, below an
//! overlay in the guest's memory. So every program, library and path of the host is there, everything can be
//! written, and nothing written survives except on the disks. A guest takes two to four seconds.
//!
//! A test is one function. What it hands to [`Guest::boot`] runs in the guest, as root, in the same test
//! binary, which the guest starts again with the name of the test:
//!
//! ```no_run
//! # use pilotlight_tests::uml::Guest;
//! #[test]
//! fn a_file_is_there_after_a_second_boot() {
//!     let mut guest = Guest::new();
//!     let data = guest.disk(64); // "/dev/ubda", 64 MiB
//!     guest.boot(|| { /* make a file system on `data` */ });
//!     guest.boot(|| { /* find it again */ });
//! }
//! ```
//!
//! Rules that follow from it:
//! - In the guest the function runs up to the closure whose boot it is, and no further; earlier closures are
//!   passed over. What stands between them runs on both sides: leave it out, or put it into
//!   [`Guest::on_host`].
//! - A panic in a closure fails the test on the host, with all that the closure printed, and the end of the
//!   kernel's messages.
//! - A closure changes nothing that later ones see, except the disks' contents. It may end in [`cut_power`].
//! - Arguments for RAID and LUKS in a guest of one slow processor: small disks, `--pbkdf pbkdf2
//!   --pbkdf-force-iterations 1000`.
//! - This kernel has no TPM and no virtio disks; udev gives links by partition label, file system, md and dm
//!   name, and `/dev/disk/by-path/platform-uml-blkdev.0` for the first disk, but none by id.
//! - Without udev, links below `/dev/md` stay when their array is stopped, and `/dev/mapper` has nodes in
//!   place of links.
//! - With udev, closing a disk that was open for writing has its partitions scanned again: their nodes are
//!   gone for a moment. `udevadm settle` waits for the end of it.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{PipeReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::Answer;

mod cable;

/// What the guest runs first.
const INIT: &str = include_str!("uml-init.sh");
/// What is preloaded into the guest's kernel, for the newest processors.
const XSTATE: &str = include_str!("uml-xstate.c");
/// Says in the guest which test runs there, and which of its boots: "2 NAME".
const INSIDE: &str = "PILOTLIGHT_UML";
/// Exit code of a closure that came to its end; a test that did not run one has another.
const DONE: i32 = 86;
/// What stands in place of an exit code when [`cut_power`] was called.
const CUT: &str = "cut";
/// Where the guest's init mounts the directory that it shares with the host.
const SHARED: &str = "/run/uml";
/// Where a guest with much to encrypt shares its processor with three others, it takes a minute.
const PATIENCE: Duration = Duration::from_secs(300);

/// How many boots each test has had in this process. Not per guest, for a test may have several.
static BOOTS: Mutex<Option<HashMap<String, usize>>> = Mutex::new(None);

/// A machine of user-mode Linux with its disks; it runs only within [`Guest::boot`] and [`Guest::run`].
#[derive(Debug)]
pub struct Guest {
    directory: tempfile::TempDir,
    disks: usize,
    /// Hardware addresses of network interfaces.
    nics: Vec<String>,
    udev: bool,
    memory: u32,
    patience: Duration,
}

impl Default for Guest {
    fn default() -> Self {
        Self::new()
    }
}

impl Guest {
    /// A machine without disks and without udev: devices appear in `/dev` by the kernel's own devtmpfs.
    pub fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            disks: 0,
            nics: Vec::new(),
            udev: false,
            memory: 512,
            patience: PATIENCE,
        }
    }

    /// A machine with systemd-udevd, which is done with all devices before anything else runs.
    pub fn with_udev() -> Self {
        Self {
            udev: true,
            ..Self::new()
        }
    }

    /// Sets the memory in MiB (512 at first). The host gives only what is used. Files that a closure writes
    /// outside of the disks lie in it, too.
    pub fn memory(mut self, mib: u32) -> Self {
        self.memory = mib;
        self
    }

    /// Sets how long a boot may take (300 s at first) before it is stopped, which fails the test.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Adds an empty disk of so many MiB with sectors of 512 bytes; answers the guest's node for it.
    ///
    /// For sectors of 4096 bytes put a loop device on it: [`loop_device`].
    pub fn disk(&mut self, mib: u64) -> String {
        assert!(self.disks < 16, "user-mode Linux takes up to 16 disks");
        let name = letter(self.disks);
        self.disks += 1;
        if !in_guest() {
            let image = File::create(self.image(&format!("/dev/ubd{name}"))).unwrap();
            image.set_len(mib << 20).unwrap();
        }
        format!("/dev/ubd{name}")
    }

    /// Adds a network interface with a hardware address, which is hardware to the guest; answers its name. Nobody is
    /// at the other end of its cable.
    pub fn nic(&mut self, mac: &str) -> String {
        let name = self.add_nic(mac);
        if !in_guest() {
            cable::alone(&self.directory.path().join(&name));
        }
        name
    }

    /// Adds two network interfaces with a cable between them; answers their names. Moved into another network
    /// namespace, the one is the world outside to the other.
    pub fn cable(&mut self, macs: [&str; 2]) -> [String; 2] {
        let names = macs.map(|mac| self.add_nic(mac));
        if !in_guest() {
            let sockets = [&names[0], &names[1]].map(|name| self.directory.path().join(name));
            cable::between([&sockets[0], &sockets[1]]);
        }
        names
    }

    fn add_nic(&mut self, mac: &str) -> String {
        let name = format!("vec{}", self.nics.len());
        self.nics.push(mac.into());
        name
    }

    /// The host's file behind a disk of the guest, for [`Guest::on_host`].
    pub fn image(&self, node: &str) -> std::path::PathBuf {
        let name = node.trim_start_matches("/dev/");
        self.directory.path().join(format!("{name}.img"))
    }

    /// Does something between two boots, on the host only: to the images of the disks, for example.
    pub fn on_host(&self, body: impl FnOnce()) {
        if !in_guest() {
            body();
        }
    }

    /// Boots the machine and runs the closure in it; returns after it is powered off.
    ///
    /// Panics where the closure did. Must be called in the function of a test.
    #[track_caller]
    pub fn boot<F: FnOnce()>(&mut self, body: F) {
        let name = test_name::<F>();
        let boot = {
            let mut boots = BOOTS.lock().unwrap_or_else(PoisonError::into_inner);
            let count = boots
                .get_or_insert_default()
                .entry(name.clone())
                .or_default();
            *count += 1;
            *count
        };
        if let Some(wanted) = inside() {
            if wanted == format!("{boot} {name}") {
                body();
                // What follows in the test is the host's.
                std::process::exit(DONE);
            }
            return;
        }
        let program = std::env::current_exe().unwrap();
        let program = program.to_str().unwrap();
        let arguments = [
            program,
            "--exact",
            &name,
            "--nocapture",
            "--include-ignored",
        ];
        let end = self.power_on(&arguments, Some(&format!("{boot} {name}")));
        match end.code {
            Some(DONE) => println!("boot {boot} of {name}:\n{}", end.said),
            _ => panic!("boot {boot} of {name} failed in the guest\n{end}"),
        }
    }

    /// Boots the machine and runs a program in it; answers its exit code and what it printed, on both
    /// streams, as `out`. For tests without [`Guest::boot`]: what it answers is not there in the guest.
    #[track_caller]
    pub fn run(&mut self, arguments: &[&str]) -> Answer {
        assert!(
            !in_guest(),
            "a test has either Guest::run or Guest::boot: start {arguments:?} in a closure"
        );
        let end = self.power_on(arguments, None);
        assert!(end.code.is_some(), "{arguments:?} did not end\n{end}");
        Answer {
            code: end.code,
            out: end.said,
            err: String::new(),
        }
    }

    #[track_caller]
    fn power_on(&self, arguments: &[&str], inside: Option<&str>) -> End {
        let directory = self.directory.path();
        let path = directory.to_str().unwrap();
        assert!(
            !path.contains(|c: char| c.is_whitespace() || c == ','),
            "{path:?} cannot stand in a kernel's command line: set TMPDIR to another directory"
        );
        let shared = directory.join("shared");
        let _ = fs::remove_dir_all(&shared);
        fs::create_dir(&shared).unwrap();
        let init = directory.join("init");
        self.write_init(&init, &shared, arguments, inside);

        // A test that is killed takes its guest along: the name space of processes ends with its first one.
        let mut kernel = Command::new("setpriv");
        kernel.args(["--pdeathsig", "KILL", "--", "unshare", "--pid", "--fork"]);
        kernel.args(["--mount-proc", "--kill-child=KILL", "--"]);
        // The kernel is one thread and its tracees: on two processors they wait for each other.
        let preload = format!("LD_PRELOAD={}", compiled_xstate(directory).display());
        kernel.args([
            "taskset",
            "--cpu-list",
            &processor(),
            "env",
            &preload,
            "linux.uml",
        ]);
        kernel.arg(format!("mem={}M", self.memory));
        kernel.args(["root=host", "rootfstype=hostfs", "rootflags=/", "ro"]);
        kernel.arg(format!("init={}", init.display()));
        // Where it keeps its process id and sockets.
        kernel.args([format!("uml_dir={path}/"), "umid=kernel".into()]);
        kernel.args([
            "con=null",
            "con0=null,fd:1",
            "quiet",
            "panic=-1",
            "loop.max_loop=0",
        ]);
        for disk in 0..self.disks {
            let node = format!("ubd{}", letter(disk));
            kernel.arg(format!("{node}={}", self.image(&node).display()));
        }
        for (number, mac) in self.nics.iter().enumerate() {
            // By a socket that is opened anew whenever the link is set up.
            let switch = format!("{path}/vec{number}");
            kernel.arg(format!("vec{number}:transport=bess,dst={switch},mac={mac}"));
        }
        let console = directory.join("console");
        let log = File::create(&console).unwrap();
        // Nothing is read from it: the other end closes when the last of the kernel's processes is gone.
        let (gone, held) = std::io::pipe().unwrap();
        kernel
            .stdin(held)
            .stderr(log.try_clone().unwrap())
            .stdout(log)
            .process_group(0);
        assert!(
            on_path("linux.uml"),
            "linux.uml is not installed: apt-get install user-mode-linux, or make deps"
        );
        let begun = Instant::now();
        let mut running = Running(kernel.spawn().unwrap(), gone);
        drop(kernel);
        let status = shared.join("status");
        let mut timed_out = false;
        let cut = loop {
            if running.0.try_wait().unwrap().is_some() {
                break false;
            }
            if fs::read_to_string(&status).is_ok_and(|status| status == CUT) {
                break true;
            }
            timed_out = begun.elapsed() > self.patience;
            if timed_out {
                break false;
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        drop(running);
        let seconds = begun.elapsed().as_secs_f64();
        println!("the guest took {seconds:.1} s");
        let code = fs::read_to_string(&status).ok();
        End {
            code: match cut {
                true => Some(DONE),
                false => code.and_then(|code| code.trim().parse().ok()),
            },
            stopped: timed_out.then_some(self.patience),
            said: lossy(&shared.join("output")),
            console: lossy(&console),
        }
    }

    fn write_init(&self, init: &Path, shared: &Path, arguments: &[&str], inside: Option<&str>) {
        let mut script = String::from("#!/bin/sh\n");
        let mut set = |name: &str, value: &str| {
            script.push_str(&format!("export {name}={}\n", quoted(value)));
        };
        set(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        );
        set("HOME", "/root");
        for (name, value) in std::env::vars() {
            let passed = [
                "CARGO_MANIFEST_DIR",
                "PILOTLIGHT_BIN",
                "PILOTLIGHT_CRASH",
                "TMPDIR",
            ]
            .contains(&name.as_str());
            if passed
                || ["RUST_", "PROPTEST_", "INSTA_"]
                    .iter()
                    .any(|p| name.starts_with(p))
            {
                set(&name, &value);
            }
        }
        if let Some(inside) = inside {
            set(INSIDE, inside);
        }
        let directory = std::env::current_dir().unwrap();
        for (name, value) in [
            ("host", shared.to_str().unwrap()),
            ("shared", SHARED),
            ("directory", directory.to_str().unwrap()),
            ("udev", if self.udev { "yes" } else { "" }),
        ] {
            script.push_str(&format!("{name}={}\n", quoted(value)));
        }
        let words: Vec<String> = arguments.iter().map(|word| quoted(word)).collect();
        script.push_str(&format!("set -- {}\n{INIT}", words.join(" ")));
        fs::write(init, script).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(init, mode).unwrap();
    }
}

/// Ends the guest as a power failure does, without a sync: to be called in a closure of [`Guest::boot`],
/// which then counts as done. What the guest's kernel has not written to the disk is lost.
pub fn cut_power() -> ! {
    assert!(in_guest(), "there is no guest around this");
    fs::write(format!("{SHARED}/status"), CUT).unwrap();
    loop {
        std::thread::park();
    }
}

/// In the guest: a loop device on a file or disk with sectors of so many bytes (512 to 4096), partitions
/// being scanned; answers its node. It is gone with the guest.
pub fn loop_device(backing: &str, sector: u32) -> String {
    assert!(in_guest(), "this is for guests");
    let sector = sector.to_string();
    let output = Command::new("losetup")
        .args(["--find", "--show", "--partscan", "--sector-size"])
        .args([sector.as_str(), backing])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).trim().to_string();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "losetup {backing}: {errors}");
    said
}

/// How a guest ended.
struct End {
    code: Option<i32>,
    stopped: Option<Duration>,
    said: String,
    console: String,
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.stopped, self.code) {
            (Some(after), _) => writeln!(f, "it was stopped after {} s", after.as_secs())?,
            (None, Some(code)) => writeln!(f, "exit code {code}")?,
            (None, None) => writeln!(f, "it powered off, or crashed, before anything had ended")?,
        }
        let lines: Vec<&str> = self.console.lines().collect();
        let tail = lines.len().saturating_sub(40);
        let tail = lines[tail..].join("\n");
        write!(
            f,
            "--- printed\n{}\n--- console, its end\n{tail}",
            self.said
        )
    }
}

/// The kernel's process and a pipe that its processes hold; stopped and gone when this is dropped, so that
/// nothing writes to the disks any more.
struct Running(Child, PipeReader);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
        let _ = self.1.read_to_end(&mut Vec::new());
    }
}

/// Whether this runs in a guest.
pub fn in_guest() -> bool {
    inside().is_some()
}

/// In the guest: which boot of which test this is.
fn inside() -> Option<String> {
    std::env::var(INSIDE).ok()
}

/// The name of the running test: its thread's, or where tests run in the main thread, that of the function
/// around the closure.
fn test_name<F>() -> String {
    let thread = std::thread::current();
    if let Some(name) = thread.name().filter(|name| *name != "main") {
        return name.to_string();
    }
    let path = std::any::type_name::<F>();
    let path = path.split_once("::").map_or(path, |(_, path)| path);
    path.trim_end_matches("::{{closure}}").to_string()
}

/// A processor of those that this process may use, another one at each call.
fn processor() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let list = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
        .unwrap();
    let mut allowed: Vec<usize> = Vec::new();
    for range in list.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        allowed.extend(first.parse::<usize>().unwrap()..=last.parse().unwrap());
    }
    let turn = NEXT.fetch_add(1, Ordering::Relaxed);
    allowed[turn % allowed.len()].to_string()
}

/// The library of `uml-xstate.c`, compiled into a directory.
fn compiled_xstate(directory: &Path) -> std::path::PathBuf {
    let (source, library) = (directory.join("xstate.c"), directory.join("xstate.so"));
    if !library.exists() {
        fs::write(&source, XSTATE).unwrap();
        let compiler = Command::new("gcc")
            .args(["-O1", "-shared", "-fPIC", "-o"])
            .args([&library, &source])
            .output()
            .unwrap_or_else(|error| panic!("gcc cannot be started: {error}"));
        assert!(compiler.status.success(), "{compiler:?}");
    }
    library
}

fn letter(disk: usize) -> char {
    ('a'..='p').nth(disk).unwrap()
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).exists())
}

/// A word of a shell's command line.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The text of a file, as far as it is one.
fn lossy(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes).trim_end().to_string()
}
