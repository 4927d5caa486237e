//! Pauses between attempts.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// A pause that doubles from a first to a longest one.
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            next: first,
        }
    }

    /// Starts over from the first pause: the last attempt got somewhere.
    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }

    /// The next pause, shortened by up to a quarter so that machines booted together do not ask together.
    pub(crate) fn pause(&mut self) -> Duration {
        let whole = self.next.min(self.longest);
        self.next = whole.saturating_mul(2);
        // Hash keys are random per process, which is random enough to spread requests.
        let random = u32::from(RandomState::new().hash_one(whole).to_le_bytes()[0]);
        whole - whole / 1024 * random
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
        for whole in [200, 400, 800, 1600, 3200, 5000, 5000] {
            let whole = Duration::from_millis(whole);
            let pause = backoff.pause();
            assert!(
                pause <= whole && pause >= whole * 3 / 4,
                "{pause:?} of {whole:?}"
            );
        }
        backoff.reset();
        assert!(backoff.pause() <= Duration::from_millis(200));
    }
}
