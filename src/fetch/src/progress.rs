//! What a fetch tells while it runs.

use std::time::Duration;

/// Told about a fetch as it goes on; both calls come often, so the caller decides which to show.
pub trait Progress {
    /// The fetch cannot go on, or not fast: `what` names the URL and what is wrong or awaited (no secrets).
    ///
    /// `since` is the time since the fetch began. `attempt` counts from 1. `next` is the time until the
    /// next attempt, or `None` while this one still waits for the server. Called at once when an attempt
    /// has failed, and then every five seconds.
    fn waiting(&self, what: &str, since: Duration, attempt: u32, next: Option<Duration>);

    /// Whether anybody hears of it. Where nobody does, nothing wakes the machine to tell it.
    fn is_heard(&self) -> bool {
        true
    }

    /// So many bytes have come (as transferred, before inflating) of `total`, where the server told it.
    fn bytes(&self, done: u64, total: Option<u64>);
}

/// Progress that nobody looks at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn is_heard(&self) -> bool {
        false
    }

    fn waiting(&self, _: &str, _: Duration, _: u32, _: Option<Duration>) {}

    fn bytes(&self, _: u64, _: Option<u64>) {}
}
