//! The time of day after the machine has been moved to another host (Compute Engine docs, "Live migration process").
//!
//! While it is moved the machine stands still, and its time of day with it: for seconds, sometimes for minutes. The
//! hardware's clock is the host's and goes on. Whoever keeps time by the network (chrony, systemd-timesyncd) mends a
//! small gap by going faster for hours: so a gap that is no small one is closed at once. What is within that is theirs.

use std::path::Path;
use std::time::Duration;

use pilotlight_providers::Platform;
use pilotlight_sys::clock;
use tokio::time::sleep;

use crate::kept::Kept;

/// The smallest gap that is closed. The hardware's clock is read within some milliseconds of its tick, and networks
/// keep time better than that.
const GAP: Duration = Duration::from_millis(500);
/// How often the hardware's clock is read until it ticks, and how long it may take: it ticks every second.
const LOOK: Duration = Duration::from_millis(5);
const TICK: Duration = Duration::from_millis(2500);

/// The platform's mark of what its clock has gone through, kept for the next start: the machine may be moved while
/// nobody listens.
#[derive(Debug)]
pub struct Token {
    said: Option<String>,
    kept: Option<String>,
    /// Whether nothing has been done yet about what was said last.
    is_owed: bool,
    platform: Platform,
    file: Kept,
}

impl Token {
    /// The one that was heard last, which is kept below the directory of states.
    pub fn of(state: &Path, platform: Platform) -> Self {
        let file = Kept::of(state.join("clock/token.json"));
        let kept = file.load(platform).unwrap_or_else(|error| {
            tracing::warn!("what was kept of the clock's mark is not used: {error}");
            None
        });
        Self {
            said: kept.clone(),
            kept,
            is_owed: false,
            platform,
            file,
        }
    }

    /// Takes the platform's word; whether it is another one than before. The very first one says nothing of a change.
    pub fn is_new(&mut self, said: Option<String>) -> bool {
        let Some(said) = said else {
            return false;
        };
        let before = self.said.replace(said);
        let is_new = before.is_some() && before != self.said;
        self.is_owed |= is_new;
        is_new
    }

    /// The time of day is right now.
    pub fn done(&mut self) {
        self.is_owed = false;
        self.keep();
    }

    /// Keeps the platform's last word, unless something is owed: then the next start is to hear of it again.
    pub fn keep(&mut self) {
        if self.is_owed || self.said == self.kept {
            return;
        }
        let Some(said) = &self.said else { return };
        match self.file.save(self.platform, said) {
            Ok(()) => self.kept = Some(said.clone()),
            Err(error) => {
                tracing::warn!("the clock's mark could not be kept for the next start: {error}");
            }
        }
    }
}

/// What a machine's time of day becomes, where it is to be set: both as times since 1970.
fn step(hardware: Duration, now: Duration) -> Option<Duration> {
    (hardware.abs_diff(now) >= GAP).then_some(hardware)
}

/// Closes the gap between the time of day and the hardware's clock, and tells what was done; whether there is none now.
pub async fn put_right() -> bool {
    match put_right_by(Path::new(clock::RTC)).await {
        Ok(done) => {
            tracing::info!("{done}");
            true
        }
        Err(why) => {
            tracing::warn!("the machine was moved, and its time of day is not compared: {why}");
            false
        }
    }
}

async fn put_right_by(file: &Path) -> Result<String, String> {
    let hardware = ticks(file).await?;
    let now = clock::now();
    let Some(then) = step(hardware, now) else {
        return Ok("the machine was moved: its time of day is that of its hardware".into());
    };
    clock::set(then).map_err(|error| format!("while setting it: {error}"))?;
    let gap = then.abs_diff(now).as_secs_f64();
    let way = if then > now { "forward" } else { "back" };
    Ok(format!(
        "the machine was moved: its time of day is set {way} by {gap:.3} s, to that of its hardware"
    ))
}

/// The hardware's clock at the moment at which it ticks: between ticks it does not say where it is.
async fn ticks(file: &Path) -> Result<Duration, String> {
    let read = || {
        let seconds = clock::hardware(file)
            .map_err(|error| format!("while reading {}: {error}", file.display()))?;
        seconds.ok_or_else(|| format!("{} is not there", file.display()))
    };
    let first = read()?;
    let begun = tokio::time::Instant::now();
    while begun.elapsed() < TICK {
        sleep(LOOK).await;
        let seconds = read()?;
        if seconds != first {
            return Ok(Duration::from_secs(seconds));
        }
    }
    Err(format!("the clock in {} stands still", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_what_is_not_as_before() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("clock")).unwrap();
        let mut token = Token::of(dir.path(), Platform::Gcp);
        let heard = [
            None,
            Some("0"),
            Some("0"),
            None,
            Some("7"),
            Some("7"),
            Some("0"),
        ];
        let new = heard.map(|said| token.is_new(said.map(str::to_string)));
        assert_eq!(new, [false, false, false, false, true, false, true]);
        // Nothing was done about it: the next start hears of it again.
        let mut next = Token::of(dir.path(), Platform::Gcp);
        assert!(!next.is_new(Some("0".into())), "it is the first word");
        next.keep();
        for (said, new) in [("0", false), ("8", true), ("8", true)] {
            let mut next = Token::of(dir.path(), Platform::Gcp);
            assert_eq!(next.is_new(Some(said.into())), new, "{said}");
        }
        let mut next = Token::of(dir.path(), Platform::Gcp);
        next.is_new(Some("8".into()));
        next.keep();
        assert!(Token::of(dir.path(), Platform::Gcp).is_new(Some("8".into())));
        next.done();
        assert!(!Token::of(dir.path(), Platform::Gcp).is_new(Some("8".into())));
        // Of another platform, and of no form.
        assert!(!Token::of(dir.path(), Platform::Aws).is_new(Some("9".into())));
        std::fs::write(dir.path().join("clock/token.json"), "{").unwrap();
        assert!(!Token::of(dir.path(), Platform::Gcp).is_new(Some("9".into())));
    }

    #[test]
    fn small_gaps_are_others() {
        let at = |milliseconds| Duration::from_millis(milliseconds);
        for (hardware, now, expected) in [
            (5_000, 5_004, None),
            (5_000, 4_501, None),
            (5_000, 4_500, Some(5_000)),
            (5_000, 65_000, Some(5_000)),
            (5_000, 0, Some(5_000)),
        ] {
            assert_eq!(
                step(at(hardware), at(now)),
                expected.map(at),
                "{hardware} {now}"
            );
        }
    }

    #[test]
    fn a_clock_that_is_not_there_or_stands_still_sets_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("since_epoch");
        let run = || {
            pilotlight_fetch::blocking(put_right_by(&file))
                .unwrap()
                .unwrap_err()
        };
        assert!(run().contains("is not there"));
        std::fs::write(&file, "soon\n").unwrap();
        assert!(run().contains("while reading"));
        std::fs::write(&file, "1900000000\n").unwrap();
        assert!(run().contains("stands still"));
    }
}
