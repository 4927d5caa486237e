//! The attempts of one fetch, of whatever protocol: how many there were, when they are enough, and what is told.

use std::pin::pin;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::error::Cause;
use crate::progress::Progress;
use crate::request::Request;
use crate::settings::ClientConfig;

/// How often something that is waited for is told again.
pub(crate) const TELL_EVERY: Duration = Duration::from_secs(5);

/// Bodies that may break off without coming further than one before; a server that announces more than it
/// sends does so each time.
const FRUITLESS_BODIES: u32 = 5;

pub(crate) struct Attempts<'a> {
    progress: &'a dyn Progress,
    started: Instant,
    /// The number of this one, from 1.
    pub(crate) number: u32,
    /// Why the last one failed.
    pub(crate) last: Option<Cause>,
    furthest: u64,
    fruitless: u32,
}

/// What a body is that broke off.
pub(crate) enum BrokenOff {
    /// It came further than those before it.
    Further,
    /// It did not.
    Fruitless,
    /// Nor did too many before it.
    Enough,
}

impl<'a> Attempts<'a> {
    pub(crate) fn new(progress: &'a dyn Progress) -> Self {
        Self {
            progress,
            started: Instant::now(),
            number: 0,
            last: None,
            furthest: 0,
            fruitless: 0,
        }
    }

    /// Time since the first one began.
    pub(crate) fn since(&self) -> Duration {
        self.started.elapsed()
    }

    /// Counts a body that broke off after so many bytes.
    pub(crate) fn broke_off(&mut self, received: u64) -> BrokenOff {
        if received > self.furthest {
            (self.furthest, self.fruitless) = (received, 0);
            return BrokenOff::Further;
        }
        self.fruitless += 1;
        match self.fruitless < FRUITLESS_BODIES {
            true => BrokenOff::Fruitless,
            false => BrokenOff::Enough,
        }
    }

    /// What it is when the total time is over.
    pub(crate) fn over(self, after: Duration) -> Cause {
        Cause::Timeout {
            after,
            last: self.last.map(Box::new),
        }
    }

    /// Tells what is waited for; `next` is the time until the next attempt, if this one has failed.
    pub(crate) fn tell(&self, what: &str, next: Option<Duration>) {
        self.progress.waiting(what, self.since(), self.number, next);
    }

    /// Awaits `future` and tells at intervals that it does.
    pub(crate) async fn telling<F: Future>(&self, what: &str, future: F) -> F::Output {
        let mut future = pin!(future);
        if !self.progress.is_heard() {
            return future.await;
        }
        loop {
            match timeout(TELL_EVERY, future.as_mut()).await {
                Ok(output) => return output,
                Err(_) => self.tell(what, None),
            }
        }
    }

    /// Waits for the next one and tells at intervals that it does.
    pub(crate) async fn pause(&self, what: &str, mut left: Duration) {
        loop {
            self.tell(what, Some(left));
            let part = match self.progress.is_heard() {
                true => left.min(TELL_EVERY),
                false => left,
            };
            tokio::time::sleep(part).await;
            left -= part;
            if left.is_zero() {
                return;
            }
        }
    }
}

/// The total time of a fetch: the shorter bound of client and request.
pub(crate) fn total_timeout(config: &ClientConfig, request: &Request) -> Option<Duration> {
    let bounds = [config.total_timeout, request.total_timeout];
    bounds.into_iter().flatten().min()
}
