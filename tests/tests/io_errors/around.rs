//! Calls that fail in the stages around files and partitions, and in the programs that make arrays and encrypted
//! volumes: a whole machine in a guest, whose every stage runs again after a restart.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pilotlight_tests::portrait::{Observer, Portrait};
use pilotlight_tests::uml::Guest;
use pilotlight_tests::{Answer, pilotlight, run, tool};
use serde_json::{Value, json};

use crate::failing::{MOUNTS, Tracer};
use crate::mapped::remove_marker;
use crate::node::Node;
use crate::trial;

const TOOLS: &[&str] = &["mdadm", "cryptsetup", "wipefs"];
const STAGES: [&str; 8] = [
    "fetch-offline",
    "kargs",
    "disks",
    "mount",
    "files",
    "marker",
    "finish",
    "umount",
];
/// Where everything of one try lies, and the images that each begins with: file systems in memory.
const TRY: &str = "/run/try";
const IMAGES: &str = "/run/images";
const ROOT: &str = "/run/try/root";
const FAKE: &str = "/run/fake";
const TRACES: &str = "/run/traces";
/// Quick to derive a key with; for tests alone.
const QUICK: [&str; 4] = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"];

fn config() -> Value {
    let id = |n: u8| format!("{n:08}-0000-4000-8000-000000000000");
    json!({
        "ignition": {"version": "3.4.0"},
        "kernelArguments": {"shouldExist": ["one=1"], "shouldNotExist": ["quiet"]},
        "storage": {
            "disks": [{"device": "/dev/loop1", "wipeTable": true, "partitions": [
                {"number": 1, "label": "m-1", "guid": id(1), "sizeMiB": 32},
                {"number": 2, "label": "m-2", "guid": id(2), "sizeMiB": 32}
            ]}],
            "raid": [{"name": "data", "level": "raid1", "devices": ["/dev/loop1p1", "/dev/loop1p2"]}],
            "luks": [{"name": "data", "device": "/dev/md/data", "label": "secret", "uuid": id(3), "options": QUICK,
                "keyFile": {"source": "data:,a%20key%20of%20the%20config"}}],
            "filesystems": [{"device": "/dev/mapper/data", "format": "ext4", "label": "DATA", "uuid": id(4),
                "path": "/srv/data"}],
            "files": [{"path": "/srv/data/file", "contents": {"source": "data:,text"}}]
        }
    })
}

/// The images of a machine's disks: one to start from, with grub.cfg, and one without anything of value.
fn make_images() {
    fs::create_dir_all(IMAGES).unwrap();
    tool(&format!("mount -t tmpfs images {IMAGES}"));
    let (boot, data) = (format!("{IMAGES}/boot"), format!("{IMAGES}/data"));
    tool(&format!("truncate -s 64M {boot}"));
    tool(&format!("truncate -s 68M {data}"));
    tool(&format!(
        "sgdisk --new=1:1M:+8M --typecode=1:EF00 --change-name=1:EFI-SYSTEM \
         --new=2:9M:+8M --change-name=2:OEM --new=3:17M:+40M --change-name=3:ROOT {boot}"
    ));
    let disk = tool(&format!("losetup --find --show --partscan {boot}"));
    tool(&format!("mkfs.fat -n EFI-SYSTEM {disk}p1"));
    tool(&format!("mkfs.ext4 -q -L OEM {disk}p2"));
    tool(&format!("mkfs.ext4 -q -L ROOT {disk}p3"));
    tool(&format!("mount {disk}p1 /mnt"));
    fs::create_dir("/mnt/flatcar").unwrap();
    fs::write("/mnt/flatcar/first_boot", "").unwrap();
    tool("umount /mnt");
    tool(&format!("mount {disk}p2 /mnt"));
    fs::write("/mnt/grub.cfg", "# OEM\nset linux_append=\"quiet\"\n").unwrap();
    tool("umount /mnt");
    tool(&format!("mount {disk}p3 /mnt"));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/differential/base-root.sh");
    tool(&format!("sh {script} /mnt"));
    tool("umount /mnt");
    tool(&format!("losetup --detach {disk}"));
    // It would end the guest; the tracer's directory of tools comes before any other.
    for directory in [FAKE, &format!("{TRACES}/tracer/tools")] {
        fs::create_dir_all(directory).unwrap();
        let fake = Path::new(directory).join("systemctl");
        fs::write(&fake, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&fake, PermissionsExt::from_mode(0o755)).unwrap();
    }
}

/// The machine, of which one stage is looked at.
struct Bench {
    stage: &'static str,
    /// Of the agent's own calls and of its tools' in that stage.
    least: (usize, usize),
    node: Node,
    tracer: Tracer,
}

impl Bench {
    fn new(stage: &'static str, least: (usize, usize)) -> Self {
        fs::create_dir_all(ROOT).unwrap();
        let path = format!("{FAKE}:{}", std::env::var("PATH").unwrap());
        let mut node = Node::new(Path::new(TRY), Path::new(ROOT), &config());
        node.boot = (node.boot)
            .with("PATH", &path)
            .with("PILOTLIGHT_REBOOT_WAIT", "0");
        let tracer = Tracer::new(Path::new(TRACES), TOOLS).with_calls(MOUNTS);
        Self {
            stage,
            least,
            node,
            tracer,
        }
    }

    fn power_on(&self) {
        for (n, name) in ["boot", "data"].iter().enumerate() {
            let node = tool(&format!("losetup --find --show --partscan {TRY}/{name}"));
            assert_eq!(node, format!("/dev/loop{n}"));
        }
        // The boot loader adds what grub.cfg says.
        tool("mount -o ro /dev/loop0p2 /mnt");
        let text = fs::read_to_string("/mnt/grub.cfg").unwrap();
        tool("umount /mnt");
        let words = if text.contains("one=1") {
            "one=1"
        } else {
            "quiet"
        };
        fs::write(
            Path::new(TRY).join("cmdline"),
            format!("ro flatcar.first_boot=detected {words}"),
        )
        .unwrap();
    }

    /// Nothing is left but the disks; the config and its cache lie in memory.
    fn power_off(&self) {
        run(&format!("umount --recursive {ROOT}"));
        run("cryptsetup close data");
        for node in fs::read_dir("/dev").unwrap().flatten() {
            let name = node.file_name().to_string_lossy().into_owned();
            if name.starts_with("md") && name[2..].starts_with(|c: char| c.is_ascii_digit()) {
                tool(&format!("mdadm --quiet --stop /dev/{name}"));
            }
        }
        let _ = fs::remove_dir_all("/dev/md");
        tool("losetup --detach-all");
    }

    /// Runs stages, of which each must do its work.
    fn stages(&self, stages: &[&'static str]) {
        for stage in stages {
            if *stage == "mount" {
                tool(&format!("mount /dev/loop0p3 {ROOT}"));
            }
            let answer = match *stage {
                "marker" => remove_marker(),
                "finish" => pilotlight(&["finish", "--root", ROOT]),
                stage => self.node.boot.stage(stage),
            };
            assert!(trial::Bench::done(self, &answer), "{stage}: {answer:?}");
        }
    }

    fn place(&self) -> usize {
        STAGES
            .iter()
            .position(|stage| *stage == self.stage)
            .unwrap()
    }

    fn up_to_the_stage(&self) {
        self.stages(&STAGES[..self.place()]);
        if self.stage == "mount" {
            tool(&format!("mount /dev/loop0p3 {ROOT}"));
        }
    }

    fn new_memory(&self) {
        let run = PathBuf::from(TRY).join("run");
        let _ = fs::remove_dir_all(&run);
        fs::create_dir(&run).unwrap();
        fs::write(Path::new(TRY).join("config.ign"), config().to_string()).unwrap();
    }
}

impl trial::Bench for Bench {
    fn stage(&self) -> &'static str {
        self.stage
    }

    fn least(&self) -> (usize, usize) {
        self.least
    }

    /// Whoever is told to restart the machine does not do it here.
    fn done(&self, answer: &Answer) -> bool {
        answer.code == Some(0) || answer.out.contains("the machine did not restart")
    }

    fn node(&self) -> &Node {
        &self.node
    }

    fn tracer(&self) -> &Tracer {
        &self.tracer
    }

    fn renew(&self) {
        for name in ["boot", "data"] {
            let _ = fs::remove_file(format!("{TRY}/{name}"));
            tool(&format!("cp --sparse=always {IMAGES}/{name} {TRY}/{name}"));
        }
        self.power_on();
        self.new_memory();
        self.up_to_the_stage();
    }

    fn passes(&self, _: usize) {
        // The machine is provisioned by then.
        if self.stage == "umount" {
            return;
        }
        self.power_off();
        self.power_on();
        self.new_memory();
        self.up_to_the_stage();
    }

    /// What the stages after it make of the machine belongs to it.
    fn portrait(&self) -> Portrait {
        self.stages(&STAGES[self.place() + 1..]);
        self.power_off();
        self.power_on();
        let observer = Observer::new(&[&config().to_string()], Path::new(TRY));
        let disks = ["/dev/loop0".to_string(), "/dev/loop1".to_string()];
        let portrait = observer.observe(&disks);
        self.power_off();
        portrait
    }
}

fn sweep(stages: &[(&'static str, (usize, usize))], many: usize) {
    let hours = if many > 100 { 12 } else { 1 };
    let patience = Duration::from_secs(hours * 3600);
    let mut guest = Guest::new().memory(1024).patience(patience);
    guest.boot(|| {
        make_images();
        fs::create_dir_all(TRY).unwrap();
        tool(&format!("mount -t tmpfs try {TRY}"));
        for (stage, least) in stages {
            trial::run(&Bench::new(stage, *least), many);
        }
    });
}

#[test]
fn a_sample_of_calls_of_the_programs_of_volumes_fails() {
    sweep(&[("disks", (20, 100))], 4);
}

#[test]
#[ignore = "all calls: hours (make crash)"]
fn every_call_of_the_programs_of_volumes_fails() {
    sweep(&[("disks", (20, 100))], usize::MAX);
}

#[test]
#[ignore = "all calls: an hour (make crash)"]
fn every_call_of_the_stages_around_fails() {
    let stages = [
        ("fetch-offline", (10, 0)),
        ("kargs", (25, 0)),
        ("mount", (3, 0)),
        ("umount", (2, 0)),
    ];
    sweep(&stages, usize::MAX);
}
