//! The only crate that changes the machine.
//!
//! Every path below the sysroot goes through [`root`]; every change through one of the `apply`
//! functions, each of which performs exactly one operation of the plan.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod accounts;
pub mod apply;
pub mod blockdev;
pub mod boot;
pub mod clock;
pub mod cpu;
mod digest;
mod disk_error;
pub mod disks;
mod fat;
pub mod fresh;
pub mod gpt;
pub mod holders;
pub mod host_name;
pub mod hyperv;
pub mod journal;
pub mod kernel_table;
pub mod keys;
mod known;
mod local_files;
pub mod lock;
mod mapped;
mod maps;
pub mod media;
mod mkfs;
pub mod mounts;
pub mod netlink;
pub mod private_mount;
pub mod probe;
mod regular;
pub mod room;
pub mod root;
mod runtime_dir;
pub mod selinux;
pub mod settle;
mod shared_files;
pub mod streams;
mod table_edits;
mod temporary;
pub mod text;
pub mod tool;
pub mod tree;
pub mod trial;
pub mod uevents;
pub mod virtualbox;
pub mod volumes;
mod wipe;

pub use disks::DeviceMap;
pub use local_files::LocalDirectory;
pub use regular::{read_beginning, read_regular};
pub use runtime_dir::{free_space, private_directory, replace_file, temporary_directory};
pub use shared_files::{replace_link, shared_directory};
pub use table_edits::{know as know_partitions, refresh as refresh_partitions};
pub use temporary::random;
