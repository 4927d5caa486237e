//! Pauses between attempts.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Pauses whose bound doubles from a first to a longest one.
///
/// Each pause is drawn from all of the time up to its bound ("full jitter"): ten thousand machines that are
/// booted together ask together once, and then at a rate that is the same in every moment. `benches/` shows
/// what is left of their stampede with this and other rules.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// The first bound, and the one that is never passed.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            next: first,
        }
    }

    /// Starts over from the first bound: the last attempt got somewhere.
    pub fn reset(&mut self) {
        self.next = self.first;
    }

    /// The next pause. `random` is any number, all equally likely; `told` is what the server asks for.
    ///
    /// A server that tells everybody the same time would be asked by everybody at the end of it. So the pause
    /// is longer than that by up to half, and by no less than it would be without it.
    pub fn pause(&mut self, random: u32, told: Duration) -> Duration {
        let bound = self.next.min(self.longest);
        self.next = bound.saturating_mul(2);
        told + bound
            .max(told / 2)
            .mul_f64(f64::from(random) / f64::from(u32::MAX))
    }
}

/// A number that differs from machine to machine: keys of hash maps are random in each process.
pub(crate) fn random() -> u32 {
    let hash = RandomState::new().hash_one(()).to_le_bytes();
    u32::from_le_bytes([hash[0], hash[1], hash[2], hash[3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn bounds_double_up_to_the_longest() {
        let mut most = Backoff::new(MS(200), MS(5000));
        let (mut half, mut least) = (most.clone(), most.clone());
        for bound in [200, 400, 800, 1600, 3200, 5000, 5000] {
            assert_eq!(most.pause(u32::MAX, Duration::ZERO), MS(bound));
            let pause = half.pause(u32::MAX / 2, Duration::ZERO);
            assert!(
                pause.abs_diff(MS(bound / 2)) < MS(1),
                "{pause:?} of {bound}"
            );
            assert_eq!(least.pause(0, Duration::ZERO), MS(0));
        }
        most.reset();
        assert_eq!(most.pause(u32::MAX, Duration::ZERO), MS(200));
    }

    #[test]
    fn a_told_pause_is_never_cut_and_always_spread() {
        for (told, least, most) in [
            (100, 100, 300),
            (1000, 1000, 1500),
            (60_000, 60_000, 90_000),
        ] {
            let backoff = Backoff::new(MS(200), MS(5000));
            assert_eq!(backoff.clone().pause(0, MS(told)), MS(least));
            assert_eq!(backoff.clone().pause(u32::MAX, MS(told)), MS(most));
        }
    }

    #[test]
    fn numbers_are_spread() {
        // Of 4096 numbers, about 256 begin with each of the 16 hexadecimal digits.
        let mut counts = [0; 16];
        (0..4096).for_each(|_| counts[(random() >> 28) as usize] += 1);
        assert!(
            counts.iter().all(|count| (128..512).contains(count)),
            "{counts:?}"
        );
    }
}
