//! An OS image onto a disk or an SD card, so that the next boot provisions it.
//!
//! [`image`] has the bytes: what an image is, who vouches for it, and how it gets to the disk. Around it the one shape
//! of everything here: [`survey`] looks at the disk, [`plan`] decides what is done, [`apply`] does exactly that. [`card`]
//! makes a card with an image on it boot a Raspberry Pi 4.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod apply;
pub mod boot_arguments;
pub mod boot_entry;
pub mod card;
pub mod config;
mod document;
pub mod download;
pub mod edges;
pub mod error;
pub mod image;
pub mod inspect;
pub mod located;
pub mod op;
pub mod peek;
pub mod plan;
mod record;
pub mod release;
pub mod request;
pub mod run;
pub mod save;
pub mod shown;
pub mod source;
pub mod stream;
pub mod survey;
pub mod target;
pub mod voice;
pub mod vouched;
pub mod wanted;
