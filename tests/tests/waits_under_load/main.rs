//! Every wait of the boot stages, again and again, on machines that have more to do than they can.
//!
//! A wait that is one event short, or one look, fails once in hundreds of times and only under load. So each wait
//! is a row of a table with one round as a function; the rows of a table run at the same time, beside programs that
//! spin, write and close devices, so that udev is always behind. `make unit` takes a sample of each row, `make soak`
//! three hundred rounds; what stands in its output when it is stopped early counts as well.
//!
//! Not here, since nothing waits there: stale locks of the account files, which are judged by their age.
//! Partitionings have a test of their own, `partitioning_race`.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod devices;
mod network;
mod stacked;

use std::fs;
use std::io::{Read as _, Seek as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use pilotlight_tests::uml::Guest;
use pilotlight_tests::{FirstBoot, tool};

/// Longer than every wait of a stage: what runs as long as this hangs.
const HUNG: Duration = Duration::from_secs(600);
/// Rounds of each row in `make unit`: in a guest, whose one processor is slow, and on the host.
const SAMPLE: usize = 2;
const HOST_SAMPLE: usize = 5;
/// Rounds of each row in `make soak`, in so many guests one after the other: user-mode Linux can stand still by itself
/// after an hour, and what the guests before it have shown is kept.
const SOAK: usize = 300;
const SOAK_GUESTS: usize = 5;

/// What went wrong in a round, with what was said.
pub enum Trouble {
    /// It did not come to its end.
    Hung(String),
    /// It ended in another way than it should.
    Failed(String),
}

/// One round; its number is given, from 0.
pub type Round = Box<dyn FnMut(usize) -> Result<(), Trouble> + Send>;

/// A wait.
pub struct Row {
    pub name: &'static str,
    /// Disks of the guest that it has for itself.
    pub disks: usize,
    /// Rounds that run at the same time.
    pub at_once: usize,
    /// Prepares everything, and gives what is then done in each round.
    pub begin: fn(Ground) -> Round,
}

/// What a row may use.
#[derive(Clone)]
pub struct Ground {
    /// A word that no other row has: for labels.
    pub word: String,
    pub udev: bool,
    pub disks: Vec<String>,
    /// A loop device that is not there yet.
    pub late: String,
    pub directory: PathBuf,
}

impl Ground {
    /// A first boot with a config.
    pub fn boot(&self, config: &str) -> FirstBoot {
        let root = self.directory.join("root");
        FirstBoot::new(&self.directory, &root, config.as_bytes())
    }

    /// First boots that have fetched their configs: rounds take turns with them.
    pub fn fetched(&self, configs: &[String]) -> Vec<FirstBoot> {
        let fetched = |(place, config): (usize, &String)| {
            let directory = self.directory.join(format!("boot{place}"));
            let boot = FirstBoot::new(&directory, &directory.join("root"), config.as_bytes());
            let answer = boot.stage("fetch-offline");
            assert_eq!(answer.code, Some(0), "{answer:?}");
            boot
        };
        configs.iter().enumerate().map(fetched).collect()
    }
}

/// A time of up to so many milliseconds, another one in each round, and the same ones in every run.
pub fn moment(round: usize, most: u64) -> Duration {
    // splitmix64
    let mut mixed = (round as u64)
        .wrapping_add(1)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    Duration::from_millis((mixed ^ (mixed >> 31)) % most)
}

/// Fails the round unless it is so.
pub fn check(so: bool, words: impl FnOnce() -> String) -> Result<(), Trouble> {
    match so {
        true => Ok(()),
        false => Err(Trouble::Failed(words())),
    }
}

/// What the library said while it waited.
static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A call of the library that runs beside the round.
pub struct Running<T>(Receiver<T>);

/// Begins a call of the library.
pub fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Running<T> {
    let (send, receive) = channel();
    thread::spawn(move || send.send(work()));
    Running(receive)
}

impl<T> Running<T> {
    pub fn ends(self) -> Result<T, Trouble> {
        self.0.recv_timeout(HUNG).map_err(|error| {
            let said = SAID.lock().unwrap();
            let tail = said[said.len().saturating_sub(40)..].join("\n");
            match error {
                RecvTimeoutError::Timeout => Trouble::Hung(tail),
                RecvTimeoutError::Disconnected => Trouble::Failed(format!("it panicked; {tail}")),
            }
        })
    }

    pub fn has_ended(&self) -> Option<T> {
        self.0.try_recv().ok()
    }
}

/// Runs a stage to its end, which has to be a good one; answers what it said.
pub fn stage(boot: &FirstBoot, stage: &str) -> Result<String, Trouble> {
    let mut log = tempfile::tempfile().unwrap();
    let mut command: Command = boot.command(stage);
    command.stdin(Stdio::null()).process_group(0);
    command.stdout(log.try_clone().unwrap());
    command.stderr(log.try_clone().unwrap());
    let mut child = command.spawn().unwrap();
    let begun = Instant::now();
    let ended = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status);
        }
        if begun.elapsed() > HUNG {
            // What it waits for is in its group.
            let group = format!("-{}", child.id());
            let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
            let _ = child.wait();
            break None;
        }
        thread::sleep(Duration::from_millis(10));
    };
    let mut said = String::new();
    log.rewind().unwrap();
    log.read_to_string(&mut said).unwrap();
    match ended {
        None => Err(Trouble::Hung(format!("{stage}: {said}"))),
        Some(status) if status.success() => Ok(said),
        Some(status) => Err(Trouble::Failed(format!("{stage}: {status}: {said}"))),
    }
}

/// Whether a link leads to a node.
pub fn leads(link: &str, node: &str) -> bool {
    fs::canonicalize(link).ok() == fs::canonicalize(node).ok() && Path::new(node).exists()
}

/// Does something again until it is done: leftovers that udev still looks at.
pub fn insist(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < HUNG, "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[derive(Default)]
struct Tally {
    rounds: usize,
    hung: Vec<String>,
    failed: Vec<String>,
}

impl Tally {
    fn told(&self) -> String {
        let (hung, failed) = (self.hung.len(), self.failed.len());
        format!("{} rounds, {hung} hung, {failed} failed", self.rounds)
    }
}

/// Rounds of a row until other rows have their turn.
const TURN: usize = 5;

/// What runs the rounds of a row.
struct Worker {
    row: usize,
    round: Mutex<Round>,
}

/// Programs that keep the processors busy, and are gone when this is dropped.
struct Spinning(Vec<Child>);

impl Spinning {
    fn start() -> Self {
        let processors = thread::available_parallelism().unwrap().get();
        let spin = |_| {
            let mut command = Command::new("setpriv");
            command.args(["--pdeathsig", "KILL", "nice", "-n", "5"]);
            command.args(["sh", "-c", "while :; do :; done"]);
            command.spawn().unwrap()
        };
        Self((0..2 * processors).map(spin).collect())
    }
}

impl Drop for Spinning {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Runs so many rounds of each row, some rows at once, while the processors are busy, and says how they ended.
fn run(rows: &[Row], grounds: &[Ground], rounds: usize, at_once: usize) {
    pilotlight_sys::uevents::tell_by(|line| SAID.lock().unwrap().push(line.to_string()));
    let tallies: Vec<Mutex<Tally>> = rows.iter().map(|_| Mutex::default()).collect();
    let next: Vec<AtomicUsize> = rows.iter().map(|_| AtomicUsize::new(0)).collect();
    let mut workers = Vec::new();
    for (place, row) in rows.iter().enumerate() {
        for at in 0..row.at_once {
            let mut ground = grounds[place].clone();
            ground.directory.push(at.to_string());
            fs::create_dir_all(&ground.directory).unwrap();
            let round = Mutex::new((row.begin)(ground));
            workers.push(Worker { row: place, round });
        }
    }
    let spinning = Spinning::start();
    // In turns, so that a run that is stopped has seen all rows.
    for turn in (TURN..rounds + TURN).step_by(TURN) {
        for group in workers.chunks(at_once) {
            thread::scope(|scope| {
                for worker in group {
                    let (row, place) = (&rows[worker.row], worker.row);
                    let (next, tally) = (&next[place], &tallies[place]);
                    scope.spawn(move || {
                        let mut round = worker.round.lock().unwrap();
                        let end = turn.min(rounds);
                        let step = |number| (number < end).then_some(number + 1);
                        while let Ok(number) =
                            next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step)
                        {
                            let outcome = round(number);
                            let mut tally = tally.lock().unwrap();
                            tally.rounds += 1;
                            let told = |said: &str| format!("{}, round {number}: {said}", row.name);
                            match outcome {
                                Ok(()) => {}
                                Err(Trouble::Hung(said)) => {
                                    // What it has in hand is not as it should be.
                                    next.store(usize::MAX, Ordering::Relaxed);
                                    tally.hung.push(told(&said));
                                }
                                Err(Trouble::Failed(said)) => {
                                    println!("{}", told(&said));
                                    tally.failed.push(told(&said));
                                }
                            }
                        }
                    });
                }
            });
        }
        for (row, tally) in rows.iter().zip(&tallies) {
            println!("{}, so far: {}", row.name, tally.lock().unwrap().told());
        }
    }
    drop(spinning);
    let mut bad = Vec::new();
    for (row, tally) in rows.iter().zip(tallies) {
        let tally = tally.into_inner().unwrap();
        println!("{}: {}", row.name, tally.told());
        if tally.rounds < rounds {
            bad.push(format!("{}: too few rounds", row.name));
        }
        bad.extend(tally.hung.iter().map(|said| format!("hung: {said}")));
        bad.extend(tally.failed);
    }
    assert!(bad.is_empty(), "{}", bad.join("\n\n"));
}

/// The rows of devices in one guest.
fn in_guest(mut guest: Guest, udev: bool, rounds: usize) {
    let mut rows = devices::rows(udev);
    rows.extend(stacked::rows());
    let busy = guest.disk(24);
    let mut grounds = Vec::new();
    for (place, row) in rows.iter().enumerate() {
        let word = format!("row{place}");
        grounds.push(Ground {
            directory: Path::new("/run/rows").join(&word),
            word,
            udev,
            disks: (0..row.disks).map(|_| guest.disk(24)).collect(),
            late: format!("/dev/loop{}", 40 + place),
        });
    }
    guest.boot(|| {
        tool(&format!(
            "sgdisk --new=1:0:+4M --new=2:0:+4M --new=3:0:+4M {busy}"
        ));
        thread::spawn(|| devices::keep_closing(busy));
        run(&rows, &grounds, rounds, 4);
    });
}

/// The rows of networks, each round in namespaces of its own.
fn in_networks(rounds: usize) {
    let directory = tempfile::tempdir().unwrap();
    let rows = network::rows();
    let grounds: Vec<Ground> = (0..rows.len())
        .map(|place| Ground {
            directory: directory.path().join(place.to_string()),
            word: format!("row{place}"),
            udev: false,
            disks: Vec::new(),
            late: String::new(),
        })
        .collect();
    run(&rows, &grounds, rounds, usize::MAX);
}

#[test]
fn devices_that_udev_looks_at() {
    in_guest(Guest::with_udev().patience(HUNG * 2), true, SAMPLE);
}

#[test]
fn devices_without_udev() {
    in_guest(Guest::new().patience(HUNG * 2), false, SAMPLE);
}

#[test]
fn networks() {
    in_networks(HOST_SAMPLE);
}

/// Longest time of a guest's share of three hundred rounds.
const SOAK_PATIENCE: Duration = Duration::from_secs(3600);

fn in_guests(guest: fn() -> Guest, udev: bool) {
    for _ in 0..SOAK_GUESTS {
        in_guest(guest().patience(SOAK_PATIENCE), udev, SOAK / SOAK_GUESTS);
    }
}

#[test]
#[ignore = "takes an hour of processor time: make soak"]
fn devices_that_udev_looks_at_three_hundred_times() {
    in_guests(Guest::with_udev, true);
}

#[test]
#[ignore = "takes an hour of processor time: make soak"]
fn devices_without_udev_three_hundred_times() {
    in_guests(Guest::new, false);
}

#[test]
#[ignore = "takes minutes of processor time: make soak"]
fn networks_three_hundred_times() {
    in_networks(SOAK);
}
