//! Kernel arguments: the stage on boot partitions that are loop devices, the programs that it calls replaced
//! by ones that note how they were called, and the text that it writes read by GRUB itself.
//!
//! The stage runs in namespaces of its own: /dev holds nothing but the partitions of the test, and reboot(2)
//! ends the process namespace rather than the machine (pid_namespaces(7)).
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pilotlight_core::grub::{self, Value};
use pilotlight_tests::{Answer, FirstBoot, program, run_with, tool_with};

const BEGIN: &str =
    "# BEGIN pilotlight: kernel arguments of the config, made anew by every first boot\n";
const END: &str = "# END pilotlight\n";

/// One test at a time: a new mount namespace begins with a copy of what another test has mounted, and a
/// file system that is still mounted there cannot be mounted in another way here.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file system on a loop device.
struct Partition {
    node: String,
    label: &'static str,
    image: tempfile::NamedTempFile,
}

impl Partition {
    fn new(label: &'static str, format: &str) -> Self {
        let image = tempfile::NamedTempFile::new().unwrap();
        image.as_file().set_len(128 << 20).unwrap();
        let path = image.path().to_str().unwrap();
        match format {
            "ext4" => tool_with(&["mkfs.ext4", "-q", "-F", "-L", label, path]),
            _ => tool_with(&["mkfs.btrfs", "-q", "--force", "-L", label, path]),
        };
        let node = tool_with(&["losetup", "--find", "--show", path]);
        Self {
            node: node.trim().into(),
            label,
            image,
        }
    }

    /// What a look at the file system says, while nobody else has it mounted.
    fn inside<T>(&self, look: impl FnOnce(&Path) -> T) -> T {
        let at = tempfile::tempdir().unwrap();
        let mounted = Mounted::new(&self.node, at.path(), "rw");
        let found = look(at.path());
        drop(mounted);
        found
    }

    fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        self.inside(|top| std::fs::write(top.join(name), contents).unwrap());
    }

    fn read(&self, name: &str) -> Option<String> {
        self.inside(|top| std::fs::read_to_string(top.join(name)).ok())
    }
}

impl Drop for Partition {
    fn drop(&mut self) {
        // Busy: the stage left it mounted.
        let output = Command::new("losetup")
            .args(["-d", &self.node])
            .output()
            .unwrap();
        if !std::thread::panicking() {
            assert!(output.status.success(), "{output:?}");
            assert!(self.image.path().exists());
        }
    }
}

/// A mount that ends with the test.
struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    fn new(node: &str, at: &'a Path, option: &str) -> Self {
        tool_with(&["mount", "-o", option, node, at.to_str().unwrap()]);
        Self(at)
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        Command::new("umount").arg(self.0).status().unwrap();
    }
}

/// A machine with boot partitions, and programs that note their arguments.
struct Machine {
    directory: tempfile::TempDir,
    partitions: Vec<Partition>,
    boot: FirstBoot,
}

impl Machine {
    fn new(arguments: &str, partitions: Vec<Partition>, links: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::create_dir_all(at("bin")).unwrap();
        std::fs::create_dir_all(at("real")).unwrap();
        std::fs::create_dir_all(at("dev")).unwrap();
        std::os::unix::fs::symlink(program(), at("real/ignition")).unwrap();
        let mut nodes = String::from("/dev/null /dev/urandom");
        let mut link = String::new();
        for partition in &partitions {
            nodes.push_str(&format!(" {}", partition.node));
            if links {
                let label = partition.label;
                link.push_str(&format!("ln -s {} disk/by-label/{label}\n", partition.node));
            }
        }
        let top = directory.path().display();
        // In a namespace of its own, so that other tests' partitions of the same label are not there.
        let script = format!(
            "#!/bin/sh\nset -e\nif [ $$ != 1 ]; then\nexec unshare --mount --pid --fork --mount-proc \"$0\" \"$@\"\nfi\n\
             mount -t tmpfs none {top}/dev\ncp -a {nodes} {top}/dev\ncd {top}/dev\n\
             mkdir -p disk/by-label\n{link}mount --bind . /dev\ncd /\nexec {top}/real/ignition \"$@\"\n"
        );
        write_program(&at("ignition"), &script);
        let config =
            format!(r#"{{"ignition":{{"version":"3.3.0"}},"kernelArguments":{arguments}}}"#);
        let path = format!("{}:{}", at("bin").display(), std::env::var("PATH").unwrap());
        let boot = FirstBoot::new(directory.path(), &at("root"), config.as_bytes())
            .with("PATH", &path)
            .with("PILOTLIGHT_DEVICE_WAIT", "0")
            .with("PILOTLIGHT_REBOOT_WAIT", "0");
        let machine = Self {
            directory,
            partitions,
            boot,
        };
        // Never the real one.
        machine.fake("systemctl", 0);
        machine
    }

    /// A Flatcar machine: OEM partition and EFI system partition.
    fn flatcar(arguments: &str, format: &str) -> Self {
        let esp = Partition::new("EFI-SYSTEM", "ext4");
        Self::new(arguments, vec![Partition::new("OEM", format), esp], true)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn fake(&self, name: &str, code: u8) {
        let log = self.at(name);
        let script = format!(
            "#!/bin/sh\nprintf '%s|' \"$@\" >> {}\necho \"{name} speaks\" >&2\nexit {code}\n",
            log.display()
        );
        write_program(&self.at("bin").join(name), &script);
    }

    /// How a program was called.
    fn calls(&self, name: &str) -> String {
        std::fs::read_to_string(self.at(name)).unwrap_or_default()
    }

    fn oem(&self) -> &Partition {
        &self.partitions[0]
    }

    fn esp(&self) -> &Partition {
        &self.partitions[1]
    }

    /// The stages up to kargs, on a kernel with this command line.
    fn start(&self, cmdline: &str) -> Answer {
        std::fs::write(self.at("cmdline"), cmdline).unwrap();
        self.boot.stages(&["fetch-offline", "kargs"])
    }
}

fn write_program(path: &Path, script: &str) {
    std::fs::write(path, script).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// A stage that told the machine to restart, which then did not.
fn restarts(answer: &Answer) {
    assert_eq!(answer.code, Some(1), "{answer:?}");
    assert!(
        answer
            .out
            .contains("the machine did not restart within 0 s"),
        "{answer:?}"
    );
}

const CGROUP: &str =
    r#"{"shouldExist":["systemd.unified_cgroup_hierarchy=0"],"shouldNotExist":["quiet"]}"#;
const FOREIGN: &str = "# OEM\r\nset oem_id=\"qemu\"\nset linux_append=\"quiet net.ifnames=0\"";

fn provisions(machine: &Machine) {
    let first = machine.start("ro quiet net.ifnames=0");
    restarts(&first);
    let line = |text: &str| {
        let found = first.out.lines().position(|line| line.contains(text));
        found.unwrap_or_else(|| panic!("no {text:?} in {}", first.out))
    };
    // A cut between any two of them leaves a machine that starts over.
    assert!(line("make the marker /flatcar/first_boot") < line("write pilotlight's block"));
    assert!(line("write pilotlight's block") < line("reboot once"));
    assert_eq!(machine.calls("systemctl"), "reboot|--force|");
}

fn is_provisioned(machine: &Machine) {
    let expected = format!(
        "{FOREIGN}\n{BEGIN}set linux_append=\"net.ifnames=0 systemd.unified_cgroup_hierarchy=0\"\n{END}"
    );
    assert_eq!(
        machine.oem().read("grub.cfg").as_deref(),
        Some(expected.as_str())
    );
    assert_eq!(
        machine.esp().read("flatcar/first_boot").as_deref(),
        Some("")
    );
    let second = machine.start("ro net.ifnames=0 systemd.unified_cgroup_hierarchy=0");
    assert_eq!(second.code, Some(0), "{second:?}");
    assert!(
        second.out.contains("kargs         nothing to do"),
        "{second:?}"
    );
    assert_eq!(machine.oem().read("grub.cfg"), Some(expected));
    assert_eq!(machine.calls("systemctl"), "reboot|--force|");
}

#[test]
fn grub_cfg_is_written_and_the_machine_restarts_once() {
    let _alone = alone();
    for format in ["ext4", "btrfs"] {
        let machine = Machine::flatcar(CGROUP, format);
        machine.oem().inside(|top| {
            let file = top.join("grub.cfg");
            std::fs::write(&file, FOREIGN).unwrap();
            // What a run that was cut off has left.
            std::fs::write(top.join(".grub.cfg.pilotlight-4711"), "half").unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
            std::os::unix::fs::chown(&file, Some(12), Some(34)).unwrap();
        });
        provisions(&machine);
        is_provisioned(&machine);
        machine.oem().inside(|top| {
            let file = top.join("grub.cfg").metadata().unwrap();
            assert_eq!(
                (file.mode() & 0o7777, file.uid(), file.gid()),
                (0o640, 12, 34)
            );
            assert!(!top.join(".grub.cfg.pilotlight-4711").exists());
        });
    }
}

#[test]
fn an_oem_partition_that_is_mounted_read_only_stays_so() {
    let _alone = alone();
    for format in ["ext4", "btrfs"] {
        for option in ["ro", "rw"] {
            let machine = Machine::flatcar(CGROUP, format);
            machine.oem().write("grub.cfg", FOREIGN);
            let at = tempfile::tempdir().unwrap();
            let mounted = Mounted::new(&machine.oem().node, at.path(), option);
            provisions(&machine);
            let seen = std::fs::read_to_string(at.path().join("grub.cfg")).unwrap();
            assert!(seen.contains(BEGIN), "{format} {option}: {seen}");
            // btrfs lets one mount write and another not.
            let columns = if format == "ext4" {
                "VFS-OPTIONS,FS-OPTIONS"
            } else {
                "VFS-OPTIONS"
            };
            let options = tool_with(&["findmnt", "-no", columns, at.path().to_str().unwrap()]);
            for list in options.split_whitespace() {
                assert_eq!(list.split(',').next(), Some(option), "{format}: {options}");
            }
            // A boot loader replays no journal: it reads what is on the disk now, with the file system in use.
            if format == "ext4" {
                let image = machine.oem().image.path().to_str().unwrap();
                let raw = run_with(&["debugfs", "-R", "cat /grub.cfg", image]).out;
                assert_eq!(raw, seen);
            }
            drop(mounted);
            is_provisioned(&machine);
        }
    }
}

#[test]
fn partitions_are_found_without_udev_and_a_marker_of_coreos_will_do() {
    let _alone = alone();
    let esp = Partition::new("EFI-SYSTEM", "ext4");
    esp.inside(|top| {
        std::fs::create_dir(top.join("coreos")).unwrap();
        std::fs::write(top.join("coreos/first_boot"), "").unwrap();
    });
    let oem = Partition::new("OEM", "ext4");
    let machine = Machine::new(r#"{"shouldExist":["a=$b"]}"#, vec![oem, esp], false);
    let answer = machine.start("ro");
    restarts(&answer);
    assert!(!answer.out.contains("make the marker"), "{answer:?}");
    let written = machine.oem().read("grub.cfg").unwrap();
    assert_eq!(
        written,
        format!("{BEGIN}set linux_append=\"$linux_append a=\\$b\"\n{END}")
    );
    let mode = machine
        .oem()
        .inside(|top| top.join("grub.cfg").metadata().unwrap().mode());
    assert_eq!(mode & 0o7777, 0o644);
}

#[test]
fn a_boot_loader_that_does_not_read_the_file_is_a_warning_and_no_loop() {
    let _alone = alone();
    let machine = Machine::flatcar(r#"{"shouldExist":["a"]}"#, "ext4");
    restarts(&machine.start("ro"));
    let again = machine.start("ro");
    assert_eq!(again.code, Some(0), "{again:?}");
    let words = "the boot loader seems not to read it";
    assert!(again.out.contains(words), "{again:?}");
    let state = std::fs::read_to_string(machine.at("run/state")).unwrap();
    assert!(state.contains(words), "{state}");
    assert_eq!(machine.calls("systemctl"), "reboot|--force|");
    let files = machine.boot.stage("files");
    assert_eq!(files.code, Some(0), "{files:?}");
    let result = std::fs::read_to_string(machine.at("root/etc/.ignition-result.json")).unwrap();
    assert!(result.contains(words), "{result}");
}

#[test]
fn the_distributions_program_is_called_as_ignition_calls_it() {
    let _alone = alone();
    let arguments = r#"{"shouldExist":["a","b=\"x y\""],"shouldNotExist":["c"]}"#;
    let machine = Machine::new(arguments, Vec::new(), true);
    machine.fake("ignition-kargs-helper", 0);
    let answer = machine.start("ro c");
    assert_eq!(answer.code, Some(0), "{answer:?}");
    let call = "--should-exist|a|--should-exist|b=\"x y\"|--should-not-exist|c|";
    assert_eq!(machine.calls("ignition-kargs-helper"), call);
    assert_eq!(machine.calls("systemctl"), "");
    // It decides, whatever the running kernel has.
    assert_eq!(machine.start("ro a b=\"x y\"").code, Some(0));
    assert_eq!(
        machine.calls("ignition-kargs-helper"),
        format!("{call}{call}")
    );
    machine.fake("ignition-kargs-helper", 7);
    let answer = machine.start("ro c");
    assert_eq!(answer.code, Some(1), "{answer:?}");
    assert!(
        answer.out.contains("ignition-kargs-helper speaks"),
        "{answer:?}"
    );
}

#[test]
fn without_a_way_nothing_is_touched_and_it_says_what_to_do() {
    let _alone = alone();
    let arguments = r#"{"shouldExist":["a"]}"#;
    let nothing = Machine::new(arguments, Vec::new(), true);
    let only_oem = Machine::new(arguments, vec![Partition::new("OEM", "ext4")], true);
    let live = Machine::flatcar(arguments, "ext4");
    live.fake("is-live-image", 0);
    for (machine, words) in [
        (&nothing, "nor a partition labelled OEM"),
        (&only_oem, "no partition labelled EFI-SYSTEM"),
        (&live, "because this is a live image"),
    ] {
        let answer = machine.start("ro");
        assert_eq!(answer.code, Some(1), "{answer:?}");
        assert!(answer.out.contains(words), "{answer:?}");
        assert!(
            answer.out.contains("nothing has been changed"),
            "{answer:?}"
        );
        assert!(answer.out.contains("config.ign:1:"), "{answer:?}");
        assert_eq!(machine.calls("systemctl"), "");
    }
    for partition in only_oem.partitions.iter().chain(&live.partitions) {
        assert_eq!(partition.read("grub.cfg"), None);
        assert_eq!(partition.read("flatcar/first_boot"), None);
    }
}

/// Puts something in the place of grub.cfg.
type Make<'a> = dyn Fn(&Path) + 'a;

#[test]
fn a_grub_cfg_that_is_not_one_is_left_alone() {
    let _alone = alone();
    let machine = Machine::flatcar(r#"{"shouldExist":["a"]}"#, "ext4");
    let secret = machine.at("secret");
    std::fs::write(&secret, "secret").unwrap();
    let cases: [(&str, &Make<'_>); 5] = [
        ("it is larger than 1048576 bytes", &|path| {
            std::fs::write(path, vec![b'#'; (1 << 20) + 1]).unwrap();
        }),
        ("it is not a text in UTF-8", &|path| {
            std::fs::write(path, b"# \xff\n").unwrap();
        }),
        ("it is not a regular file", &|path| {
            std::os::unix::fs::symlink(&secret, path).unwrap();
        }),
        ("it is not a regular file", &|path| {
            std::fs::create_dir(path).unwrap();
        }),
        ("the quotation mark in line 1 is not closed", &|path| {
            std::fs::write(path, "set x='\n").unwrap();
        }),
    ];
    for (words, make) in cases {
        machine.oem().inside(|top| {
            let path = top.join("grub.cfg");
            let _ = std::fs::remove_dir(&path).or_else(|_| std::fs::remove_file(&path));
            make(&path);
        });
        let before = machine
            .oem()
            .inside(|top| tool_with(&["ls", "-li", top.to_str().unwrap()]));
        let answer = machine.start("ro");
        assert_eq!(answer.code, Some(1), "{answer:?}");
        assert!(answer.out.contains(words), "{answer:?}");
        let after = machine
            .oem()
            .inside(|top| tool_with(&["ls", "-li", top.to_str().unwrap()]));
        assert_eq!(before, after);
        assert_eq!(machine.esp().read("flatcar/first_boot"), None);
    }
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), "secret");
    assert_eq!(machine.calls("systemctl"), "");
}

#[test]
fn an_interrupted_run_starts_over() {
    let _alone = alone();
    let machine = Machine::flatcar(CGROUP, "ext4");
    machine.oem().write("grub.cfg", FOREIGN);
    // The OEM partition cannot be written: as if the power had failed after the marker was made.
    let node = machine.oem().node.as_str();
    tool_with(&["blockdev", "--setro", node]);
    let answer = machine.start("ro quiet net.ifnames=0");
    tool_with(&["blockdev", "--setrw", node]);
    assert_eq!(answer.code, Some(1), "{answer:?}");
    assert!(
        answer.out.contains("could not write pilotlight's block"),
        "{answer:?}"
    );
    assert_eq!(
        machine.esp().read("flatcar/first_boot").as_deref(),
        Some("")
    );
    assert_eq!(machine.oem().read("grub.cfg").as_deref(), Some(FOREIGN));
    assert_eq!(machine.calls("systemctl"), "");
    restarts(&machine.start("ro quiet net.ifnames=0"));
    is_provisioned(&machine);
}

#[test]
fn where_systemd_does_not_restart_the_machine_the_kernel_does() {
    let _alone = alone();
    let machine = Machine::flatcar(r#"{"shouldExist":["a"]}"#, "ext4");
    machine.fake("systemctl", 1);
    assert_eq!(machine.boot.stage("fetch-offline").code, Some(0));
    std::fs::write(machine.at("cmdline"), "ro").unwrap();
    // reboot(2) ends a process namespace by SIGHUP, of which unshare(1) dies as well.
    let answer = machine.boot.stage("kargs");
    assert_eq!(answer.code, None, "{answer:?}");
    assert_eq!(machine.calls("systemctl"), "reboot|--force|");
    assert!(
        machine
            .oem()
            .read("grub.cfg")
            .unwrap()
            .contains("$linux_append a\"")
    );
}

/// Texts, of which some hold a block, and what is put into them.
const TEXTS: &[(&str, &[&str])] = &[
    ("", &["a"]),
    (
        "set linux_append=\"x y\"\n",
        &["a=1", "b=$c", "d={e};f|g&h<i>j#k*l?m(n)"],
    ),
    ("linux_append='x \"y\"'", &["a"]),
    (
        "set linux_append=\"x\\\"y \\$z \\\\w \\v\"\r\n# it's\r\n",
        &["a"],
    ),
    (
        "set oem_id=ec2\nif [ \"$grub_platform\" = pc ]; then\n\tset linux_console=\"console=ttyS0\"\nelse\n\tset linux_console=tty\nfi\nset linux_append=x\nset linux_append=\"${linux_append} y\"\n",
        &["a", "b"],
    ),
    (
        "set linux_append=a\\ b; set linux_append=\"$linux_append c\" # d\n",
        &["e"],
    ),
    (
        "menuentry \"x\" --id=y {\n linux /vmlinuz $linux_append\n}\nset linux_append=\"x \\\ny\"\n",
        &["a"],
    ),
    ("function f {\n echo $1\n}\nunset linux_append\n", &["a"]),
    (
        "for i in 1 2; do true; done; while false; do true; done\nset \"linux_append=x\"\n",
        &["a"],
    ),
    ("set linux_append=x#y\nexport linux_append\n", &["a"]),
];

#[test]
fn grub_reads_what_is_written_as_it_is_meant() {
    let directory = tempfile::tempdir().unwrap();
    let mut main = String::new();
    let mut expected = String::new();
    let mut number = 0;
    for (before, words) in TEXTS {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        let once = grub::with_block(before, &grub::statement(true, &words)).unwrap();
        let replaced = grub::with_block(&once, &grub::statement(false, &words)).unwrap();
        for text in [before.to_string(), once, replaced] {
            let file = directory.path().join(format!("{number}.cfg"));
            std::fs::write(&file, &text).unwrap();
            // It takes a text without commands for a mistake.
            if !text.is_empty() {
                tool_with(&["grub-script-check", file.to_str().unwrap()]);
            }
            let Value::Known(words) = grub::evaluate(&text, &[]).unwrap() else {
                panic!("{text:?}");
            };
            main.push_str(&format!(
                "set linux_append=\nsource $prefix/{number}.cfg\nfor w in $linux_append; do echo \"@{number} $w@\"; done\n"
            ));
            for word in words {
                expected.push_str(&format!("@{number} {word}@\n"));
            }
            number += 1;
        }
    }
    main.push_str("halt\n");
    std::fs::write(directory.path().join("grub.cfg"), main).unwrap();
    let output = Command::new("timeout")
        .args(["60", "grub-emu", "-d"])
        .arg(directory.path())
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    // The screen of GRUB: lines of our own between its control sequences.
    let said = String::from_utf8_lossy(&output.stdout);
    let mut found = String::new();
    for part in said.split(['\n', '\r']) {
        if let Some(at) = part.find('@') {
            found.push_str(part[at..].trim_end());
            found.push('\n');
        }
    }
    assert_eq!(found, expected, "{said}");
}
