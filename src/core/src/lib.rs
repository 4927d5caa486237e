//! The pure core of pilotlight: text in, plans out.
//!
//! Nothing in this crate performs I/O or knows an operating-system crate. The way through it:
//!
//! ```text
//! bytes → json or yaml → spec (wire types) → translate → spec::v3 → merge → model (parsed types) ─┐
//! the observed machine ──────────────────────────────────────────────────────────────────→ facts ┴→ plan → op
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod cache;
pub mod calendar;
pub mod cmdline;
pub mod config;
pub mod convert;
pub mod dataurl;
pub mod decimal;
pub mod diag;
pub mod facts;
pub mod first_boot;
pub mod flags;
pub mod grub;
pub mod hex;
pub mod http;
pub mod journal;
pub mod json;
pub mod keys;
pub mod merge;
pub mod model;
pub mod net;
pub mod op;
pub mod ordered;
pub mod picture;
pub mod plan;
pub mod redact;
pub mod reveal;
pub mod schema;
pub mod spec;
pub mod spelling;
pub mod translate;
pub mod validate;
pub mod yaml;

pub use validate::needs_network;
