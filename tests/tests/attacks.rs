//! Attacks of a local user on what root has the program do. The attacker is a thread of this test under
//! another user's number: the kernel keeps a user per thread.
//!
//! Each attack is bounded in rounds, and each one has won against a program that could be attacked so.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use pilotlight_tests::{FirstBoot, program};
use rustix::fs::{CWD, Gid, RenameFlags, Uid, renameat_with};
use rustix::thread::{set_thread_gid, set_thread_groups, set_thread_res_uid};

const ROUNDS: u32 = 200;
/// Debian's nobody.
const NOBODY: u32 = 65534;
const SECRET: &str = "root's own, untouched";

/// A thread that repeats one thing as nobody until it is stopped.
struct Attacker {
    stop: Arc<AtomicBool>,
    steps: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Attacker {
    fn start(mut step: impl FnMut() + Send + 'static) -> Self {
        let (stop, steps) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let (stopped, counter) = (stop.clone(), steps.clone());
        let thread = std::thread::spawn(move || {
            set_thread_groups(&[]).unwrap();
            set_thread_gid(Gid::from_raw(NOBODY)).unwrap();
            let nobody = Uid::from_raw(NOBODY);
            set_thread_res_uid(nobody, nobody, nobody).unwrap();
            assert!(
                fs::read("/etc/shadow").is_err(),
                "the attacker is still root"
            );
            while !stopped.load(Ordering::Relaxed) {
                step();
                counter.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self {
            stop,
            steps,
            thread,
        }
    }

    /// Stops it; answers how often it tried.
    fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        self.steps.load(Ordering::Relaxed)
    }
}

/// Where the attacks happen: below a directory that all may enter.
struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        assert_eq!(
            fs::metadata("/proc/self").unwrap().uid(),
            0,
            "these tests attack root: run them as root"
        );
        let directory = tempfile::tempdir().unwrap();
        set_mode(directory.path(), 0o755);
        let place = Self { directory };
        fs::create_dir(place.path("private")).unwrap();
        set_mode(&place.path("private"), 0o700);
        place.reset_victim();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn victim(&self) -> PathBuf {
        self.path("private/victim")
    }

    fn reset_victim(&self) {
        fs::write(self.victim(), SECRET).unwrap();
        set_mode(&self.victim(), 0o600);
    }

    /// Whether the file that only root may change is another than it was.
    fn is_lost(&self) -> bool {
        let metadata = fs::metadata(self.victim()).unwrap();
        let same = metadata.uid() == 0 && metadata.mode() & 0o777 == 0o600;
        !same || fs::read_to_string(self.victim()).unwrap() != SECRET
    }

    fn directory_of(&self, name: &str, owner: u32, mode: u32) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        chown(&path, Some(owner), Some(owner)).unwrap();
        set_mode(&path, mode);
        path
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Starts the program so that its process number is known before it does anything, as it can be guessed on
/// a quiet machine; `attack` gets the number.
fn run_against(
    arguments: &[&str],
    environment: &[(&str, &Path)],
    attack: impl FnOnce(u32) -> Attacker,
) -> Output {
    let mut child = Command::new("sh")
        .args(["-c", "read -r go; exec \"$0\" \"$@\""])
        .arg(program())
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let attacker = attack(child.id());
    while attacker.steps.load(Ordering::Relaxed) == 0 {
        std::thread::yield_now();
    }
    let mut gate = child.stdin.take().unwrap();
    gate.write_all(b"go\n").unwrap();
    drop(gate);
    let output = child.wait_with_output().unwrap();
    attacker.stop();
    output
}

/// Names in a directory, as far as they can be read.
fn names(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries
        .map_while(|entry| Some(entry.ok()?.path()))
        .collect()
}

#[test]
fn fetched_contents_are_not_written_through_links_of_others() {
    let place = Place::new();
    // All that is compressed, verified or remote is kept in a file before it is written: here "ok".
    let config = r#"{"ignition":{"version":"3.4.0"},"storage":{"files":[{"path":"/x","overwrite":true,"contents":
        {"source":"data:;base64,H4sIAAAAAAAAA8vPBgBH3dx5AgAAAA==","compression":"gzip"}}]}}"#;
    // The name of the file is a hash that everybody can compute who knows the config.
    let boot = FirstBoot::new(
        &place.path("boot"),
        &place.path("boot/root"),
        config.as_bytes(),
    );
    let answer = boot.stage("fetch-offline");
    assert_eq!(answer.code, Some(0), "{answer:?}");
    let key = (names(&place.path("boot/run/ignition.json.blobs")).iter())
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .find(|name| name.len() == 64)
        .unwrap();

    let (config, root) = (place.path("boot/config.ign"), place.path("root"));
    fs::create_dir(&root).unwrap();
    let tmp = place.directory_of("tmp", 0, 0o1777);
    let (mut lost, mut worked) = (0, 0);
    for _ in 0..ROUNDS {
        let (shared, victim, key) = (tmp.clone(), place.victim(), key.clone());
        let arguments = [
            "apply",
            config.to_str().unwrap(),
            "--root",
            root.to_str().unwrap(),
        ];
        let output = run_against(&arguments, &[("TMPDIR", &tmp)], move |process| {
            let guessed = shared.join(format!("pilotlight-{process}.blobs"));
            // What is guessed and what is seen: first with a directory, then with links in it.
            Attacker::start(move || {
                for at in names(&shared).iter().chain([&guessed]) {
                    let _ = fs::create_dir(at);
                    for inside in [at.join(&key), at.join("blobs").join(&key)] {
                        let _ = symlink(&victim, inside);
                    }
                    let moved = shared.join("moved");
                    if *at != moved && fs::rename(at, &moved).is_ok() {
                        let _ = fs::create_dir(at);
                    }
                }
            })
        });
        if place.is_lost() {
            lost += 1;
            place.reset_victim();
        } else if output.status.success() {
            assert_eq!(fs::read_to_string(root.join("x")).unwrap(), "ok");
            worked += 1;
        }
        let _ = fs::remove_file(root.join("x"));
        for left in names(&tmp) {
            let owner = fs::metadata(&left).unwrap().uid();
            assert!(owner == NOBODY || lost > 0, "{} stays", left.display());
            fs::remove_dir_all(left).unwrap();
        }
    }
    assert_eq!((lost, worked), (0, ROUNDS), "lost and worked");
}

#[test]
fn a_written_file_goes_through_no_link_of_the_directorys_owner() {
    let place = Place::new();
    let config = place.path("config.ign");
    fs::write(&config, r#"{"ignition":{"version":"3.4.0"}}"#).unwrap();
    let (mut lost, mut met) = (0, 0);
    for _ in 0..ROUNDS {
        let theirs = place.directory_of("theirs", NOBODY, 0o755);
        let out = theirs.join("out.ign");
        let arguments = [
            "convert",
            config.to_str().unwrap(),
            "-o",
            out.to_str().unwrap(),
        ];
        let (at, victim) = (theirs.clone(), place.victim());
        let seen = Arc::new(AtomicU64::new(0));
        let counter = seen.clone();
        run_against(&arguments, &[], move |process| {
            let guessed = at.join(format!(".out.ign.{process}"));
            Attacker::start(move || {
                let _ = symlink(&victim, &guessed);
                for at in names(&at) {
                    // Whatever appears is replaced at once: it is the attacker's directory.
                    if at != guessed && fs::remove_file(&at).is_ok() {
                        let _ = symlink(&victim, &at);
                        counter.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        });
        if place.is_lost() {
            lost += 1;
            place.reset_victim();
        }
        met += u32::from(seen.load(Ordering::Relaxed) > 0);
        fs::remove_dir_all(theirs).unwrap();
    }
    assert_eq!(lost, 0, "of {ROUNDS} rounds");
    assert!(met > 0, "the attacker never saw a file of the program");
}

#[test]
fn nothing_leaves_the_root_while_directories_become_links() {
    let place = Place::new();
    let outside = place.directory_of("private/outside", 0, 0o700);
    for name in ["file", "appended", "permitted", "link", "linked"] {
        fs::write(outside.join(name), SECRET).unwrap();
        set_mode(&outside.join(name), 0o600);
    }
    fs::create_dir_all(outside.join("removed/sub")).unwrap();
    fs::create_dir_all(outside.join(".ssh")).unwrap();
    let before = picture(&outside);

    let root = place.path("root");
    fs::create_dir_all(root.join("etc")).unwrap();
    for (name, text) in [
        (
            "passwd",
            format!("root:x:0:0::/root:/bin/sh\nuser:x:{NOBODY}:{NOBODY}::/home/user/d:/bin/sh\n"),
        ),
        ("group", format!("root:x:0:\nuser:x:{NOBODY}:\n")),
        ("shadow", "root:*:::::::\nuser:*:::::::\n".to_owned()),
        ("gshadow", "root:*::\nuser:!::\n".to_owned()),
    ] {
        fs::write(root.join("etc").join(name), text).unwrap();
    }
    let config = place.path("config.ign");
    fs::write(&config, r#"{"ignition":{"version":"3.4.0"},
        "passwd":{"users":[{"name":"user","sshAuthorizedKeys":["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDF4dXFjdnFjdnFjdnFjdnFjdnFjdnFjdnFjdnFjdnFj x"]}]},
        "storage":{
        "directories":[{"path":"/home/user/d/new/deep","mode":511},{"path":"/home/user/d/removed","overwrite":true,"mode":511}],
        "files":[{"path":"/home/user/d/file","overwrite":true,"mode":438,"contents":{"source":"data:,new"}},
            {"path":"/home/user/d/permitted","mode":438},
            {"path":"/home/user/d/appended","append":[{"source":"data:,new"}]}],
        "links":[{"path":"/home/user/d/link","target":"/etc","overwrite":true},
            {"path":"/home/user/d/hard","target":"/home/user/d/linked","hard":true,"overwrite":true}]}}"#).unwrap();

    let home = root.join("home/user");
    let (mut swaps, mut refused, mut late, mut done) = (0, 0, 0, 0);
    for round in 0..ROUNDS {
        let _ = fs::remove_dir_all(root.join("home"));
        fs::create_dir_all(home.join("d/removed")).unwrap();
        for name in ["file", "appended", "permitted", "link", "linked"] {
            fs::write(home.join("d").join(name), "the user's").unwrap();
        }
        // An absolute link out of the root, and one that climbs out of it.
        let target = match round % 2 {
            0 => outside.clone(),
            _ => Path::new("../../..").join("private/outside"),
        };
        symlink(target, home.join("l")).unwrap();
        for at in names(&home.join("d"))
            .iter()
            .chain([&home, &home.join("d")])
        {
            chown(at, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let arguments = [
            "apply",
            config.to_str().unwrap(),
            "--root",
            root.to_str().unwrap(),
        ];
        let (directory, link) = (home.join("d"), home.join("l"));
        let swapped = Arc::new(AtomicU64::new(0));
        let counter = swapped.clone();
        let output = run_against(&arguments, &[], move |_| {
            Attacker::start(move || {
                renameat_with(CWD, &directory, CWD, &link, RenameFlags::EXCHANGE).unwrap();
                counter.fetch_add(1, Ordering::Relaxed);
                // A link for a short while, a directory for longer ones, so that runs get far.
                let swaps = counter.load(Ordering::Relaxed);
                let pause = match swaps % 2 {
                    0 => swaps * 7919 % 20_000,
                    _ => swaps * 31 % 300,
                };
                std::thread::sleep(Duration::from_micros(pause));
            })
        });
        swaps += swapped.load(Ordering::Relaxed);
        match output.status.success() {
            true => done += 1,
            false => refused += 1,
        }
        late += u32::from(String::from_utf8_lossy(&output.stderr).contains("could not"));
        assert_eq!(picture(&outside), before, "round {round}: {output:?}");
    }
    // Runs went through, and some met a link where they had seen a directory when they planned.
    let met = format!("{swaps} swaps: {done} done, {refused} refused, {late} of them late");
    println!("{met}");
    assert!(done > 0 && late > 0, "the race was not met: {met}");
}

/// All that is in a directory, with contents, owners, permissions and times of change.
fn picture(directory: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut paths = names(directory);
    paths.sort();
    for path in paths {
        let metadata = fs::symlink_metadata(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap_or_default();
        lines.push(format!(
            "{} {:o} {} {} {}.{} {text:?}",
            path.display(),
            metadata.mode(),
            metadata.uid(),
            metadata.nlink(),
            metadata.ctime(),
            metadata.ctime_nsec(),
        ));
        if metadata.is_dir() {
            lines.extend(picture(&path));
        }
    }
    lines
}
