//! The cloud's part of the machine, kept true on every boot: what the platform wants is compared with what is there,
//! and the difference is applied.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]
