//! An OS image onto a disk or an SD card, so that the next boot provisions it.
//!
//! [`image`] has the bytes: what an image is, who vouches for it, and how it gets to the disk; [`card`] makes a card with
//! one on it boot a Raspberry Pi 4. Around them the one shape of everything here: [`survey`] looks at the disk, [`plan`]
//! decides what is done, [`apply`] does exactly that.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod apply;
pub mod boot_arguments;
pub mod boot_entry;
pub mod card;
pub mod config;
pub mod download;
pub mod edges;
pub mod image;
pub mod inspect;
pub mod op;
pub mod plan;
pub mod release;
pub mod request;
pub mod run;
pub mod save;
pub mod source;
pub mod stream;
pub mod survey;
pub mod target;
pub mod voice;
