//! Machines on which writing fails: what the stages say then, what they claim, and what the next run makes of it.
//!
//! - `files` and `disks`: strace makes one system call fail, each of those by which the agent or one of its tools
//!   changes something in turn. The call is not performed, and says that the device errs or that it is full.
//! - `around`: the same of the stages around them, and of the tools that make arrays and encrypted volumes.
//! - `full`: file systems without room, without inodes, and such as nobody may write to.
//! - `mapped`: disks that err, by device mapper in a guest.
//!
//! Wherever the error comes: the stage fails with words that name it, or nothing is missing from the result; nobody
//! is told that the machine is provisioned when it is not; and when the error is gone, the same stages make of the
//! machine what they make of one that never had it. `cargo test` takes a sample; `make crash` takes all calls.
//!
//! Needs root, strace and loop devices.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod around;
mod disks;
mod failing;
mod files;
mod full;
mod mapped;
mod node;
mod trial;
