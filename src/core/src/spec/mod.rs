//! Wire types: config languages one to one, without behaviour.
//!
//! A wire type is declared once, for the newest version of its language, with the minor version that
//! brought each field. From the declaration come decoding (with unknown, misspelt, duplicate and
//! too-new keys seen), encoding and Ignition's merge.

pub mod butane;
pub mod cloud_config;
pub mod container_linux;
pub mod v2;
pub mod v3;
mod wire;

pub use wire::{At, Concat, Decoder, Dialect, Encoded, Newer, Wire, tree};
