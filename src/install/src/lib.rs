//! An OS image onto a disk or an SD card, so that the next boot provisions it.
//!
//! [`image`] has the bytes: what an image is, who vouches for it, and how it gets to the disk. [`card`] makes a card with
//! one on it boot a Raspberry Pi 4.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod card;
pub mod image;
