//! Power that fails at any moment of a first boot, proven by replaying what was written.
//!
//! A whole first boot runs on disks whose writes dm-log-writes records. For each cut the disks get what a power
//! failure would have left: all writes up to a flush, and of the writes after it none or some. The machine boots
//! from there, and must become what it is without a power cut. For some cuts power fails in that second try as
//! well.
//!
//! All of it happens in one guest per config: the disks lie one after the other on one device, so that one log
//! has the order of all writes. A flush of one disk counts for all of them; what that hides, the torn cuts show.
//! A cut runs on a snapshot, which is thrown away.
//!
//! The tests named `sample` take a few cuts of the cases that have the most kinds of operations; `make crash` takes
//! all cuts of all cases. `PILOTLIGHT_CRASH=flush-17` or
//! `PILOTLIGHT_CRASH=torn-5-2026/flush-3` runs this one cut, `PILOTLIGHT_CRASH=60` about so many, and
//! `PROPTEST_RNG_SEED` takes others by chance.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fmt::Write as _;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use pilotlight_tests::block_log::{Chance, Cut, Log};
use pilotlight_tests::portrait::{Observer, Portrait};
use pilotlight_tests::uml::Guest;
use pilotlight_tests::{Answer, FirstBoot, pilotlight, run, seed, tang, tool};
use serde_json::{Value, json};

const MIB: u64 = 1 << 20;
/// Of the disk that the machine starts from: EFI-SYSTEM, OEM and ROOT.
const BOOT_MIB: u64 = 112;
/// Where the base begins, and what is unused at its end: nothing of what it and its changes hold may be found on the
/// devices that carry them.
const UNUSED: u64 = MIB;
/// Where everything of one boot lies: a file system in memory.
const BOOT: &str = "/run/round/boot";
const ROOT: &str = "/run/round/root";
/// Of the kernel, before what grub.cfg adds.
const ARGUMENTS: &str = "ro flatcar.first_boot=detected";
/// So many differences are shown of one cut.
const SHOWN: usize = 8;
/// Quick to derive a key with; for tests alone.
const QUICK: [&str; 4] = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"];

/// A machine and what its first boot is to make of it.
struct Case {
    name: &'static str,
    /// MiB of the disks beside the one that the machine starts from: /dev/loop1 and so on.
    data: &'static [u64],
    /// What is on the disks and below the mounted root before.
    seed: fn(&[String], &Path),
    config: fn() -> Value,
    /// Whoever starts the machine asks the boot loader for a first boot until there was one: no marker is needed.
    by_hand: bool,
    /// What the log has to show: a case that does not do it proves nothing about it.
    shows: &'static [&'static str],
}

/// How many of the cuts are run.
#[derive(Debug, Clone, Copy)]
struct Amount {
    /// At flushes; `None` is all.
    flushes: Option<usize>,
    torn: usize,
    /// Cuts whose second try is cut as well, and how often.
    twice: (usize, usize),
    /// How long all of it may take.
    minutes: u64,
}

const SAMPLE: Amount = Amount {
    flushes: Some(1),
    torn: 1,
    twice: (1, 1),
    minutes: 30,
};
const ALL: Amount = Amount {
    flushes: None,
    torn: 50,
    twice: (6, 6),
    minutes: 12 * 60,
};

/// What a boot came to.
enum End {
    /// Provisioned, or nothing to do.
    Done,
    /// The kernel arguments of the next boot are others.
    Restarted,
}

/// The disks of a machine that is off, on a block device.
struct Off<'a> {
    device: String,
    case: &'a Case,
}

impl Off<'_> {
    fn sizes(&self) -> impl Iterator<Item = u64> {
        std::iter::once(BOOT_MIB).chain(self.case.data.iter().copied())
    }

    /// The disks' nodes, the same ones in every boot.
    fn power_on(&self) -> Vec<String> {
        let mut offset = 0;
        let mut disks = Vec::new();
        for (n, mib) in self.sizes().enumerate() {
            let size = mib * MIB;
            let node = tool(&format!(
                "losetup --find --show --partscan --direct-io=on --offset {offset} --sizelimit {size} {}",
                self.device
            ));
            assert_eq!(node, format!("/dev/loop{n}"));
            disks.push(node);
            offset += size;
        }
        disks
    }

    /// What firmware and boot loader find: the first-boot marker, and arguments for the kernel. A boot loader
    /// replays no journal, and finds the partitions by the backup of a torn table.
    fn firmware(&self) -> Result<(bool, String), String> {
        let at = "/run/firmware";
        fs::create_dir_all(at).unwrap();
        let look = |options: &str, mib: u64, size: u64| {
            let (offset, size) = (mib * MIB, size * MIB);
            let answer = run(&format!(
                "mount -o {options},loop,offset={offset},sizelimit={size} {} {at}",
                self.device
            ));
            match answer.code {
                Some(0) => Ok(()),
                _ => Err(format!("the boot loader cannot read: {}", answer.err)),
            }
        };
        look("ro", 1, 8)?;
        let mut marker = Path::new(at).join("flatcar/first_boot").exists();
        tool(&format!("umount {at}"));
        if self.case.by_hand && !marker {
            look("ro,noload", 25, 72)?;
            marker = !Path::new(at).join("etc/.ignition-result.json").exists();
            tool(&format!("umount {at}"));
        }
        look("ro,noload", 9, 16)?;
        let text = fs::read_to_string(Path::new(at).join("grub.cfg")).unwrap_or_default();
        tool(&format!("umount {at}"));
        let mut append = String::new();
        for line in text.lines() {
            if let Some(value) = line.trim().strip_prefix("set linux_append=\"") {
                append = value
                    .trim_end_matches('"')
                    .replace("$linux_append", &append);
            }
        }
        Ok((marker, format!("{ARGUMENTS} {append}")))
    }

    /// Boots until the machine is up, or a stage fails; answers the log, and whether it was a later boot that came
    /// up. `stage` hears what is begun.
    fn boot(&self, config: &str, stage: &dyn Fn(&str)) -> Booted {
        let mut log = String::new();
        for _ in 0..3 {
            let (marker, arguments) = self.firmware()?;
            let disks = self.power_on();
            tool("mount -t tmpfs round /run/round");
            let end = match marker {
                true => provision(&disks, config, &arguments, stage, &mut log),
                false => subsequent(&disks, stage, &mut log),
            };
            power_off(&disks);
            match end {
                Ok(End::Done) => return Ok((log, !marker)),
                Ok(End::Restarted) => {}
                Err(why) => return Err(format!("{why}\n{}", tail(&log, 25))),
            }
        }
        Err(format!("the machine restarts for ever\n{}", tail(&log, 25)))
    }

    /// What the machine is.
    fn observe(&self, known: &[&str], later: bool) -> Portrait {
        let firmware = format!("{:?}", self.firmware());
        let disks = self.power_on();
        tool("mount -t tmpfs round /run/round");
        let observer = Observer::new(known, Path::new("/run/round"));
        let portrait = (observer.repaired(later).started_by(&firmware)).observe(&disks);
        power_off(&disks);
        portrait
    }
}

/// The last lines of a text.
fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

fn good(answer: Answer, what: &str) -> Result<(), String> {
    match answer.code {
        Some(0) => Ok(()),
        code => Err(format!(
            "{what} failed with {code:?}: {}{}",
            tail(&answer.out, 3),
            answer.err
        )),
    }
}

/// The initramfs of a first boot.
fn provision(
    disks: &[String],
    config: &str,
    arguments: &str,
    stage: &dyn Fn(&str),
    log: &mut String,
) -> Result<End, String> {
    let path = format!("/run/fake:{}", std::env::var("PATH").unwrap());
    let boot = FirstBoot::new(Path::new(BOOT), Path::new(ROOT), config.as_bytes())
        .with("PATH", &path)
        .with("PILOTLIGHT_DEVICE_WAIT", "1")
        .with("PILOTLIGHT_REBOOT_WAIT", "0")
        .started_with(arguments);
    let mut run_stage = |name: &str| {
        stage(name);
        let answer = boot.stage(name);
        let _ = write!(log, "--- {name}\n{}{}", answer.out, answer.err);
        match answer.code {
            Some(0) => Ok(End::Done),
            _ if answer.out.contains("the machine did not restart") => Ok(End::Restarted),
            code => Err(format!("the stage {name} failed with {code:?}")),
        }
    };
    run_stage("fetch-offline")?;
    if Path::new(BOOT).join("run/neednet").exists() {
        run_stage("fetch")?;
    }
    if let End::Restarted = run_stage("kargs")? {
        return Ok(End::Restarted);
    }
    run_stage("disks")?;
    good(
        run(&format!("mount {}p3 {ROOT}", disks[0])),
        "mounting the root",
    )?;
    run_stage("mount")?;
    run_stage("files")?;
    stage("marker");
    remove_marker(&disks[0])?;
    finish(stage)?;
    run_stage("umount")?;
    good(run(&format!("umount {ROOT}")), "unmounting the root")?;
    Ok(End::Done)
}

/// Runs what the initramfs runs, which finds the partition by udev's link.
fn remove_marker(disk: &str) -> Result<(), String> {
    const LINKS: &str = "/dev/disk/by-partlabel";
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../dracut/30pilotlight/first-boot-marker.sh"
    );
    fs::create_dir_all(LINKS).unwrap();
    let link = Path::new(LINKS).join("EFI-SYSTEM");
    std::os::unix::fs::symlink(format!("{disk}p1"), &link).unwrap();
    let answer = run(&format!("sh {script}"));
    fs::remove_file(&link).unwrap();
    fs::remove_dir(LINKS).unwrap();
    good(answer, "removing the marker")
}

/// The initramfs of a later boot.
fn subsequent(disks: &[String], stage: &dyn Fn(&str), log: &mut String) -> Result<End, String> {
    let _ = writeln!(log, "--- not a first boot");
    fs::create_dir_all(ROOT).unwrap();
    good(
        run(&format!("mount {}p3 {ROOT}", disks[0])),
        "mounting the root",
    )?;
    finish(stage)?;
    good(run(&format!("umount {ROOT}")), "unmounting the root")?;
    Ok(End::Done)
}

fn finish(stage: &dyn Fn(&str)) -> Result<(), String> {
    stage("finish");
    // The unit's own conditions, of which one is enough.
    let unit = include_str!("../../dracut/30pilotlight/pilotlight-finish.service");
    let paths = unit
        .lines()
        .filter_map(|line| line.strip_prefix("ConditionPathExists=|/sysroot"));
    match paths
        .into_iter()
        .any(|path| Path::new(ROOT).join(&path[1..]).exists())
    {
        true => good(pilotlight(&["finish", "--root", ROOT]), "finish"),
        false => Ok(()),
    }
}

/// Nothing of a boot is left but the disks, and what is in memory reaches them.
fn power_off(disks: &[String]) {
    run("umount --recursive /run/round");
    let crypt = run("dmsetup ls --target crypt").out;
    for line in crypt.lines().filter(|line| line.contains('(')) {
        let name = line.split_whitespace().next().unwrap();
        tool(&format!("cryptsetup close {name}"));
    }
    for node in fs::read_dir("/dev").unwrap().flatten() {
        let name = node.file_name().to_string_lossy().into_owned();
        if name.starts_with("md") && name[2..].starts_with(|c: char| c.is_ascii_digit()) {
            tool(&format!("mdadm --quiet --stop /dev/{name}"));
        }
    }
    for disk in disks {
        tool(&format!("losetup --detach {disk}"));
    }
    for left in ["/dev/md", "/run/mdadm"] {
        let _ = fs::remove_dir_all(left);
    }
}

/// The block devices of a test.
struct Bench {
    /// Size in sectors.
    sectors: u64,
}

impl Bench {
    fn new(case: &Case) -> Self {
        let mib: u64 = BOOT_MIB + case.data.iter().sum::<u64>();
        for module in ["dm-log-writes", "dm-snapshot", "dm-crypt"] {
            tool(&format!("modprobe {module}"));
        }
        // Disks in memory are quicker than those of the guest; a snapshot that is full is broken.
        let kib = 2 * mib * 1024;
        tool(&format!("modprobe brd rd_nr=2 rd_size={kib} max_part=0"));
        let bench = Self {
            sectors: (mib * MIB + UNUSED) / 512,
        };
        let at = UNUSED / 512;
        bench.create("base", &format!("linear /dev/ram0 {at}"));
        bench
    }

    fn create(&self, name: &str, target: &str) -> String {
        let table = format!("0 {} {target}", self.sectors);
        let answer = Command::new("dmsetup")
            .args(["create", name, "--table", &table])
            .output()
            .unwrap();
        assert!(answer.status.success(), "{table}: {answer:?}");
        // Without udev nobody else makes it.
        tool(&format!("dmsetup mknodes {name}"));
        format!("/dev/mapper/{name}")
    }

    fn remove(&self, name: &str) {
        tool(&format!("dmsetup remove --retry {name}"));
    }

    /// Does something to what the base holds; the base stays as it is.
    fn on_snapshot<T>(&self, body: impl FnOnce(String) -> T) -> T {
        let device = self.create("snapshot", "snapshot /dev/mapper/base /dev/ram1 N 8");
        // The first changes come first.
        let at = self.sectors * 512 - UNUSED;
        let zeros = vec![0; usize::try_from(UNUSED).unwrap()];
        write(&device, |disk| disk.write_all_at(&zeros, at));
        let answer = body(device);
        self.remove("snapshot");
        answer
    }

    /// The disks that a power cut leaves, of which the base already has the prefix.
    fn left_by<T>(&self, log: &Log, cut: &Cut, body: impl FnOnce(String) -> T) -> T {
        self.on_snapshot(|device| {
            write(&device, |disk| log.put(&cut.pieces, disk));
            body(device)
        })
    }

    /// Records what is written to a device.
    fn recorded<T>(&self, device: &str, log: &str, body: impl FnOnce(String) -> T) -> (T, Log) {
        let recorded = self.create("recorded", &format!("log-writes {device} {log}"));
        let answer = body(recorded);
        self.remove("recorded");
        let log = Log::read(File::open(log).unwrap()).unwrap();
        (answer, log)
    }
}

/// Writes to a device of which nothing stays in memory.
fn write(device: &str, body: impl FnOnce(&File) -> std::io::Result<()>) {
    let disk = File::options().write(true).open(device).unwrap();
    body(&disk).unwrap();
    disk.sync_all().unwrap();
}

fn mark(name: &str) {
    tool(&format!("dmsetup message recorded 0 mark {name}"));
}

/// Puts the base's disks into the state before the first boot.
fn prepare(case: &Case) {
    let off = Off {
        device: "/dev/mapper/base".into(),
        case,
    };
    let disks = off.power_on();
    let boot = &disks[0];
    tool(&format!(
        "sgdisk --new=1:1M:+8M --typecode=1:EF00 --change-name=1:EFI-SYSTEM \
         --new=2:9M:+16M --change-name=2:OEM --new=3:25M:+72M --change-name=3:ROOT {boot}"
    ));
    tool(&format!("mkfs.fat -n EFI-SYSTEM {boot}p1"));
    tool(&format!("mkfs.ext4 -q -L OEM {boot}p2"));
    tool(&format!("mkfs.ext4 -q -L ROOT {boot}p3"));
    tool(&format!("mount {boot}p1 /mnt"));
    fs::create_dir("/mnt/flatcar").unwrap();
    fs::write("/mnt/flatcar/first_boot", "").unwrap();
    tool("umount /mnt");
    tool(&format!("mount {boot}p2 /mnt"));
    fs::write("/mnt/grub.cfg", "# OEM\nset linux_append=\"quiet\"\n").unwrap();
    tool("umount /mnt");
    tool(&format!("mount {boot}p3 /mnt"));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/differential/base-root.sh");
    tool(&format!("sh {script} /mnt"));
    (case.seed)(&disks, Path::new("/mnt"));
    tool("umount /mnt");
    power_off(&disks);
    tool("blockdev --flushbufs /dev/mapper/base");
}

/// The UUIDs of what is on the disks, in a text: those do not change by chance.
fn uuids(off: &Off<'_>) -> String {
    let disks = off.power_on();
    let mut text = String::new();
    for disk in &disks {
        text += &run(&format!("sfdisk --json {disk}")).out;
        for node in fs::read_dir("/dev").unwrap().flatten() {
            let node = node.path().display().to_string();
            if node.starts_with(disk) {
                text += &run(&format!("blkid -p -o export {node}")).out;
            }
        }
    }
    power_off(&disks);
    text
}

/// The one cut that is to be looked at.
fn only() -> Option<String> {
    let given = std::env::var("PILOTLIGHT_CRASH").ok();
    given.filter(|text| text.parse::<usize>().is_err())
}

/// So many cuts as the variable says, or as the test does.
fn amount(of_test: Amount) -> Amount {
    let given = std::env::var("PILOTLIGHT_CRASH").ok();
    match given.and_then(|text| text.parse::<usize>().ok()) {
        Some(count) => Amount {
            flushes: Some(count / 2),
            torn: count / 3,
            twice: (count / 12, 2),
            ..of_test
        },
        None => of_test,
    }
}

/// The cuts of a log, in their order.
fn cuts(log: &Log, flushes: Option<usize>, torn: usize, chance: &mut Chance) -> Vec<Cut> {
    let all = log.at_flushes();
    let mut chosen = match flushes {
        None => all,
        Some(count) => chance
            .spread(all.len(), count)
            .into_iter()
            .map(|n| all[n].clone())
            .collect(),
    };
    chosen.extend(log.torn_cuts(torn, chance));
    chosen.sort_by_key(|cut| cut.prefix);
    chosen
}

/// A cut that is found again by its name.
fn named(log: &Log, name: &str) -> Cut {
    let words: Vec<&str> = name.split('-').collect();
    let found = match words[..] {
        ["torn", epoch, seed] => log.torn(epoch.parse().unwrap(), seed.parse().unwrap()),
        _ => log.at_flushes().into_iter().find(|cut| cut.name == name),
    };
    found.unwrap_or_else(|| panic!("there is no cut {name}"))
}

/// What became of the cuts.
#[derive(Default)]
struct Figures {
    cuts: usize,
    converged: usize,
    identical: usize,
    failures: Vec<String>,
}

/// A place of the device in words: the disk, its partition as it is in the end, and bytes from there.
fn place(at: u64, case: &Case, expected: &Portrait) -> String {
    let mut rest = at;
    let sizes = std::iter::once(BOOT_MIB).chain(case.data.iter().copied());
    for (n, mib) in sizes.enumerate() {
        if rest >= mib * MIB {
            rest -= mib * MIB;
            continue;
        }
        for (key, like) in &expected.0 {
            let ours = key.starts_with(&format!("disk {n} ")) && key.ends_with(": entry");
            let entry: Value = serde_json::from_str(like).unwrap_or_default();
            if let (true, Some(start), Some(size)) =
                (ours, entry["start"].as_u64(), entry["size"].as_u64())
                && (start * 512..(start + size) * 512).contains(&rest)
            {
                let inside = rest - start * 512;
                let partition = key.trim_end_matches(": entry");
                return format!("{partition}+{inside:#x}");
            }
        }
        return format!("disk {n}+{rest:#x}");
    }
    format!("{at:#x}")
}

fn places(list: &[u64], case: &Case, expected: &Portrait) -> String {
    let mut words: Vec<String> = (list.iter().take(6))
        .map(|at| place(*at, case, expected))
        .collect();
    if list.len() > 6 {
        words.push(format!("and {} more", list.len() - 6));
    }
    words.join(", ")
}

/// What a boot said, and whether it was a later one; or why it failed.
type Booted = Result<(String, bool), String>;

/// Where in a log power failed.
struct Place<'a> {
    name: String,
    log: &'a Log,
    cut: &'a Cut,
}

/// The whole test of a case, in the guest.
struct Trial<'a> {
    case: &'a Case,
    config: String,
    known: String,
    expected: Portrait,
    figures: Figures,
}

impl Trial<'_> {
    fn known(&self) -> [&str; 2] {
        [&self.config, &self.known]
    }

    /// Boots what a cut has left, and compares. `boot` is what boots the device.
    fn converge(&mut self, device: &str, at: &Place<'_>, boot: impl FnOnce(&str) -> Booted) {
        let before = Instant::now();
        let end = boot(device);
        self.figures.cuts += 1;
        let failed = match end {
            Err(why) => format!(": {why}"),
            Ok((log, later)) => {
                self.figures.converged += 1;
                let off = Off {
                    device: device.into(),
                    case: self.case,
                };
                let seen = off.observe(&self.known(), later);
                let differences = self.expected.differences(&seen);
                if differences.is_empty() {
                    self.figures.identical += 1;
                    let seconds = before.elapsed().as_secs_f64();
                    println!("{}: identical, {seconds:.1} s", at.name);
                    return;
                }
                let count = differences.len();
                let first: Vec<String> = differences.into_iter().take(SHOWN).collect();
                let log = if only().is_some() { log } else { String::new() };
                format!(": {count} differences:\n{}\n{log}", first.join("\n"))
            }
        };
        let said = self.in_words(at) + &failed;
        println!("FAILED {said}");
        self.figures.failures.push(said);
    }

    /// Where power failed.
    fn in_words(&self, at: &Place<'_>) -> String {
        let (last, next) = at.log.around(at.cut);
        let stage = match at.log.mark(at.cut) {
            "" => "before the first stage",
            stage => stage,
        };
        format!(
            "{} ({stage}; written last: {}; then, {} pieces: {})",
            at.name,
            places(&last, self.case, &self.expected),
            at.cut.pieces.len(),
            places(&next, self.case, &self.expected)
        )
    }
}

/// Makes the machine, records its first boot, and runs the cuts.
fn trial(case: &Case, amount: Amount, logs: &[String; 2]) {
    let [first_log, second_log] = logs;
    let (only, amount) = (only(), self::amount(amount));
    let mut chance = Chance::of_run();
    fs::create_dir_all("/run/round").unwrap();
    fs::create_dir_all("/run/fake").unwrap();
    // It would end the guest.
    fs::write("/run/fake/systemctl", "#!/bin/sh\nexit 0\n").unwrap();
    fs::set_permissions("/run/fake/systemctl", fs::Permissions::from_mode(0o755)).unwrap();
    let bench = Bench::new(case);
    prepare(case);
    let config = (case.config)().to_string();
    let known = bench.on_snapshot(|device| uuids(&Off { device, case }));
    let (expected, log) = bench.on_snapshot(|device| {
        let (done, log) = bench.recorded(&device, first_log, |recorded| {
            let off = Off {
                device: recorded,
                case,
            };
            off.boot(&config, &mark)
        });
        let (text, _) = done.unwrap_or_else(|why| panic!("{}: without a cut: {why}", case.name));
        if only.is_some() {
            println!("{text}");
        }
        for line in case.shows {
            assert!(
                text.contains(line),
                "{}: no {line:?} in:\n{text}",
                case.name
            );
        }
        let off = Off { device, case };
        (off.observe(&[&config, &known], false), log)
    });
    let mut failures = Vec::new();
    for (key, like) in &expected.0 {
        // What cannot be looked at is the same in every try.
        let whole = !key.ends_with(": check") || like == "clean";
        let opened = !key.ends_with(": opened") || like.starts_with("as ");
        let seen = !key.ends_with(": mount") && !key.contains(": assembly of");
        if !(whole && opened && seen) {
            failures.push(format!("without a cut: {key}: {like}"));
        }
    }
    println!(
        "{}: seed {}, {} entries of the log, {} parts of the portrait",
        case.name,
        seed(),
        log.entries.len(),
        expected.0.len()
    );
    if only.is_some() {
        for (key, like) in &expected.0 {
            println!("{key}: {like:?}");
        }
    }
    let mut trial = Trial {
        case,
        config,
        known,
        expected,
        figures: Figures {
            failures,
            ..Figures::default()
        },
    };
    let (cuts, twice) = match only
        .as_deref()
        .map(|name| name.split_once('/').unwrap_or((name, "")))
    {
        Some((first, "")) => (vec![named(&log, first)], Vec::new()),
        Some((first, _)) => (vec![named(&log, first)], vec![0]),
        None => {
            let cuts = cuts(&log, amount.flushes, amount.torn, &mut chance);
            let twice = chance.spread(cuts.len(), amount.twice.0);
            (cuts, twice)
        }
    };
    let mut reached = 0;
    for (n, cut) in cuts.iter().enumerate() {
        write("/dev/mapper/base", |base| {
            log.replay(reached..cut.prefix, base)
        });
        reached = cut.prefix;
        let at = Place {
            name: format!("{} {}", case.name, cut.name),
            log: &log,
            cut,
        };
        let config = trial.config.clone();
        let boot = |device: String, stage: &dyn Fn(&str)| Off { device, case }.boot(&config, stage);
        if only.is_some() {
            let left = |device| Off { device, case }.observe(&trial.known(), false);
            let left = trial.expected.differences(&bench.left_by(&log, cut, left));
            println!("the cut leaves:\n{}\n", left.join("\n"));
        }
        if !twice.contains(&n) {
            bench.left_by(&log, cut, |device| {
                trial.converge(&device, &at, |device| boot(device.into(), &|_| {}));
            });
            continue;
        }
        // The second try is recorded, too.
        let mut second = None;
        bench.left_by(&log, cut, |device| {
            trial.converge(&device, &at, |device| {
                let record = |device| boot(device, &mark);
                let (end, log) = bench.recorded(device, second_log, record);
                second = Some(log);
                end
            });
        });
        let second = second.unwrap();
        let again = match only.as_deref().and_then(|name| name.split_once('/')) {
            Some((_, name)) => vec![named(&second, name)],
            None => {
                let half = amount.twice.1.div_ceil(2);
                let torn = amount.twice.1 - half;
                self::cuts(&second, Some(half), torn, &mut chance)
            }
        };
        for again in again {
            bench.left_by(&log, cut, |device| {
                write(&device, |disk| {
                    second.replay(0..again.prefix, disk)?;
                    second.put(&again.pieces, disk)
                });
                let at = Place {
                    name: format!("{}/{}", at.name, again.name),
                    log: &second,
                    cut: &again,
                };
                trial.converge(&device, &at, |device| boot(device.into(), &|_| {}));
            });
        }
    }
    let Figures {
        cuts,
        converged,
        identical,
        failures,
    } = trial.figures;
    println!(
        "{}: {} flushes, {cuts} cuts, {converged} converged, {identical} identical",
        case.name,
        log.flushes()
    );
    assert!(cuts > 0);
    assert!(
        failures.is_empty(),
        "{}: {identical} of {cuts} cuts led to the same machine:\n\n{}",
        case.name,
        failures.join("\n\n")
    );
}

/// The test of a case, on both sides.
fn crash(case: &Case, amount: Amount) {
    // What the disks hold lies in memory twice: as it is before a try, and as the try changes it.
    let patience = Duration::from_secs(amount.minutes * 60);
    let mut guest = Guest::new().memory(1536).patience(patience);
    let mib = BOOT_MIB + case.data.iter().sum::<u64>();
    // The logs hold what is written more than once.
    let logs = [guest.disk(4 * mib), guest.disk(4 * mib)];
    guest.boot(|| trial(case, amount, &logs));
}

macro_rules! cases {
    ($($name:ident: $case:expr $(, $sample:ident)?;)*) => {$(
        mod $name {
            use super::*;

            $(#[test]
            fn $sample() {
                crash(&$case, SAMPLE);
            })?

            #[test]
            #[ignore = "hours: make crash"]
            fn all() {
                crash(&$case, ALL);
            }
        }
    )*};
}

cases! {
    new_table: NEW_TABLE, sample;
    old_table: OLD_TABLE, sample;
    root_anew: ROOT_ANEW, sample;
    mirror: MIRROR, sample;
    encrypted: ENCRYPTED, sample;
    bound: BOUND;
    by_hand: BY_HAND;
    helper: HELPER;
    tree: TREE, sample;
    accounts: ACCOUNTS, sample;
}

fn config(mut rest: Value) -> Value {
    rest["ignition"] = json!({ "version": "3.6.0" });
    rest
}

fn file(path: &str) -> Value {
    json!({ "path": path, "contents": { "source": "data:,provisioned" } })
}

fn files(paths: &[&str]) -> Vec<Value> {
    paths.iter().map(|path| file(path)).collect()
}

fn unseeded(_: &[String], _: &Path) {}

const NEW_TABLE: Case = Case {
    name: "new-table",
    data: &[320],
    seed: unseeded,
    config: || {
        config(json!({
            "storage": {
                "disks": [{ "device": "/dev/loop1", "wipeTable": true, "partitions": [
                    { "number": 1, "label": "ext4", "sizeMiB": 32 },
                    { "number": 2, "label": "vfat", "sizeMiB": 16,
                      "guid": "11111111-2222-4333-8444-555555555501" },
                    { "number": 3, "label": "xfs", "sizeMiB": 64 },
                    { "number": 4, "label": "btrfs", "sizeMiB": 128 },
                    { "number": 5, "label": "swap", "sizeMiB": 8 },
                    { "number": 6, "label": "rest" },
                ] }],
                "filesystems": [
                    { "device": "/dev/disk/by-partlabel/ext4", "format": "ext4", "label": "E",
                      "path": "/srv/ext4" },
                    { "device": "/dev/loop1p2", "format": "vfat", "label": "V", "path": "/srv/ext4/vfat" },
                    { "device": "/dev/loop1p3", "format": "xfs", "label": "X", "path": "/var/xfs",
                      "uuid": "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee", "options": ["--unsupported", "-l", "size=8m"] },
                    { "device": "/dev/loop1p4", "format": "btrfs", "label": "B", "path": "/var/btrfs" },
                    { "device": "/dev/loop1p5", "format": "swap", "label": "S" },
                ],
                "files": files(&["/srv/ext4/a", "/srv/ext4/vfat/b", "/var/xfs/c/d", "/var/btrfs/e"]),
            },
        }))
    },
    by_hand: false,
    shows: &[
        "create an empty partition table",
        "create partition 6",
        "make file system ext4",
        "make file system vfat",
        "make file system xfs",
        "make file system btrfs",
        "make swap space",
        "mount /dev/loop1p2 (vfat) at /srv/ext4/vfat",
        "write file /var/xfs/c/d",
        "unmount /srv/ext4",
    ],
};

const OLD_TABLE: Case = Case {
    name: "old-table",
    data: &[160],
    seed: |disks, _| {
        let disk = &disks[1];
        // The backup of the table is where the image of 144 MiB ended.
        let image = tool(&format!(
            "losetup --find --show --partscan --sizelimit {} {disk}",
            144 * MIB
        ));
        tool(&format!(
            "sgdisk --new=1:1M:+16M --change-name=1:kept --new=2:20M:+8M --change-name=2:removed \
             --new=3:32M:+16M --change-name=3:grown --new=4:64M:+32M --change-name=4:wiped \
             --new=7:100M:+16M --change-name=7:replaced {image}"
        ));
        tool(&format!("losetup --detach {image}"));
        tool(&format!("blockdev --rereadpt {disk}"));
        tool(&format!("mkfs.ext4 -q -L KEPT {disk}p1"));
        tool(&format!("mkfs.fat {disk}p2"));
        tool(&format!("mkfs.ext4 -q -L GROWN {disk}p3"));
        tool(&format!("mkfs.ext4 -q -L OLD {disk}p4"));
        tool(&format!("mkfs.ext4 -q -L REPLACED {disk}p7"));
        for n in [1, 3, 4, 7] {
            let at = format!("/run/seed{n}");
            fs::create_dir_all(&at).unwrap();
            tool(&format!("mount {disk}p{n} {at}"));
            fs::write(format!("{at}/data"), "years of work").unwrap();
            tool(&format!("umount {at}"));
        }
    },
    config: || {
        config(json!({
            "storage": {
                "disks": [{ "device": "/dev/loop1", "partitions": [
                    { "number": 2, "shouldExist": false, "wipePartitionEntry": true },
                    { "number": 3, "label": "grown", "sizeMiB": 24, "resize": true },
                    { "number": 5, "label": "new", "sizeMiB": 16, "startMiB": 136 },
                    { "number": 7, "label": "replaced", "sizeMiB": 24, "startMiB": 100,
                      "wipePartitionEntry": true },
                ] }],
                "filesystems": [
                    { "device": "/dev/loop1p1", "format": "ext4", "label": "KEPT", "path": "/srv/kept" },
                    { "device": "/dev/disk/by-partlabel/wiped", "format": "ext4", "label": "NEW",
                      "wipeFilesystem": true, "path": "/srv/wiped" },
                    { "device": "/dev/loop1p5", "format": "ext4", "label": "FIVE", "path": "/srv/new" },
                    { "device": "/dev/loop1p7", "format": "vfat", "label": "SEVEN", "wipeFilesystem": true },
                ],
                "files": files(&["/srv/kept/a", "/srv/wiped/b", "/srv/new/c"]),
            },
        }))
    },
    by_hand: false,
    shows: &[
        "repair the partition table",
        "! delete partition 2",
        "! delete partition 7",
        "grow partition 3",
        "create partition 7",
        "! wipe ext4 with the label \"OLD\"",
        "make file system vfat on /dev/loop1p7",
    ],
};

/// Each try makes the root again, and so has to know from elsewhere what is appended already.
const ROOT_ANEW: Case = Case {
    name: "root-anew",
    data: &[],
    seed: unseeded,
    config: || {
        config(json!({
            "storage": {
                "filesystems": [
                    { "device": "/dev/loop0p3", "format": "ext4", "label": "ROOT", "wipeFilesystem": true },
                    { "device": "/dev/loop0p2", "format": "ext4", "label": "OEM", "path": "/oem" },
                ],
                "files": [
                    { "path": "/oem/grub.cfg", "append": [{ "source": "data:,%23%20appended%0A" }] },
                    file("/oem/b"),
                    file("/srv/c"),
                ],
            },
        }))
    },
    by_hand: false,
    shows: &[
        "! wipe ext4 with the label \"ROOT\"",
        "make file system ext4 on /dev/loop0p3",
        "append",
    ],
};

const MIRROR: Case = Case {
    name: "mirror",
    data: &[28, 28],
    seed: unseeded,
    config: || {
        config(json!({
            "storage": {
                "disks": [
                    { "device": "/dev/loop1", "partitions": [{ "number": 1, "label": "m-1" }] },
                    { "device": "/dev/loop2", "partitions": [{ "number": 1, "label": "m-2" }] },
                ],
                "raid": [{ "name": "data", "level": "raid1",
                    "devices": ["/dev/disk/by-partlabel/m-1", "/dev/disk/by-partlabel/m-2"] }],
                "filesystems": [{ "device": "/dev/md/data", "format": "ext4", "label": "M", "path": "/srv/data" }],
                "files": [file("/srv/data/a")],
            },
        }))
    },
    by_hand: false,
    shows: &[
        "make the RAID array /dev/md/data",
        "make file system ext4 on /dev/md/data",
    ],
};

const ENCRYPTED: Case = Case {
    name: "encrypted",
    data: &[70],
    seed: unseeded,
    config: || {
        config(json!({
            "storage": {
                "disks": [{ "device": "/dev/loop1", "partitions": [
                    { "number": 1, "label": "generated", "sizeMiB": 32 },
                    { "number": 2, "label": "given", "sizeMiB": 32 },
                ] }],
                "luks": [
                    { "name": ".hidden", "device": "/dev/disk/by-partlabel/generated", "label": "secret",
                      "options": QUICK },
                    { "name": "given", "device": "/dev/loop1p2", "options": QUICK, "discard": true,
                      "uuid": "11111111-2222-4333-8444-555555555555",
                      "keyFile": { "source": "data:,a%20key%20of%20the%20config" } },
                ],
                "filesystems": [
                    { "device": "/dev/mapper/.hidden", "format": "ext4", "label": "H", "path": "/srv/hidden" },
                    { "device": "/dev/mapper/given", "format": "vfat", "label": "G", "path": "/srv/given" },
                ],
                "files": [file("/srv/hidden/a"), file("/srv/given/b")],
            },
        }))
    },
    by_hand: false,
    shows: &[
        "with a generated key",
        "with the config's key",
        "open the encrypted volume",
        "mark the encrypted volume /dev/loop1p2 as finished",
        "write file /etc/crypttab",
        "make file system ext4 on /dev/mapper/.hidden",
    ],
};

/// A port of the guest's loopback.
const TANG: u16 = 7501;

/// The pin needs the network, and the tang server is there in every boot.
const BOUND: Case = Case {
    name: "bound",
    data: &[36],
    seed: |_, _| {
        tool("ip link set lo up");
        tang(TANG);
    },
    config: || {
        let server = json!({ "url": format!("http://127.0.0.1:{TANG}"),
            "thumbprint": tool(&format!("tang-show-keys {TANG}")) });
        config(json!({
            "storage": {
                "luks": [{ "name": "bound", "device": "/dev/loop1", "options": QUICK, "clevis": { "tang": [server] } }],
                "filesystems": [{ "device": "/dev/mapper/bound", "format": "ext4", "label": "B", "path": "/srv/bound" }],
                "files": [file("/srv/bound/a")],
            },
        }))
    },
    by_hand: false,
    shows: &[
        "let the tang server http://127.0.0.1:7501",
        "by clevis",
        "make file system ext4 on /dev/mapper/bound",
    ],
};

/// Without the marker: the first boot makes it before it restarts.
const BY_HAND: Case = Case {
    name: "by-hand",
    data: &[],
    seed: |disks, root| {
        let root = root.display();
        tool(&format!("umount {root}"));
        tool(&format!("mount {}p1 {root}", disks[0]));
        tool(&format!("rm -r {root}/flatcar"));
        tool(&format!("umount {root}"));
        tool(&format!("mount {}p3 {root}", disks[0]));
    },
    config: || {
        config(json!({
            "kernelArguments": { "shouldExist": ["one=1"], "shouldNotExist": ["quiet"] },
            "storage": { "files": [file("/srv/a")] },
        }))
    },
    by_hand: true,
    shows: &[
        "make the marker /flatcar/first_boot",
        "write pilotlight's block in /grub.cfg",
        "reboot once",
    ],
};

/// A distribution's program for kernel arguments, which writes on the OEM partition as it likes.
const HELPER_SCRIPT: &str = "\
#!/bin/sh
set -eu
mkdir -p /run/helper
mount /dev/loop0p2 /run/helper
cd /run/helper
if ! grep -q one=1 grub.cfg; then
    echo 'set linux_append=\"one=1\"' | cat grub.cfg - >grub.cfg.new
    sync
    mv grub.cfg.new grub.cfg
fi
cd /
umount /run/helper
";

const HELPER: Case = Case {
    name: "helper",
    data: &[],
    seed: |_, _| {
        let helper = "/run/fake/ignition-kargs-helper";
        fs::write(helper, HELPER_SCRIPT).unwrap();
        fs::set_permissions(helper, fs::Permissions::from_mode(0o755)).unwrap();
    },
    config: || {
        config(json!({
            "kernelArguments": { "shouldExist": ["one=1"] },
            "storage": { "files": [file("/srv/a")] },
        }))
    },
    by_hand: false,
    shows: &[
        "run ignition-kargs-helper for the next boot",
        "write file /srv/a",
    ],
};

/// Of "x".
const HASH: &str = "$6$saltsalt$8RWsOfwR6M6PpnoeQiEiWzNTPo1f0HjVYjDnLZhGx16aBFRkeqiHAzfXP/LgrOWMBMXqiU2pLrXsSOHNUyUm91";
/// A small policy's table.
const CONTEXTS: &str = "\
/.*\tsystem_u:object_r:default_t:s0
/etc(/.*)?\tsystem_u:object_r:etc_t:s0
/srv(/.*)?\tsystem_u:object_r:srv_t:s0
/home/[^/]+(/.*)?\tunconfined_u:object_r:user_home_t:s0
";
const SERVICE: &str = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n";

const TREE: Case = Case {
    name: "tree",
    data: &[],
    seed: |_, root| {
        fs::write(
            root.join("etc/selinux/config"),
            "SELINUX=enforcing\nSELINUXTYPE=small\n",
        )
        .unwrap();
        let policy = root.join("etc/selinux/small/contexts/files");
        fs::create_dir_all(&policy).unwrap();
        fs::write(policy.join("file_contexts"), CONTEXTS).unwrap();
        fs::write(root.join("etc/appended"), "old\n").unwrap();
        for n in 0..20 {
            let directory = root.join(format!("srv/removed/{}", n % 5));
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join(n.to_string()), "old").unwrap();
        }
        fs::create_dir_all(root.join("srv/becomes-file/sub")).unwrap();
        fs::create_dir_all(root.join("etc/systemd/system-preset")).unwrap();
        fs::write(root.join("etc/systemd/system/dead.service"), SERVICE).unwrap();
    },
    config: || {
        let long = "0123456789abcdef".repeat(20_000);
        let mut files = vec![
            json!({ "path": "/etc/new", "mode": 416, "user": { "name": "resident" }, "group": { "name": "users" },
                    "contents": { "source": "data:,new" } }),
            json!({ "path": "/etc/old-file", "overwrite": true, "mode": 3565,
                    "contents": { "source": "data:,overwritten" } }),
            json!({ "path": "/etc/appended", "append": [{ "source": "data:,one%0A" }, { "source": "data:,two%0A" }] }),
            json!({ "path": "/etc/appended-new", "mode": 384, "append": [{ "source": "data:,x" }] }),
            json!({ "path": "/srv/long", "contents": { "source": format!("data:,{long}") } }),
            json!({ "path": "/srv/becomes-file", "overwrite": true, "contents": { "source": "data:,file" } }),
            json!({ "path": "/etc/old-dir/child", "mode": 256, "user": { "id": 1500 } }),
        ];
        files.extend((0..40).map(|n| file(&format!("/srv/many/{}/{n}", n % 4))));
        config(json!({
            "storage": {
                "files": files,
                "directories": [
                    { "path": "/srv/data", "mode": 1512, "user": { "id": 1500 }, "group": { "name": "docker" } },
                    { "path": "/srv/removed", "overwrite": true, "mode": 448 },
                    { "path": "/srv/a/b/c" },
                ],
                "links": [
                    { "path": "/etc/link", "target": "/srv/data" },
                    { "path": "/etc/old-link", "target": "new", "overwrite": true, "user": { "id": 1500 } },
                    { "path": "/srv/hard", "target": "/etc/new", "hard": true },
                    { "path": "/srv/harder", "target": "/etc/old-file", "hard": true },
                ],
            },
            "systemd": { "units": [
                { "name": "a.service", "enabled": true, "contents": SERVICE },
                { "name": "vendor.service", "enabled": false,
                  "dropins": [{ "name": "10.conf", "contents": "[Service]\nNice=5\n" }] },
                { "name": "dead.service", "mask": true },
                { "name": "vendor@x.service", "enabled": true },
            ] },
        }))
    },
    by_hand: false,
    shows: &[
        "make directory /srv/data",
        "! remove the directory with all that is in it at /srv/removed",
        "! replace a file at /etc/old-file",
        "append to file /etc/appended,",
        "write file /srv/long",
        "make symbolic link /etc/link",
        "make hard link /srv/hard",
        "set mode 0400 owner 1500 of /etc/old-dir/child",
        "label for SELinux",
    ],
};

const ACCOUNTS: Case = Case {
    name: "accounts",
    data: &[],
    seed: |_, root| {
        for n in 0..20 {
            fs::write(root.join(format!("home/leaver/{n}")), "old").unwrap();
            fs::write(root.join(format!("home/resident/{n}")), "old").unwrap();
        }
        tool(&format!(
            "chown -R 1500:1500 {}/home/resident",
            root.display()
        ));
        fs::write(root.join("etc/subuid"), "resident:100000:65536\n").unwrap();
        fs::write(root.join("etc/subgid"), "resident:100000:65536\n").unwrap();
    },
    config: || {
        config(json!({
            "kernelArguments": { "shouldExist": ["one=1", "two=2"], "shouldNotExist": ["quiet"] },
            "passwd": {
                "groups": [
                    { "name": "crew", "gid": 2500 },
                    { "name": "plain", "passwordHash": HASH },
                    { "name": "docker", "gid": 777 },
                    { "name": "shadow", "shouldExist": false },
                ],
                "users": [
                    { "name": "captain", "uid": 2000, "gecos": "The Captain,,,", "homeDir": "/srv/captain",
                      "primaryGroup": "crew", "groups": ["sudo", "docker"], "shell": "/bin/bash",
                      "passwordHash": HASH, "sshAuthorizedKeys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh one@example"] },
                    { "name": "core", "sshAuthorizedKeys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh a", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJi b"] },
                    { "name": "resident", "uid": 1600, "homeDir": "/srv/moved", "groups": ["docker", "users"],
                      "gecos": "Moved", "passwordHash": HASH },
                    { "name": "leaver", "shouldExist": false },
                    { "name": "root", "passwordHash": HASH },
                ],
            },
        }))
    },
    by_hand: false,
    shows: &[
        "write pilotlight's block in /grub.cfg",
        "reboot once",
        "! delete user \"leaver\"",
        "! delete group \"shadow\"",
        "add group \"crew\"",
        "change group \"docker\"",
        "add user \"captain\"",
        "change user \"resident\"",
        "set the password of user \"root\"",
        "set the password of group \"plain\"",
        "write file /home/core/.ssh",
    ],
};
