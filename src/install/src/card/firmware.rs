//! The UEFI firmware of the Raspberry Pi 4 as it is handed out: a zip archive, or a directory of what was in it.
//!
//! All of it is read into memory and checked before the first byte is written: what is taken lands on a FAT file system
//! that a machine boots from, and the archive comes from the network.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};
use thiserror::Error;
use zip::ZipArchive;
use zip::result::ZipError;

use super::fat::Stamp;

/// What the boot ROM, the boot loader and the firmware read.
pub const NEEDED: [&str; 5] = [
    "RPI_EFI.fd",
    "start4.elf",
    "fixup4.dat",
    "config.txt",
    "bcm2711-rpi-4-b.dtb",
];
/// Files of an archive; the real ones have about 40.
const MOST_FILES: usize = 2_000;
/// Bytes of one file, and of all.
const MOST_FILE: u64 = 32 << 20;
const MOST_BYTES: u64 = 96 << 20;
/// Bytes of the archive itself.
const MOST_ARCHIVE: u64 = MOST_BYTES;
/// Directories within each other.
const DEEPEST: usize = 8;

/// Firmware that can be put onto a card.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Firmware {
    /// The files, by their paths on the card.
    pub files: BTreeMap<String, FirmwareFile>,
    /// What is left out, being the operating system's: paths in `EFI/`.
    pub left_out: Vec<String>,
}

/// One of its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirmwareFile {
    /// What is in it.
    pub bytes: Arc<[u8]>,
    /// When it was last changed.
    pub stamp: Stamp,
}

/// Why firmware is not used.
#[derive(Debug, Error)]
pub enum FirmwareError {
    /// It was not read.
    #[error("reading the firmware {path}: {source}")]
    Read {
        /// What was read.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is no archive, or a damaged one.
    #[error("the firmware is no zip archive that can be read: {0}; fetch it again")]
    Archive(String),
    /// A name that leads elsewhere, or that FAT cannot have.
    #[error("the firmware has a file {name:?}: {what}")]
    Name {
        /// As it is called there.
        name: String,
        /// Why it is not taken.
        what: &'static str,
    },
    /// A file that is none.
    #[error("the firmware's {name}: it is {what}, and only files and directories are taken")]
    Kind {
        /// The path.
        name: String,
        /// What it is.
        what: &'static str,
    },
    /// Two names that FAT takes for the same.
    #[error("the firmware has {name} twice, names being the same in any case")]
    Twice {
        /// One of them.
        name: String,
    },
    /// It does not fit, or pretends to be small.
    #[error("the firmware has more than {most} {what}: this is not the Raspberry Pi's")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// The bound.
        most: u64,
    },
    /// A file's bytes are not those that the archive says.
    #[error("the firmware's {name} is damaged: {what}; fetch the archive again")]
    Damaged {
        /// The path.
        name: String,
        /// In which way.
        what: String,
    },
    /// It lacks what a Pi boots from.
    #[error("the firmware has no {}: {advice}", .missing.join(", no "))]
    Incomplete {
        /// The files.
        missing: Vec<&'static str>,
        /// What to do.
        advice: String,
    },
}

impl Firmware {
    /// Reads and checks an archive, or a directory.
    pub fn open(path: &Path) -> Result<Firmware, FirmwareError> {
        let failed = |source| FirmwareError::Read {
            path: path.into(),
            source,
        };
        if fs::metadata(path).map_err(failed)?.is_dir() {
            return Firmware::from_directory(path);
        }
        let file = File::open(path).map_err(failed)?;
        if file.metadata().map_err(failed)?.len() > MOST_ARCHIVE {
            return Err(FirmwareError::TooMuch {
                what: "bytes in its archive",
                most: MOST_ARCHIVE,
            });
        }
        Firmware::from_archive(file)
    }

    /// Reads and checks an archive.
    pub fn from_archive(archive: impl Read + Seek) -> Result<Firmware, FirmwareError> {
        let broken = |error: ZipError| FirmwareError::Archive(error.to_string());
        let mut archive = ZipArchive::new(archive).map_err(broken)?;
        // The crate keeps the last of the same name and says so: others might read the first.
        if archive.has_duplicate_names() {
            return Err(FirmwareError::Twice {
                name: "a file".into(),
            });
        }
        let mut taking = Taking::default();
        taking.count(archive.len())?;
        for index in 0..archive.len() {
            let mut file = archive.by_index(index).map_err(broken)?;
            let entry = file.entry();
            let name = std::str::from_utf8(entry.name_raw()).map(str::to_owned);
            let name = name.map_err(|error| FirmwareError::Name {
                name: String::from_utf8_lossy(entry.name_raw()).into_owned(),
                what: if error.valid_up_to() == 0 {
                    "it is not in ASCII"
                } else {
                    "it is not in UTF-8"
                },
            })?;
            let (is_directory, size) = (entry.is_dir(), entry.size());
            // The kind that Unix notes; others note none.
            match entry.unix_mode().map(|mode| mode & 0o170_000) {
                None | Some(0 | 0o100_000 | 0o040_000) => {}
                Some(0o120_000) => return Err(kind(&name, "a link")),
                Some(_) => return Err(kind(&name, "a device or the like")),
            }
            let stamp = entry
                .last_modified()
                .map_or_else(Stamp::default, |at| Stamp {
                    date: at.datepart(),
                    time: at.timepart(),
                });
            if is_directory {
                taking.directory(name.trim_end_matches('/'))?;
                continue;
            }
            taking.file(&name, size, stamp, &mut file)?;
        }
        taking.finish()
    }

    fn from_directory(top: &Path) -> Result<Firmware, FirmwareError> {
        let mut taking = Taking::default();
        // A directory may be changed while it is read: what is opened is what is looked at.
        let mut waiting = vec![String::new()];
        let mut seen = 0;
        while let Some(within) = waiting.pop() {
            let path = top.join(&within);
            let failed = |path: &Path| {
                let path = path.to_owned();
                move |source| FirmwareError::Read { path, source }
            };
            let mut names = Vec::new();
            for entry in fs::read_dir(&path).map_err(failed(&path))? {
                names.push(entry.map_err(failed(&path))?.file_name());
                seen += 1;
                taking.count(seen)?;
            }
            names.sort();
            for name in names {
                let path = path.join(&name);
                let shown = name.to_string_lossy();
                let name = if within.is_empty() {
                    shown.into_owned()
                } else {
                    format!("{within}/{shown}")
                };
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let file = match rustix::fs::open(&path, flags, Mode::empty()) {
                    Ok(file) => File::from(file),
                    Err(rustix::io::Errno::LOOP) => return Err(kind(&name, "a link")),
                    Err(error) => return Err(failed(&path)(error.into())),
                };
                let facts = file.metadata().map_err(failed(&path))?;
                if facts.is_dir() {
                    taking.directory(&name)?;
                    waiting.push(name);
                } else if facts.is_file() {
                    let stamp = facts
                        .modified()
                        .map_or_else(|_| Stamp::default(), Stamp::from);
                    taking.file(&name, facts.len(), stamp, &file)?;
                } else {
                    return Err(kind(&name, "a device or the like"));
                }
            }
        }
        taking.finish()
    }
}

fn kind(name: &str, what: &'static str) -> FirmwareError {
    FirmwareError::Kind {
        name: name.into(),
        what,
    }
}

/// What was taken so far.
#[derive(Default)]
struct Taking {
    firmware: Firmware,
    /// Names of files and of directories, in one case.
    files: BTreeSet<String>,
    directories: BTreeSet<String>,
    bytes: u64,
}

impl Taking {
    fn count(&self, files: usize) -> Result<(), FirmwareError> {
        if files > MOST_FILES {
            return Err(FirmwareError::TooMuch {
                what: "files",
                most: MOST_FILES as u64,
            });
        }
        Ok(())
    }

    fn directory(&mut self, name: &str) -> Result<(), FirmwareError> {
        check(name)?;
        let name = name.to_ascii_lowercase();
        if self.files.contains(&name) {
            return Err(FirmwareError::Twice { name });
        }
        self.parents(&name)?;
        self.directories.insert(name);
        Ok(())
    }

    /// The directories above a name.
    fn parents(&mut self, name: &str) -> Result<(), FirmwareError> {
        for (at, _) in name.match_indices('/') {
            let parent = &name[..at];
            if self.files.contains(parent) {
                return Err(FirmwareError::Twice {
                    name: parent.into(),
                });
            }
            self.directories.insert(parent.into());
        }
        Ok(())
    }

    fn file(
        &mut self,
        name: &str,
        size: u64,
        stamp: Stamp,
        bytes: impl Read,
    ) -> Result<(), FirmwareError> {
        check(name)?;
        let same = name.to_ascii_lowercase();
        self.parents(&same)?;
        if self.directories.contains(&same) || !self.files.insert(same.clone()) {
            return Err(FirmwareError::Twice { name: name.into() });
        }
        // What it says, before a byte is unpacked; then what comes out.
        let too_much = |what, most| FirmwareError::TooMuch { what, most };
        if size > MOST_FILE {
            return Err(too_much("bytes in a file", MOST_FILE));
        }
        if self.bytes + size > MOST_BYTES {
            return Err(too_much("bytes", MOST_BYTES));
        }
        let mut read = Vec::new();
        let damaged = |what: String| FirmwareError::Damaged {
            name: name.into(),
            what,
        };
        bytes
            .take(size + 1)
            .read_to_end(&mut read)
            .map_err(|error| damaged(error.to_string()))?;
        if read.len() as u64 != size {
            return Err(damaged(format!(
                "it says it has {size} bytes, and has {}",
                if read.len() as u64 > size {
                    "more"
                } else {
                    "fewer"
                }
            )));
        }
        self.bytes += size;
        if same == "efi" || same.starts_with("efi/") {
            self.firmware.left_out.push(name.into());
            return Ok(());
        }
        let file = FirmwareFile {
            bytes: read.into(),
            stamp,
        };
        self.firmware.files.insert(name.into(), file);
        Ok(())
    }

    fn finish(self) -> Result<Firmware, FirmwareError> {
        let missing: Vec<&str> = NEEDED
            .into_iter()
            .filter(|name| !self.files.contains(&name.to_ascii_lowercase()))
            .collect();
        if missing.is_empty() {
            return Ok(self.firmware);
        }
        // Whoever packs a directory often packs it whole.
        let within = self.directories.iter().find(|directory| {
            missing.iter().all(|name| {
                self.files
                    .contains(&format!("{directory}/{}", name.to_ascii_lowercase()))
            })
        });
        let advice = match within {
            Some(directory) => {
                format!("they are in {directory}/ there; give a directory that is as that one")
            }
            None => "it is not the UEFI firmware of the Raspberry Pi 4, or not all of it".into(),
        };
        Err(FirmwareError::Incomplete { missing, advice })
    }
}

/// Whether a path stays where it is unpacked, and FAT can have it.
fn check(name: &str) -> Result<(), FirmwareError> {
    let refused = |what| {
        Err(FirmwareError::Name {
            name: name.chars().take(200).collect(),
            what,
        })
    };
    if name.starts_with('/') {
        return refused("it begins at the root");
    }
    if name.split('/').count() > DEEPEST {
        return refused("it is in too many directories");
    }
    for part in name.split('/') {
        match part {
            "" => return refused("a part of it is empty"),
            "." | ".." => return refused("it leads out of its directory"),
            _ => {}
        }
        if part.len() > 255 {
            return refused("it is longer than 255 letters");
        }
        if !part
            .bytes()
            .all(|byte| (0x20..0x7f).contains(&byte) && !b"\"*:<>?\\|".contains(&byte))
        {
            return refused("FAT cannot have it, or not in ASCII");
        }
        if part.ends_with(['.', ' ']) || part.starts_with(' ') {
            return refused("it begins or ends with what FAT leaves out");
        }
    }
    Ok(())
}
