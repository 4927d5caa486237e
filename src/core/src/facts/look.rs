//! What planning has to know of a machine. The plan's own code says it: whoever observes does as he is told.

use crate::model::{Format, SysPath};

/// Something to be looked at. What is seen goes into the facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// How the running kernel was started.
    CommandLine,
    /// The partitions that decide about the next start.
    BootPartitions,
    /// Block devices and what is on them.
    Devices {
        /// Those that have to appear within the wait.
        required: Vec<SysPath>,
        /// Those that need not be there yet.
        optional: Vec<SysPath>,
    },
    /// Disks of a fresh image.
    Fresh,
    /// Generated keys of encrypted volumes.
    Keys,
    /// What begins in places of disks that are no partitions yet.
    Places(Vec<Place>),
    /// Mounts below the root.
    Mounts,
    /// The root's SELinux policy.
    Selinux,
    /// Groups and users of the root.
    Accounts,
    /// What stands at these paths of the root, and what its journal says.
    Tree(Vec<Sight>),
    /// The texts of these files of the root.
    Texts(Vec<SysPath>),
    /// Whether these would be refused, without changing anything.
    Trials(Vec<Trial>),
}

/// A path of the root that is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// Which.
    pub path: SysPath,
    /// Whether the contents of a file there are compared with something: else it is not read.
    pub contents: bool,
}

/// Where a partition is to lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Node of the disk.
    pub disk: String,
    /// Node that the partition will have.
    pub node: String,
    /// First byte.
    pub start: u64,
    /// Length in bytes.
    pub size: u64,
}

/// A trial that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What was tried.
    pub trial: Trial,
    /// What the machine says.
    pub why: String,
}

/// Something that an operation needs of the machine and that can be tried beforehand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trial {
    /// A program is there.
    Program(&'static str),
    /// The kernel knows the file system and takes the options.
    Mount {
        /// The format.
        format: Format,
        /// The options that are the file system's.
        options: Vec<String>,
    },
    /// The program that makes the file system takes the user's options.
    MakeFilesystem {
        /// The format.
        format: Format,
        /// Its label.
        label: Option<String>,
        /// Its UUID.
        uuid: Option<String>,
        /// The user's options.
        options: Vec<String>,
        /// Size of the device in bytes; 0 where it is not known yet.
        size: u64,
    },
    /// cryptsetup takes these arguments.
    Cryptsetup(Vec<String>),
}
