//! When the platform is asked next.

use std::time::Duration;

use pilotlight_providers::network::Rhythm;

/// Pauses after requests that failed: the first, and the longest.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// Shortest time between two requests that wait at the platform: one that answers at once, whatever it is asked,
/// is not asked in a circle.
const SHORTEST: Duration = Duration::from_millis(200);

/// Counts failures.
#[derive(Debug, Clone, Copy, Default)]
pub struct Schedule {
    failures: u32,
}

impl Schedule {
    /// The pause after an answer that could be used; `None` where it was the last one. `waits` says that the next request can wait at the platform;
    /// `same` that the answer is the one before, which came after `took`.
    pub fn after_answer(
        &mut self,
        rhythm: Rhythm,
        waits: bool,
        same: bool,
        took: Duration,
    ) -> Option<Duration> {
        self.failures = 0;
        match rhythm {
            Rhythm::Once => None,
            Rhythm::Every(pause) => Some(pause),
            Rhythm::Waiting(pause) if !waits => Some(pause),
            // It has not waited.
            Rhythm::Waiting(pause) if same && took < SHORTEST => Some(pause),
            Rhythm::Waiting(_) => Some(SHORTEST),
        }
    }

    /// The pause after a request that failed.
    pub fn after_failure(&mut self) -> Duration {
        let doubled = FIRST.saturating_mul(1 << self.failures.min(6));
        self.failures = self.failures.saturating_add(1);
        doubled.min(LONGEST)
    }

    /// Whether the last request failed.
    pub fn is_failing(&self) -> bool {
        self.failures > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_asked_after_slower_and_slower() {
        let mut schedule = Schedule::default();
        let pauses: Vec<u64> = (0..8).map(|_| schedule.after_failure().as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert!(schedule.is_failing());
        let minute = Duration::from_secs(60);
        let rhythm = Rhythm::Every(minute);
        let pause = schedule.after_answer(rhythm, false, false, FIRST);
        assert_eq!(pause, Some(minute));
        assert_eq!(schedule.after_failure(), FIRST);
    }

    #[test]
    fn what_does_not_change_is_asked_for_until_it_answers() {
        let mut schedule = Schedule::default();
        assert_eq!(schedule.after_failure(), FIRST);
        assert_eq!(
            schedule.after_answer(Rhythm::Once, false, false, FIRST),
            None
        );
        assert!(!schedule.is_failing());
    }

    #[test]
    fn who_waits_at_the_platform_asks_again_at_once_unless_it_does_not_wait() {
        let minute = Duration::from_secs(60);
        let rhythm = Rhythm::Waiting(minute);
        let now = Duration::from_millis(1);
        let mut schedule = Schedule::default();
        for (waits, same, took, expected) in [
            (true, false, now, SHORTEST),
            (true, true, minute, SHORTEST),
            (true, true, now, minute),
            (false, false, now, minute),
        ] {
            let pause = schedule.after_answer(rhythm, waits, same, took);
            assert_eq!(pause, Some(expected), "{waits} {same} {took:?}");
        }
    }
}
