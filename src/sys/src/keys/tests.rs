//! Keys of real users' files, written by root, with users who are in its way.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use pilotlight_core::keys::{
    BEGIN, Change, Customs, Desired, Difference, END, File, Heard, KeyOp, Layout, State, Wishes,
    difference,
};
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};

use super::*;

/// Users that no machine has.
const ANN: (u32, u32) = (54321, 54421);
const BOB: (u32, u32) = (54322, 54422);
const NOW: u64 = 1_795_910_400;
/// Tells a copy of this program what it is started for, and where.
const CHILD: &str = "PILOTLIGHT_TEST_KEYS_CHILD";

const KEYS: [&str; 2] = [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB891+WDuiFVYrLcVTpwxwXVp3dsHoT1wcmC1mZ9aaYY me",
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBKKSxVB714/2W88SdLMBU4f/9w5FKqVQolV6IpwsGR8qtUAg8pUE72aSPvxpgxqn2/1HICgU8oC/Sp8HyaU8f8k= me",
];

/// A root with two users.
struct Machine {
    dir: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let machine = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let at = |path: &str| machine.at(path);
        fs::set_permissions(machine.root(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir_all(at("etc")).unwrap();
        let passwd = format!(
            "root:x:0:0::/root:/bin/sh\nann:x:{}:{}::/home/ann/:/bin/sh\nbob:x:{}:{}::/home/bob:/bin/sh\n",
            ANN.0, ANN.1, BOB.0, BOB.1
        );
        fs::write(at("etc/passwd"), passwd).unwrap();
        fs::create_dir_all(at("var/home")).unwrap();
        // As image-based systems have it.
        symlink("var/home", at("home")).unwrap();
        for (name, (uid, gid)) in [
            ("root", (0, 0)),
            ("var/home/ann", ANN),
            ("var/home/bob", BOB),
        ] {
            fs::create_dir(at(name)).unwrap();
            fs::set_permissions(at(name), fs::Permissions::from_mode(0o700)).unwrap();
            chown(at(name), Some(uid), Some(gid)).unwrap();
        }
        machine
    }

    fn root(&self) -> &Path {
        self.dir.path()
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    /// Makes a file with the directories above it, all a user's.
    fn put(&self, path: &str, text: &[u8], owner: (u32, u32)) {
        let above = Path::new(path).parent().unwrap();
        fs::create_dir_all(self.root().join(above)).unwrap();
        fs::write(self.at(path), text).unwrap();
        for path in Path::new(path).ancestors() {
            if path.components().count() > 3 {
                chown(self.root().join(path), Some(owner.0), Some(owner.1)).unwrap();
            }
        }
    }

    fn state(&self) -> PathBuf {
        self.at("state")
    }

    fn find(&self, desired: &Desired, layout: Layout) -> (Difference, State) {
        let state = read_state(&self.state()).unwrap();
        let seen = observe(self.root(), desired, layout, state.as_ref()).unwrap();
        (difference(desired, &seen, NOW), seen.state)
    }

    fn apply(&self, op: &KeyOp, state: State) -> Result<(), KeysError> {
        let state_directory = self.state();
        let mut target = Target {
            root: self.root(),
            state_directory: &state_directory,
            state,
            update_ssh_keys: UPDATE_SSH_KEYS,
        };
        apply(op, &mut target)
    }

    /// Does what is to be done; answers the lines.
    fn run(&self, desired: &Desired, layout: Layout) -> Vec<String> {
        let (found, _) = self.find(desired, layout);
        for op in &found.ops {
            let (_, state) = self.find(desired, layout);
            self.apply(op, state).unwrap();
        }
        let ops = found.ops.iter().map(ToString::to_string);
        ops.chain(found.unmet.iter().map(ToString::to_string))
            .collect()
    }
}

fn wanted(user: &str, keys: &[&str]) -> Desired {
    let mut wishes = Wishes::new(Customs::Afterburn);
    wishes.text(user, &keys.join("\n"), "keys");
    wishes.end(Heard::Whole).0
}

fn about(path: &Path) -> (u32, u32, u32) {
    let meta = fs::symlink_metadata(path).unwrap();
    (meta.uid(), meta.gid(), meta.mode() & 0o7777)
}

fn entries(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_fragment_comes_changes_and_goes() {
    let machine = Machine::new();
    let (layout, ann) = (Layout::AFTERBURN, "var/home/ann/.ssh");
    let file = machine.at(&format!("{ann}/authorized_keys.d/afterburn"));
    assert_eq!(
        machine.run(&wanted("ann", &KEYS[..1]), layout),
        ["write ~ann/.ssh/authorized_keys.d/afterburn: +1 −0: the platform lists them"]
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), format!("{}\n", KEYS[0]));
    assert_eq!(about(&file), (ANN.0, ANN.1, 0o600));
    for directory in [ann.to_string(), format!("{ann}/authorized_keys.d")] {
        assert_eq!(about(&machine.at(&directory)), (ANN.0, ANN.1, 0o700));
    }
    assert_eq!(machine.run(&wanted("ann", &KEYS[..1]), layout), [""; 0]);
    assert_eq!(
        machine.run(&wanted("ann", &KEYS), layout),
        ["write ~ann/.ssh/authorized_keys.d/afterburn: +1 −0: the platform lists them"]
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), KEYS.join("\n") + "\n");
    assert_eq!(entries(file.parent().unwrap()), ["afterburn"]);
    assert_eq!(about(&machine.state().join("ssh-keys.json")), (0, 0, 0o600));
    // Of another user's keys nothing follows for hers, but that they are not wanted.
    assert_eq!(
        machine.run(&wanted("bob", &KEYS), layout).len(),
        2,
        "removed and written"
    );
    assert!(
        !file.exists()
            && machine
                .at("home/bob/.ssh/authorized_keys.d/afterburn")
                .exists()
    );
    assert_eq!(machine.run(&wanted("root", &KEYS), layout).len(), 2);
    let file = machine.at("root/.ssh/authorized_keys.d/afterburn");
    assert_eq!(about(&file), (0, 0, 0o600));
}

#[test]
fn in_a_block_the_users_bytes_stay() {
    let machine = Machine::new();
    let file = "var/home/ann/.ssh/authorized_keys";
    let own: &[u8] = b"ssh-rsa own\r\n\n# \xff\xfe\n  tail without an end";
    machine.put(file, own, ANN);
    fs::set_permissions(machine.at(file), fs::Permissions::from_mode(0o644)).unwrap();
    machine.run(&wanted("ann", &KEYS), Layout::Block);
    let text = fs::read(machine.at(file)).unwrap();
    assert!(text.starts_with(own) && text.len() > own.len());
    assert_eq!(about(&machine.at(file)), (ANN.0, ANN.1, 0o600));
    assert_eq!(machine.run(&wanted("ann", &KEYS), Layout::Block), [""; 0]);
    machine.run(&wanted("ann", &[]), Layout::Block);
    let text = fs::read(machine.at(file)).unwrap();
    assert_eq!(text, [own, b"\n"].concat());
    assert_eq!(machine.run(&wanted("ann", &[]), Layout::Block), [""; 0]);
}

#[test]
fn what_is_no_file_of_the_users_is_told_and_stays() {
    let path = "var/home/ann/.ssh/authorized_keys";
    let bob = format!(
        "it belongs to the user of number {}, not to the one of number {}",
        BOB.0, ANN.0
    );
    let no_file = "it is not a regular file, but a pipe, a device, a socket or a directory";
    type Make<'m> = &'m dyn Fn(&Machine);
    let cases: [(&str, Make<'_>, &str); 9] = [
        (
            "link",
            &|machine| symlink("/etc/shadow", machine.at(path)).unwrap(),
            "it is a link",
        ),
        (
            "broken link",
            &|machine| symlink("nowhere", machine.at(path)).unwrap(),
            "it is a link",
        ),
        (
            "pipe",
            &|machine| {
                mknodat(CWD, machine.at(path), FileType::Fifo, Mode::RWXU, 0).unwrap();
                fs::set_permissions(machine.at(path), fs::Permissions::from_mode(0o666)).unwrap();
            },
            no_file,
        ),
        (
            "null",
            &|machine| {
                let null = makedev(1, 3);
                mknodat(
                    CWD,
                    machine.at(path),
                    FileType::CharacterDevice,
                    Mode::from_raw_mode(0o666),
                    null,
                )
                .unwrap();
                // Whatever the umask is: the user may read it.
                fs::set_permissions(machine.at(path), fs::Permissions::from_mode(0o666)).unwrap();
            },
            "it is a device",
        ),
        (
            "directory",
            &|machine| fs::create_dir(machine.at(path)).unwrap(),
            no_file,
        ),
        (
            "somebody else's",
            &|machine| {
                fs::write(machine.at(path), "x").unwrap();
                chown(machine.at(path), Some(BOB.0), None).unwrap();
                fs::set_permissions(machine.at(path), fs::Permissions::from_mode(0o666)).unwrap();
            },
            &bob,
        ),
        (
            "root's secret",
            &|machine| {
                fs::write(machine.at(path), "secret").unwrap();
                fs::set_permissions(machine.at(path), fs::Permissions::from_mode(0o600)).unwrap();
            },
            "Permission denied (os error 13)",
        ),
        (
            "large",
            &|machine| {
                fs::write(machine.at(path), vec![b'x'; (1 << 20) + 1]).unwrap();
                chown(machine.at(path), Some(ANN.0), None).unwrap();
            },
            "it is larger than 1048576 bytes",
        ),
        (
            "directory that is a link",
            &|machine| {
                let ssh = machine.at("var/home/ann/.ssh");
                fs::remove_dir(&ssh).unwrap();
                fs::create_dir(machine.at("elsewhere")).unwrap();
                fs::set_permissions(machine.at("elsewhere"), fs::Permissions::from_mode(0o777))
                    .unwrap();
                symlink(machine.at("elsewhere"), &ssh).unwrap();
            },
            ".ssh is a link or no directory",
        ),
    ];
    for (name, make, why) in cases {
        let machine = Machine::new();
        fs::create_dir(machine.at("var/home/ann/.ssh")).unwrap();
        chown(machine.at("var/home/ann/.ssh"), Some(ANN.0), Some(ANN.1)).unwrap();
        // What would be written if nothing were in the way.
        let (found, state) = machine.find(&wanted("ann", &KEYS), Layout::Block);
        let [op] = found.ops.as_slice() else {
            panic!("{name}: {found:?}");
        };
        make(&machine);
        let was = fs::symlink_metadata(machine.at(path))
            .map(|meta| (meta.ino(), meta.mode(), meta.len()));
        assert_eq!(
            machine.run(&wanted("ann", &KEYS), Layout::Block),
            [format!(
                "the SSH keys of \"ann\" stay as they are: while reading ~/.ssh/authorized_keys: {why}"
            )],
            "{name}"
        );
        let error = machine.apply(op, state).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("while trying to write ~ann/.ssh/authorized_keys: +2 −0: {why}"),
            "{name}"
        );
        let is = fs::symlink_metadata(machine.at(path))
            .map(|meta| (meta.ino(), meta.mode(), meta.len()));
        assert_eq!(was.ok(), is.ok(), "{name}");
        if machine.at("elsewhere").exists() {
            assert_eq!(entries(&machine.at("elsewhere")), [""; 0], "{name}");
        }
    }
}

#[test]
fn a_file_that_changed_meanwhile_is_left_for_the_next_time() {
    let machine = Machine::new();
    let path = "var/home/ann/.ssh/authorized_keys";
    let (found, state) = machine.find(&wanted("ann", &KEYS), Layout::Block);
    machine.put(path, b"mine\n", ANN);
    let why = "somebody has changed it meanwhile: it is looked at again the next time";
    let error = machine.apply(&found.ops[0], state).unwrap_err().to_string();
    assert!(error.ends_with(why), "{error}");
    assert_eq!(fs::read(machine.at(path)).unwrap(), b"mine\n");
    machine.run(&wanted("ann", &KEYS), Layout::Block);
    assert!(fs::read(machine.at(path)).unwrap().starts_with(b"mine\n#"));
    fs::write(machine.at(path), format!("{BEGIN}\n{}\n{END}\n", KEYS[0])).unwrap();
    let (found, state) = machine.find(&wanted("ann", &[]), Layout::Block);
    assert!(matches!(found.ops[0].change, Change::RemoveFile { .. }));
    fs::write(machine.at(path), "mine\n").unwrap();
    let error = machine.apply(&found.ops[0], state).unwrap_err().to_string();
    assert!(error.ends_with(why), "{error}");
    assert_eq!(fs::read(machine.at(path)).unwrap(), b"mine\n");
}

/// A copy of this program that does a part of a test, with the rights of a user.
fn child(part: &str, root: &Path, (uid, gid): (u32, u32)) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "keys::tests::a_part_in_another_process"])
        .env(CHILD, format!("{part}:{}", root.display()))
        .stdout(std::process::Stdio::null())
        .gid(gid)
        .uid(uid);
    command
}

#[test]
fn a_part_in_another_process() {
    let Ok(what) = std::env::var(CHILD) else {
        return;
    };
    let (part, root) = what.split_once(':').unwrap();
    let root = Path::new(root);
    match part {
        "race" => {
            let home = root.join("var/home/ann");
            let (ssh, aside) = (home.join(".ssh"), home.join("aside"));
            let victims = [root.join("etc"), root.join("theirs")];
            for victim in victims.iter().cycle() {
                // Whatever of it fails now works the next time.
                let _ = fs::rename(&ssh, &aside);
                let _ = symlink(victim, &ssh);
                let _ = fs::remove_file(&ssh);
                let _ = fs::rename(&aside, &ssh);
            }
        }
        _ => {
            let layout = Layout::Block;
            let desired = wanted("ann", &KEYS);
            let mut state = State::default();
            // Then the state is as it is, and all that is written is the user's file.
            state.known.insert("ann".into());
            let seen = observe(root, &desired, layout, Some(&state)).unwrap();
            let state_directory = root.join("state");
            let mut target = Target {
                root,
                state_directory: &state_directory,
                state,
                update_ssh_keys: UPDATE_SSH_KEYS,
            };
            for op in &difference(&desired, &seen, NOW).ops {
                apply(op, &mut target).unwrap();
            }
        }
    }
}

#[test]
fn a_user_who_swaps_directories_for_links_leads_nowhere_else() {
    let machine = Machine::new();
    // Root's directory, and one that the user may write to: not even there is anything written.
    for (name, (uid, gid)) in [("etc", (0, 0)), ("theirs", ANN)] {
        fs::create_dir_all(machine.at(name).join("authorized_keys.d")).unwrap();
        fs::write(machine.at(name).join("authorized_keys"), "victim\n").unwrap();
        for path in ["", "authorized_keys.d", "authorized_keys"] {
            chown(machine.at(name).join(path), Some(uid), Some(gid)).unwrap();
        }
    }
    machine.put("var/home/ann/.ssh/authorized_keys", b"mine\n", ANN);
    let before =
        ["etc", "theirs"].map(|name| (name, entries(&machine.at(name)), about(&machine.at(name))));
    let mut racer = child("race", machine.root(), ANN).spawn().unwrap();
    let (mut done, mut failed) = (0, 0);
    let mut last = None;
    for run in 0.. {
        let desired = wanted("ann", &KEYS[run % 2..][..1]);
        let layout = [Layout::Block, Layout::AFTERBURN][run / 2 % 2];
        let (found, state) = machine.find(&desired, layout);
        // Where a link was seen, what had been decided before comes too late.
        last = found.ops.into_iter().next().or(last);
        let Some(op) = &last else { continue };
        match machine.apply(op, state) {
            Ok(()) => done += 1,
            Err(_) => failed += 1,
        }
        if done + failed == 300 {
            break;
        }
    }
    racer.kill().unwrap();
    racer.wait().unwrap();
    println!("{done} operations done, {failed} refused");
    for (name, entries_before, about_before) in before {
        let path = machine.at(name);
        assert_eq!(
            (entries(&path), about(&path)),
            (entries_before, about_before),
            "{name}"
        );
        assert_eq!(entries(&path.join("authorized_keys.d")), [""; 0], "{name}");
        assert_eq!(
            fs::read(path.join("authorized_keys")).unwrap(),
            b"victim\n",
            "{name}"
        );
    }
    // With nobody in the way any more, all comes right.
    for name in [".ssh", "aside"] {
        let path = machine.at("var/home/ann").join(name);
        if path.is_symlink() {
            fs::remove_file(path).unwrap();
        }
    }
    machine.run(&wanted("ann", &KEYS), Layout::Block);
    let text = fs::read_to_string(machine.at("var/home/ann/.ssh/authorized_keys")).unwrap();
    assert!(KEYS.iter().all(|key| text.contains(key)), "{text}");
}

#[test]
fn one_who_is_killed_before_the_rename_leaves_the_old_file() {
    let machine = Machine::new();
    let path = "var/home/ann/.ssh/authorized_keys";
    machine.put(path, b"mine\n", ANN);
    let ssh = machine.at("var/home/ann/.ssh");
    // Before there is anything in the new file, before it is on the disk, and before it gets its name: the first calls
    // of their kind, which strace counts for each thread.
    for calls in ["fchmod", "fsync", "rename,renameat,renameat2"] {
        let child = child("apply", machine.root(), (0, 0));
        let inject = format!("inject={calls}:signal=KILL:when=1");
        let seen = traced(&child, &["-e", &format!("trace={calls}"), "-e", &inject]);
        assert!(seen.contains("killed by SIGKILL"), "{calls}: {seen}");
        assert_eq!(fs::read(machine.at(path)).unwrap(), b"mine\n", "{calls}");
        assert_eq!(entries(&ssh).len(), 2, "{calls}: {:?}", entries(&ssh));
        machine.run(&wanted("ann", &KEYS), Layout::Block);
        assert_eq!(entries(&ssh), ["authorized_keys"], "{calls}");
        let text = fs::read_to_string(machine.at(path)).unwrap();
        assert!(
            text.starts_with("mine\n") && text.contains(KEYS[1]),
            "{text}"
        );
        fs::write(machine.at(path), b"mine\n").unwrap();
    }
}

/// Runs a command below strace(1), and answers what it saw.
fn traced(command: &Command, arguments: &[&str]) -> String {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-o", "/dev/fd/2"]).args(arguments);
    strace.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        strace.env(name, value.unwrap());
    }
    let said = strace.output().unwrap().stderr;
    String::from_utf8_lossy(&said).into_owned()
}

/// A program that does what update-ssh-keys 0.7 was seen to do, below a root.
fn update_ssh_keys(machine: &Machine) -> String {
    let script = r#"#!/bin/sh
set -eu
[ "$1" = -u ]
cd "$(dirname "$0")/home/$2/.ssh"
mkdir -p authorized_keys.d
case $3 in
-a) if [ -e "authorized_keys.d/$4" ] && ! [ -s "authorized_keys.d/$4" ]; then :; else cat > "authorized_keys.d/$4"; fi ;;
-d) rm -f "authorized_keys.d/$4" ;;
esac
[ -n "$(ls authorized_keys.d)" ] || { echo "no keys found" >&2; exit 1; }
{ echo '# auto-generated by update-ssh-keys'; cat authorized_keys.d/*; } > authorized_keys
chown -R --reference=.. .
"#;
    program(machine, script)
}

/// Makes a program. Another process writes it: what this one has open, a child that another test is just starting may
/// have open, too, and then it cannot be run.
fn program(machine: &Machine, script: &str) -> String {
    let path = machine.at("update-ssh-keys");
    let path = path.to_str().unwrap();
    let write = "printf %s \"$2\" > \"$1\"; chmod 755 \"$1\"";
    let arguments = ["-c", write, "sh", path, script];
    assert!(
        Command::new("sh")
            .args(arguments)
            .status()
            .unwrap()
            .success()
    );
    path.into()
}

#[test]
fn flatcars_program_is_called() {
    let machine = Machine::new();
    let update_ssh_keys = update_ssh_keys(&machine);
    let layout = Layout::FlatcarFragments;
    let run = |desired: &Desired| {
        let (found, state) = machine.find(desired, layout);
        let state_directory = machine.state();
        let mut target = Target {
            root: machine.root(),
            state_directory: &state_directory,
            state,
            update_ssh_keys: &update_ssh_keys,
        };
        for op in &found.ops {
            apply(op, &mut target).unwrap();
        }
        found.ops.len()
    };
    let ssh = machine.at("home/ann/.ssh");
    let read = |name: &str| fs::read_to_string(ssh.join(name)).ok();
    // As the first boot leaves it.
    let afterburn = "var/home/ann/.ssh/authorized_keys.d/afterburn";
    machine.put(afterburn, format!("{}\n", KEYS[0]).as_bytes(), ANN);
    assert_eq!(run(&wanted("ann", &KEYS)), 2);
    let all = KEYS.join("\n") + "\n";
    assert_eq!(entries(&ssh.join("authorized_keys.d")), ["coreos-metadata"]);
    assert_eq!(read("authorized_keys.d/coreos-metadata"), Some(all.clone()));
    let generated = "# auto-generated by update-ssh-keys\n";
    assert_eq!(read("authorized_keys"), Some(format!("{generated}{all}")));
    assert_eq!(run(&wanted("ann", &KEYS)), 0);
    // Another set of keys stays.
    machine.put(
        "var/home/ann/.ssh/authorized_keys.d/ignition",
        b"mine\n",
        ANN,
    );
    assert_eq!(run(&wanted("ann", &[])), 1);
    assert_eq!(read("authorized_keys"), Some(format!("{generated}mine\n")));
    assert_eq!(run(&wanted("ann", &[])), 0);
    // Of the last set nothing is left.
    fs::remove_file(ssh.join("authorized_keys.d/ignition")).unwrap();
    assert_eq!(run(&wanted("ann", &KEYS)), 1);
    assert_eq!(run(&wanted("ann", &[])), 1);
    assert_eq!(read("authorized_keys"), None);
    assert_eq!(entries(&ssh.join("authorized_keys.d")), [""; 0]);
    // A set that somebody has switched off stays off.
    fs::write(ssh.join("authorized_keys.d/coreos-metadata"), "").unwrap();
    assert_eq!(run(&wanted("ann", &KEYS)), 0);
    // What fails is told.
    fs::remove_file(ssh.join("authorized_keys.d/coreos-metadata")).unwrap();
    program(&machine, "#!/bin/sh\necho no room >&2\nexit 1\n");
    let (found, state) = machine.find(&wanted("ann", &KEYS), layout);
    let state_directory = machine.state();
    let mut target = Target {
        root: machine.root(),
        state_directory: &state_directory,
        state,
        update_ssh_keys: &update_ssh_keys,
    };
    let error = apply(&found.ops[0], &mut target).unwrap_err().to_string();
    assert!(
        error.ends_with("no room") && !error.contains("AAAA"),
        "{error}"
    );
}

#[test]
fn the_label_of_a_file_that_is_replaced_is_kept() {
    let machine = Machine::new();
    machine.put("root/.ssh/authorized_keys", b"mine\n", (0, 0));
    let path = machine.at("root/.ssh/authorized_keys");
    let label = b"system_u:object_r:ssh_home_t:s0\0";
    rustix::fs::setxattr(
        &path,
        "security.selinux",
        label,
        rustix::fs::XattrFlags::empty(),
    )
    .unwrap();
    machine.run(&wanted("root", &KEYS), Layout::Block);
    let mut found = [0; 64];
    let length = rustix::fs::getxattr(&path, "security.selinux", &mut found).unwrap();
    assert_eq!(&found[..length], label);
    assert!(fs::read_to_string(&path).unwrap().contains(KEYS[0]));
}

#[test]
fn users_without_a_place_are_told() {
    let machine = Machine::new();
    let passwd = format!(
        "rel:x:{0}:{0}::home/x:/bin/sh\nup:x:{0}:{0}::/a/../b:/bin/sh\ngone:x:{0}:{0}::/home/gone:/bin/sh\n",
        ANN.0
    );
    fs::write(machine.at("etc/passwd"), passwd).unwrap();
    for (user, why) in [
        (
            "rel",
            "of the home directory \"home/x\", the path is not absolute",
        ),
        (
            "up",
            "of the home directory \"/a/../b\", the path has the component \"..\"",
        ),
    ] {
        let told = machine.run(&wanted(user, &KEYS), Layout::Block);
        assert_eq!(
            told,
            [format!("the SSH keys of {user:?} stay as they are: {why}")]
        );
    }
    let (found, state) = machine.find(&wanted("gone", &KEYS), Layout::Block);
    let error = machine.apply(&found.ops[0], state).unwrap_err().to_string();
    assert!(
        error.ends_with("No such file or directory (os error 2)"),
        "{error}"
    );
    let seen = observe(machine.root(), &wanted("gone", &KEYS), Layout::Block, None).unwrap();
    assert_eq!(seen.files["gone"].file, File::Absent);
}
