//! What takes time in this stage, kept for the report. A process runs one stage.

use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pilotlight_core::first_boot::{Kept, Kind, Stage, Work, rounded};

static KEPT: Mutex<Kept> = Mutex::new(Kept::new());
/// A moment of the clock, and the seconds since the kernel started then.
static START: LazyLock<(Instant, f64)> = LazyLock::new(|| (Instant::now(), read_uptime()));

/// What is shorter is counted, not named: ten thousand small files are no news.
const SHORT: Duration = Duration::from_millis(1);

/// A piece of work that has begun.
pub struct Begun {
    kind: Kind,
    at: f64,
    clock: Instant,
}

/// Begins a piece of work.
pub fn begin(kind: Kind) -> Begun {
    Begun {
        kind,
        at: uptime(),
        clock: Instant::now(),
    }
}

impl Begun {
    /// Keeps it, now that it has ended; `count` is the number of operations, `bytes` what came.
    pub fn end(self, what: impl FnOnce() -> String, count: usize, bytes: Option<u64>) {
        let took = self.clock.elapsed();
        if took < SHORT {
            return kept(Kept::pass_over);
        }
        let work = Work {
            kind: self.kind,
            what: what(),
            count,
            begun: rounded(self.at),
            seconds: rounded(took.as_secs_f64()),
            bytes,
        };
        kept(|kept| kept.add(work));
    }
}

/// Gives what was kept so far to the stage that ends.
pub fn give(stage: &mut Stage) {
    kept(|kept| kept.give(stage));
}

fn kept(with: impl FnOnce(&mut Kept)) {
    // A list that is whole at any time.
    with(&mut KEPT.lock().unwrap_or_else(PoisonError::into_inner));
}

/// Seconds since the kernel started; since this stage did, where nobody says.
pub fn uptime() -> f64 {
    let (clock, then) = *START;
    then + clock.elapsed().as_secs_f64()
}

/// proc_uptime(5): seconds and hundredths. Read as whole numbers, because a parser of fractions is 12 KB of an initramfs.
fn read_uptime() -> f64 {
    let text = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
    let first = text.split(' ').next().unwrap_or_default();
    let digits: String = first.chars().filter(char::is_ascii_digit).collect();
    let hundredths: u32 = digits.parse().unwrap_or(0);
    f64::from(hundredths) / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_ended_is_given_once() {
        let begun = begin(Kind::Transfer);
        std::thread::sleep(SHORT);
        begun.end(|| "https://h/a".into(), 1, Some(7));
        begin(Kind::Operation).end(|| unreachable!(), 1, None);
        let mut stage = Stage::default();
        give(&mut stage);
        let [work] = stage.work.as_slice() else {
            panic!("{stage:?}")
        };
        assert_eq!((work.what.as_str(), work.bytes), ("https://h/a", Some(7)));
        assert!(work.begun > 0.0 && work.seconds > 0.0, "{work:?}");
        assert_eq!(stage.left_out, 1);
        give(&mut stage);
        assert_eq!(stage.work, []);
    }
}
