//! Which refusals are worth asking again after.

use std::time::Duration;

/// Statuses of one request that may heal, and when each was first seen.
pub(crate) struct Patience<'a> {
    allowed: &'a [(u16, Duration)],
    first_seen: Vec<(u16, Duration)>,
}

impl<'a> Patience<'a> {
    pub(crate) fn new(allowed: &'a [(u16, Duration)]) -> Self {
        Self {
            allowed,
            first_seen: Vec::new(),
        }
    }

    /// Whether to ask again after `status` that came at `now`, a time since the request began.
    pub(crate) fn allows(&mut self, status: u16, now: Duration) -> bool {
        let Some((_, bound)) = self.allowed.iter().find(|(known, _)| *known == status) else {
            return false;
        };
        let seen = self.first_seen.iter().find(|(known, _)| *known == status);
        let first = seen.map_or(now, |(_, first)| *first);
        if seen.is_none() {
            self.first_seen.push((status, now));
        }
        now.saturating_sub(first) < *bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_forgiven_for_its_time_since_it_was_first_seen() {
        let seconds = Duration::from_secs;
        // Azure's metadata service is back 70 s after its first 410; a 404 may heal at any time.
        let allowed = [
            (410, seconds(70)),
            (404, Duration::MAX),
            (409, Duration::ZERO),
        ];
        let mut patience = Patience::new(&allowed);
        for (status, now, again) in [
            (403, 0, false),
            (409, 1, false),
            (410, 100, true),
            (404, 101, true),
            (410, 169, true),
            (410, 170, false),
            (404, 1_000_000, true),
            (410, 100_000, false),
        ] {
            assert_eq!(
                patience.allows(status, seconds(now)),
                again,
                "{status} at {now} s"
            );
        }
    }
}
