//! What more than one benchmark measures.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a figure that cannot be taken ends the benchmark"
)]

pub mod daemon;
