//! Images of every packing, made by the tools that everybody has, on files and loop devices.

#![allow(clippy::unwrap_used, clippy::panic)]

mod memory;
mod samples;
mod signatures;
mod unpacking;
mod writing;
