//! How soon it is looked again after the network changed.
//!
//! One change by another hand is answered at once, and a burst of them once. Where another program takes away what
//! is put back, again and again, the answers come at longer and longer intervals: neither of the two fills the log
//! of the machine, and no processor time is lost on it.

use std::time::{Duration, Instant};

/// Time in which the events of one cause come.
const BURST: Duration = Duration::from_millis(20);
/// Shortest and longest time between two answers that changed something.
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(30);
/// What comes so long after an answer is no reply to it, and is answered at once again.
const REPLY: Duration = Duration::from_secs(2);

/// When the next look is due.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pace {
    /// When something was last put right, and how long it is waited after that.
    last: Option<(Instant, Duration)>,
}

impl Pace {
    /// When it is looked, after an event of now.
    pub fn due(&self, now: Instant) -> Instant {
        let soon = now + BURST;
        match self.last {
            Some((last, gap)) if now.duration_since(last) < gap + REPLY => soon.max(last + gap),
            _ => soon,
        }
    }

    /// Something had to be put right now because of an event.
    pub fn answered(&mut self, now: Instant) {
        let gap = match self.last {
            Some((last, gap)) if now.duration_since(last) < gap + REPLY => (gap * 2).min(LONGEST),
            _ => FIRST,
        };
        self.last = Some((now, gap));
    }

    /// Whether somebody else keeps on undoing it.
    pub fn is_contested(&self) -> bool {
        self.last
            .is_some_and(|(_, gap)| gap >= Duration::from_secs(5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_event_is_answered_at_once_and_a_quarrel_slower_and_slower() {
        let begin = Instant::now();
        let mut pace = Pace::default();
        assert_eq!(pace.due(begin), begin + BURST);
        let mut now = begin;
        let mut gaps = Vec::new();
        for _ in 0..12 {
            now = pace.due(now);
            pace.answered(now);
            gaps.push(pace.due(now).duration_since(now).as_millis());
        }
        assert_eq!(
            gaps,
            [
                100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000, 30000
            ]
        );
        assert!(pace.is_contested());
        let later = now + LONGEST + REPLY;
        assert_eq!(pace.due(later), later + BURST);
        pace.answered(later);
        assert!(!pace.is_contested());
    }

    #[test]
    fn what_goes_every_few_seconds_comes_back_at_once_every_time() {
        let mut now = Instant::now();
        let mut pace = Pace::default();
        for _ in 0..20 {
            let due = pace.due(now);
            assert_eq!(due, now + BURST);
            pace.answered(due);
            now = due + Duration::from_secs(5);
        }
        assert!(!pace.is_contested());
    }
}
