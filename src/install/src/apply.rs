//! Performing the operations of a plan, and nothing else.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex, PoisonError};

use pilotlight_core::facts::disks::partition_node;
use pilotlight_core::model::SysPath;
use pilotlight_sys::disks::DiskError;
use pilotlight_sys::gpt::Geometry;
use pilotlight_sys::private_mount::PrivateMount;
use pilotlight_sys::tool::{self, ToolError};
use pilotlight_sys::{blockdev, holders, know_partitions, refresh_partitions, settle};

use crate::boot_arguments::BootArguments;
use crate::boot_entry::{self, BootEntryError};
use crate::card::{self, CardError};
use crate::edges::{self, Saved};
use crate::image::{Check, EDGE, Edges, ImageError, Writing, Written, write};
use crate::op::{BootText, InstallOp, Partition};
use crate::plan::Plan;
use crate::voice::Voice;

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The image is not on the disk.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Partition tables and signatures.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// A program failed.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// A Raspberry Pi's firmware.
    #[error(transparent)]
    Card(#[from] CardError),
    /// The firmware's variables.
    #[error(transparent)]
    BootEntry(#[from] BootEntryError),
    /// Reading or writing failed.
    #[error("while {action} {what}: {cause}")]
    Io {
        /// What was done.
        action: &'static str,
        /// To what.
        what: String,
        /// The reason.
        cause: io::Error,
    },
    /// Kernel arguments cannot be changed as asked.
    #[error("while changing kernel arguments on {partition}: {why}")]
    Arguments {
        /// Where.
        partition: String,
        /// Why not.
        why: String,
    },
    /// A plan that has no firmware to put anywhere.
    #[error("the plan has no firmware")]
    NoFirmware,
    /// A plan that does not write an image.
    #[error("the plan writes no image")]
    NoImage,
}

fn during(action: &'static str, what: impl Into<String>) -> impl FnOnce(io::Error) -> ApplyError {
    let what = what.into();
    move |cause| ApplyError::Io {
        action,
        what,
        cause,
    }
}

/// An image on its way: its packed bytes, and what vouches for them.
pub struct Incoming<R> {
    /// The packed bytes.
    pub bytes: R,
    /// What vouches for them.
    pub check: Check,
}

/// How far a failed run came.
#[derive(Debug)]
pub struct Failed {
    /// Why.
    pub error: ApplyError,
    /// What can be said of the disk now.
    pub state: State,
}

/// What can be said of a disk after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is as it was.
    Untouched,
    /// Something was written, and nothing on it boots.
    NothingBoots,
    /// The image is there and boots; something that comes after it failed.
    Boots,
}

/// Performs a plan.
pub fn apply(
    plan: &Plan,
    incoming: Incoming<impl Read + Send>,
    voice: &Arc<dyn Voice>,
) -> Result<Written, Failed> {
    let mut executor = Executor {
        plan,
        voice,
        lock: None,
        written: None,
    };
    let mut incoming = Some(incoming);
    let mut begun = false;
    let mut place = 0;
    while let Some(op) = plan.ops.get(place) {
        let done = match op {
            InstallOp::WriteImage { .. } => match incoming.take() {
                Some(incoming) => executor.image(place, incoming, &mut begun),
                None => Err(ApplyError::NoImage),
            },
            _ => {
                let done = executor.perform(place);
                begun |= done.is_ok() || !matches!(op, InstallOp::Release(_));
                done.map(|()| place + 1)
            }
        };
        place = match done {
            Ok(next) => next,
            Err(error) => {
                let untouched = matches!(&error, ApplyError::Image(error) if error.untouched());
                let state = match (executor.written.is_some(), begun && !untouched) {
                    (true, _) => State::Boots,
                    (false, true) => State::NothingBoots,
                    (false, false) => State::Untouched,
                };
                return Err(Failed { error, state });
            }
        };
    }
    executor.written.ok_or(Failed {
        error: ApplyError::NoImage,
        state: State::Untouched,
    })
}

/// Performs a plan that writes no image.
pub fn without_image(plan: &Plan, voice: &Arc<dyn Voice>) -> Result<(), ApplyError> {
    let executor = Executor {
        plan,
        voice,
        lock: None,
        written: None,
    };
    (0..plan.ops.len()).try_for_each(|place| executor.perform(place))
}

struct Executor<'p> {
    plan: &'p Plan,
    voice: &'p Arc<dyn Voice>,
    /// The disk, with the lock that keeps udev away from it.
    lock: Option<File>,
    written: Option<Written>,
}

impl Executor<'_> {
    fn begins(&self, place: usize) {
        if let Some(op) = self.plan.ops.get(place) {
            self.voice
                .begins(&op.to_string(), place + 1, self.plan.ops.len());
        }
    }

    /// Performs one operation other than writing the image.
    fn perform(&self, place: usize) -> Result<(), ApplyError> {
        self.begins(place);
        let Some(op) = self.plan.ops.get(place) else {
            return Ok(());
        };
        match op {
            InstallOp::Release(holder) => holders::take_down(holder)?,
            InstallOp::Disk(op) => pilotlight_sys::apply::on_disk(op)?,
            InstallOp::MakeFile { path, size, .. } => {
                let file = File::create(path).map_err(during("making", path))?;
                file.set_len(*size).map_err(during("enlarging", path))?;
            }
            InstallOp::TellKernel {
                disk,
                partitions,
                sector,
            } => match &self.lock {
                Some(file) => know_partitions(file, disk, partitions, *sector)?,
                None => {
                    let file = File::open(disk).map_err(during("opening", disk))?;
                    know_partitions(&file, disk, partitions, *sector)?;
                }
            },
            InstallOp::PutFile {
                partition,
                path,
                mode,
                content,
                ..
            } => {
                let bytes = self.plan.contents.get(*content);
                let bytes = bytes.map_or(&[][..], |content| &content.bytes);
                put(partition, path, bytes, *mode)?;
            }
            InstallOp::ChangeArguments {
                partition,
                text,
                arguments,
            } => change_arguments(partition, *text, arguments)?,
            InstallOp::PutFirmware {
                partition, options, ..
            } => {
                let firmware = self.plan.firmware.as_ref().ok_or(ApplyError::NoFirmware)?;
                let opened;
                let disk = match &self.lock {
                    Some(disk) => disk,
                    None => {
                        let disk = OpenOptions::new()
                            .read(true)
                            .write(true)
                            .open(&partition.disk);
                        opened = disk.map_err(during("opening", &partition.disk))?;
                        &opened
                    }
                };
                let range = partition.start..partition.start.saturating_add(partition.size);
                card::prepare(disk, range, firmware, *options)?;
            }
            InstallOp::BootEntry { label, partition } => boot_entry::make(label, partition)?,
            // Done with the image.
            InstallOp::WriteImage { .. } | InstallOp::Finish { .. } => {}
        }
        Ok(())
    }

    /// Writes the image with all that is done before its table is there; answers the place behind the table.
    fn image(
        &mut self,
        place: usize,
        incoming: Incoming<impl Read + Send>,
        begun: &mut bool,
    ) -> Result<usize, ApplyError> {
        let plan = self.plan;
        let Some(InstallOp::WriteImage {
            disk,
            saved,
            size,
            read_back,
            ..
        }) = plan.ops.get(place)
        else {
            return Err(ApplyError::NoImage);
        };
        self.begins(place);
        let finish = (place..plan.ops.len())
            .find(|place| matches!(plan.ops.get(*place), Some(InstallOp::Finish { .. })))
            .ok_or(ApplyError::NoImage)?;
        let is_device = blockdev::is_block_device(disk.as_ref());
        let geometry = blockdev::geometry(disk.as_ref()).map_err(during("looking at", disk))?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(disk)
            .map_err(during("opening", disk))?;
        settle::lock(&file, disk).map_err(during("locking", disk))?;
        let meanwhile = meanwhile(&file, geometry, saved).map_err(during("reading", disk))?;
        let reads_zeros = !is_device || discarded(&file, disk, geometry, *size, saved);
        *begun |= reads_zeros && is_device;
        self.lock = Some(file.try_clone().map_err(during("opening", disk))?);
        let failed: Mutex<Option<ApplyError>> = Mutex::new(None);
        let executor = &*self;
        let change = |first: &mut [u8], last: &mut [u8]| {
            for place in place + 1..finish {
                if let Err(error) = executor.perform(place) {
                    let said = error.to_string();
                    *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    return Err(said);
                }
            }
            executor.begins(finish);
            edges::finish(first, last, geometry, saved)
        };
        let how = Writing {
            check: incoming.check,
            room: geometry.size,
            sector: is_device.then_some(geometry.sector),
            reads_zeros,
            keep: kept(geometry, saved),
            read_back: *read_back,
            threads: None,
            edges: Edges {
                meanwhile,
                change: Some(Box::new(change)),
            },
        };
        let voice = self.voice.clone();
        let result = write(incoming.bytes, how, &file, &mut |progress| {
            voice.progress(&progress);
        });
        let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.lock = None;
        drop(file);
        let written = match (result, failed) {
            (Ok(written), _) => written,
            (Err(error), failed) => {
                *begun |= !error.untouched();
                return Err(failed.unwrap_or(ApplyError::Image(error)));
            }
        };
        self.written = Some(written);
        if is_device {
            refresh_partitions(disk)?;
        }
        Ok(finish + 1)
    }
}

/// Ranges in bytes that are not written.
fn kept(geometry: Geometry, saved: &[Saved]) -> Vec<std::ops::Range<u64>> {
    (saved.iter())
        .map(|(_, entry)| {
            let start = entry.start.saturating_mul(geometry.sector);
            let stop = entry.end.saturating_add(1).saturating_mul(geometry.sector);
            start..stop
        })
        .collect()
}

/// What beginning and end of the disk hold until the image is verified: the table of the saved partitions and what they
/// hold there; nothing without such.
fn meanwhile(file: &File, geometry: Geometry, saved: &[Saved]) -> io::Result<(Vec<u8>, Vec<u8>)> {
    if saved.is_empty() {
        return Ok(Default::default());
    }
    let mut first = vec![0; EDGE];
    let mut last = vec![0; EDGE];
    file.read_exact_at(&mut first, 0)?;
    file.read_exact_at(&mut last, geometry.size.saturating_sub(EDGE as u64))?;
    // Boot code goes, the table of what is saved stays: it was the last operation that left only that in it.
    first[..440].fill(0);
    let sector = usize::try_from(geometry.sector).unwrap_or(512);
    // The table's header and at least 16 KiB of entries; nothing that is saved begins before 1 MiB.
    let end = 2 * sector + (16 << 10);
    first[end..].fill(0);
    Ok((first, last))
}

/// Discards the place of the image, where that is quick and leaves zeros; answers whether it does.
fn discarded(file: &File, disk: &str, geometry: Geometry, size: u64, saved: &[Saved]) -> bool {
    // An image reaches into what is saved or ends before it: that was planned.
    let first = saved
        .iter()
        .map(|(_, entry)| entry.start.saturating_mul(geometry.sector));
    let end = first.min().unwrap_or(geometry.size).min(size);
    // Edges are for the writer.
    let range = EDGE as u64..end.min(geometry.size.saturating_sub(EDGE as u64));
    range.start < range.end && blockdev::discard(file, disk, range)
}

/// A partition that can be mounted; in a file it is a loop device for as long as this lives.
struct Reached {
    node: String,
    looped: bool,
}

impl Reached {
    fn new(partition: &Partition) -> Result<Self, ApplyError> {
        if partition.node.is_some() {
            return Ok(Self {
                node: partition_node(&partition.disk, partition.number),
                looped: false,
            });
        }
        let (start, size) = (partition.start.to_string(), partition.size.to_string());
        let said = tool::run(
            "losetup",
            &[
                "--find",
                "--show",
                "--offset",
                &start,
                "--sizelimit",
                &size,
                &partition.disk,
            ],
            None,
        )?;
        Ok(Self {
            node: String::from_utf8_lossy(&said).trim().to_string(),
            looped: true,
        })
    }

    fn finish(mut self) -> Result<(), ApplyError> {
        if std::mem::take(&mut self.looped) {
            tool::run("losetup", &["--detach", &self.node], None)?;
        }
        Ok(())
    }
}

impl Drop for Reached {
    fn drop(&mut self) {
        if self.looped {
            // Only after an error, which is the one to report.
            let _ = tool::run("losetup", &["--detach", &self.node], None);
        }
    }
}

/// Does something with a partition's file system.
pub fn mounted<T>(
    partition: &Partition,
    writable: bool,
    body: impl FnOnce(&PrivateMount) -> Result<T, ApplyError>,
) -> Result<T, ApplyError> {
    let reached = Reached::new(partition)?;
    let shown = partition.to_string();
    let mount = match writable {
        true => PrivateMount::writable(&reached.node),
        false => PrivateMount::read_only(&reached.node),
    }
    .map_err(|error| during("mounting", &shown)(advised(error)))?;
    let done = body(&mount)?;
    match writable {
        true => mount.finish().map_err(during("syncing", shown))?,
        false => drop(mount),
    }
    reached.finish()?;
    Ok(done)
}

/// Kernels before 6.7 do not mount two file systems with one UUID, as two disks with one image have them.
fn advised(error: io::Error) -> io::Error {
    let said = error.to_string();
    match said.contains("File exists") {
        false => error,
        true => io::Error::other(format!(
            "{said}: a file system with the same UUID is mounted, as by a system that was installed from the same \
             image; unmount that one (/oem, /usr/share/oem) and run the same command again"
        )),
    }
}

fn path(text: &str) -> Result<SysPath, ApplyError> {
    SysPath::parse(text).map_err(|error| during("naming", text)(io::Error::other(error)))
}

fn put(partition: &Partition, at: &str, bytes: &[u8], mode: u32) -> Result<(), ApplyError> {
    mounted(partition, true, |mount| {
        let what = format!("{at} on {partition}");
        mount
            .put(&path(at)?, bytes, mode)
            .map_err(during("writing", what))
    })
}

/// Largest text of a boot loader that is read, in bytes; how many entries there may be.
const TEXT_LIMIT: u64 = 1 << 20;
const ENTRIES: usize = 64;

fn change_arguments(
    partition: &Partition,
    text: BootText,
    arguments: &BootArguments,
) -> Result<(), ApplyError> {
    let refused = |why: String| ApplyError::Arguments {
        partition: partition.to_string(),
        why,
    };
    mounted(partition, true, |mount| {
        let change = |at: &str, change: &dyn Fn(&str) -> Result<String, String>| {
            let what = format!("{at} on {partition}");
            let at = path(at)?;
            let bytes = mount
                .read(&at, TEXT_LIMIT)
                .map_err(during("reading", &what))?
                .unwrap_or_default();
            let before = String::from_utf8(bytes)
                .map_err(|_| refused(format!("{what} is not a text in UTF-8")))?;
            let after = change(&before).map_err(|why| refused(format!("{what}: {why}")))?;
            mount
                .replace(&at, after.as_bytes())
                .map_err(during("writing", what))
        };
        if text == BootText::GrubCfg {
            return change("/grub.cfg", &|text| arguments.in_grub_cfg(text));
        }
        let directory = "/loader/entries";
        let names = mount
            .list(&path(directory)?, ENTRIES)
            .map_err(during("listing", format!("{directory} on {partition}")))?;
        let entries: Vec<&String> = names
            .iter()
            .filter(|name| name.ends_with(".conf"))
            .collect();
        if entries.is_empty() {
            return Err(refused(format!("there are no entries in {directory}")));
        }
        for name in entries {
            change(&format!("{directory}/{name}"), &|text| {
                arguments.in_entry(text)
            })?;
        }
        Ok(())
    })
}
