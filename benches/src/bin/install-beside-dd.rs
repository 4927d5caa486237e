//! Times the installer's way of an image to a disk beside the pipelines that scripts use: `cargo run --release -p
//! pilotlight-benches --bin install-beside-dd [DIRECTORY…]`, each of which is to be on another kind of disk.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use pilotlight_install::image::{Check, Edges, Writing, write};

/// Bytes of the image, of which the first `FULL` are a system's files and the others zeros.
const IMAGE: u64 = 640 << 20;
const FULL: u64 = 300 << 20;

/// Runs of each, in turn.
const RUNS: usize = 3;

/// How images are packed, and what a script unpacks them with.
const PAIRS: &[(&str, &str, &str)] = &[
    (
        "raw",
        "cp IMAGE PACKED",
        "dd if=PACKED of=DISK bs=1M conv=fsync,notrunc status=none",
    ),
    (
        "bz2",
        "lbzip2 -9 -c IMAGE > PACKED",
        "bzip2 -dc PACKED | DD",
    ),
    ("bz2", "", "lbzip2 -dc PACKED | DD"),
    (
        "xz",
        "xz -T0 -3 -c IMAGE > PACKED",
        "xz -T0 -dc PACKED | DD",
    ),
    (
        "zst",
        "zstd -q -T0 -9 -c IMAGE > PACKED",
        "zstd -q -dc PACKED | DD",
    ),
    ("gz", "gzip -6 -c IMAGE > PACKED", "gzip -dc PACKED | DD"),
];

const DD: &str = "dd of=DISK bs=1M iflag=fullblock conv=fsync,notrunc status=none";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let done = match &arguments[..] {
        [first, image, disk] if first == "--write" => install(image, disk),
        [] => compare(&[PathBuf::from("target"), PathBuf::from("/dev/shm")]),
        places => compare(&places.iter().map(PathBuf::from).collect::<Vec<_>>()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("install-beside-dd: {why}");
            ExitCode::FAILURE
        }
    }
}

/// What is timed.
fn install(image: &OsStr, disk: &OsStr) -> Result<(), Box<dyn std::error::Error>> {
    let disk = OpenOptions::new().read(true).write(true).open(disk)?;
    let how = Writing {
        check: Check::insecure(),
        room: disk.metadata()?.len(),
        sector: None,
        reads_zeros: false,
        keep: Vec::new(),
        read_back: false,
        threads: None,
        edges: Edges::default(),
    };
    write(File::open(image)?, how, &disk, &mut |_| {})?;
    let mut status = String::new();
    File::open("/proc/self/status")?.read_to_string(&mut status)?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap_or("");
    println!("{}", peak.trim());
    Ok(())
}

fn compare(places: &[PathBuf]) -> Result<(), Box<dyn std::error::Error>> {
    println!(
        "{} MiB, {} of them data; medians of {RUNS} runs in turn\n",
        IMAGE >> 20,
        FULL >> 20
    );
    println!(
        "{:<12}{:<6}{:<18}{:>9}{:>9}{:>8}{:>11}{:>12}",
        "on", "image", "beside", "its, s", "ours, s", "ratio", "processor", "our peak"
    );
    for place in places {
        let folder = place.join("install-beside-dd");
        fs::create_dir_all(&folder)?;
        let compared = compare_in(place, &folder);
        fs::remove_dir_all(&folder)?;
        compared?;
    }
    Ok(())
}

fn compare_in(place: &Path, folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let (image, disk) = (folder.join("image"), folder.join("disk"));
    make_image(&image)?;
    // Has all its blocks, as a disk has.
    io::copy(
        &mut io::repeat(0xa5).take(IMAGE + (8 << 20)),
        &mut File::create(&disk)?,
    )?;
    File::open(&disk)?.sync_all()?;
    for (ending, pack, script) in PAIRS {
        let packed = folder.join(ending);
        let named = |command: &str| {
            command
                .replace("DD", DD)
                .replace("IMAGE", &image.to_string_lossy())
                .replace("PACKED", &packed.to_string_lossy())
                .replace("DISK", &disk.to_string_lossy())
        };
        if !pack.is_empty() {
            shell(&named(pack))?;
        }
        let (mut ratios, mut its, mut ours, mut peak) = (vec![], vec![], vec![], String::new());
        let mut work = vec![];
        for _ in 0..RUNS {
            let (begun, before) = (Instant::now(), worked()?);
            shell(&named(script))?;
            let (script, its_work) = (begun.elapsed().as_secs_f64(), worked()? - before);
            let (begun, before) = (Instant::now(), worked()?);
            let output = Command::new(std::env::current_exe()?)
                .arg("--write")
                .args([&packed, &disk])
                .stderr(Stdio::inherit())
                .output()?;
            let own = begun.elapsed().as_secs_f64();
            if !output.status.success() {
                return Err(format!("writing {} failed", packed.display()).into());
            }
            peak = String::from_utf8(output.stdout)?.trim().into();
            work.push((worked()? - before) / its_work);
            ratios.push(own / script);
            its.push(script);
            ours.push(own);
        }
        println!(
            "{:<12}{ending:<6}{:<18}{:>9.2}{:>9.2}{:>8.2}{:>11.2}{:>12}",
            place.display(),
            script
                .split(" PACKED")
                .next()
                .unwrap_or(script)
                .split(" if=")
                .next()
                .unwrap_or(script),
            median(its),
            median(ours),
            median(ratios),
            median(work),
            peak,
        );
    }
    Ok(())
}

/// The files of this system behind a boot record and a GPT's header, then zeros.
fn make_image(path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let file = File::create(path)?;
    file.set_len(IMAGE)?;
    let mut tar = Command::new("tar")
        .args(["cf", "-", "/usr/bin", "/usr/lib", "/usr/share"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut files = tar.stdout.take().ok_or("tar has no output")?.take(FULL);
    let mut behind = &file;
    io::Seek::seek(&mut behind, io::SeekFrom::Start(2 << 20))?;
    io::copy(&mut files, &mut behind)?;
    // It has more than is wanted.
    drop(files);
    tar.wait()?;
    let mut header = [0; 512];
    header[..8].copy_from_slice(b"EFI PART");
    header[24] = 1;
    header[32..40].copy_from_slice(&(IMAGE / 512 - 1).to_le_bytes());
    header[48..56].copy_from_slice(&(IMAGE / 512 - 34).to_le_bytes());
    file.write_all_at(&header, 512)?;
    behind.flush()?;
    Ok(())
}

/// Processor time of all children that have ended, and of theirs, in seconds: beside other work on the machine it says
/// more than the time that passed.
fn worked() -> Result<f64, Box<dyn std::error::Error>> {
    // proc(5): behind the name in parentheses, the 14th and 15th field, in hundredths of a second.
    let text = fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = text.rsplit_once(')').ok_or("/proc/self/stat has no name")?;
    let ticks = fields.split_whitespace().skip(13).take(2);
    Ok(ticks
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .sum::<f64>()
        / 100.0)
}

fn shell(command: &str) -> Result<(), Box<dyn std::error::Error>> {
    let status = Command::new("sh").args(["-c", command]).status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{command}: {status}").into())
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
