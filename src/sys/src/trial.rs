//! Trying out what operations need of the machine, without changing anything of it.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;

use pilotlight_core::facts::Trial;
use pilotlight_core::model::Format;
use rustix::fs::{MemfdFlags, memfd_create};

use crate::{mkfs, mounts, tool};

/// Size of a device that is not made yet, in bytes: large enough for every file system.
const ASSUMED: u64 = 1 << 30;
/// Largest device on which a file system is tried by making it in memory, in bytes: what is written to it grows
/// with its size.
const MOST: u64 = 8 << 30;

/// `Err` says why the operation would be refused. What cannot be tried here is taken for possible.
pub fn attempt(trial: &Trial) -> Result<(), String> {
    match trial {
        Trial::Program(name) => match tool::is_there(name) {
            true => Ok(()),
            false => Err(format!("the program {name:?} is missing")),
        },
        Trial::Mount { format, options } => mounts::attempt(*format, options),
        Trial::MakeFilesystem {
            format,
            label,
            uuid,
            options,
            size,
        } => {
            let file = device_in_memory(*format, *size).map_err(|error| error.to_string())?;
            // The number is this process's; the program finds the file by it as long as this one has it open.
            let device = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
            let call = mkfs::Call::new(*format, label.as_deref(), uuid.as_deref(), options);
            let Some(call) = call else { return Ok(()) };
            call.without_writing()
                .run(&device)
                .map_err(|error| error.to_string().replace(&device, "(a trial in memory)"))
        }
        Trial::Cryptsetup(words) => cryptsetup(words),
    }
}

/// A sparse file: only what is written to it takes memory.
fn device_in_memory(format: Format, size: u64) -> io::Result<File> {
    let file = File::from(memfd_create("trial", MemfdFlags::CLOEXEC)?);
    // Some are asked to write nothing.
    let writes_nothing = format.maker().is_some_and(|maker| maker.dry_run.is_some());
    let most = match writes_nothing {
        true => u64::MAX,
        false => MOST,
    };
    let size = match size {
        0 => ASSUMED,
        size => size.min(most),
    };
    file.set_len(size)?;
    Ok(file)
}

/// Older versions than 2.4 cannot only look at their arguments.
fn cryptsetup(words: &[String]) -> Result<(), String> {
    let mut arguments = vec!["--test-args".to_string()];
    arguments.extend(words.iter().cloned());
    arguments.extend(["/dev/null", "trial"].map(Into::into));
    match tool::run("cryptsetup", &arguments, None) {
        Err(error) if !error.to_string().contains("--test-args: unknown") => Err(error.to_string()),
        _ => Ok(()),
    }
}
