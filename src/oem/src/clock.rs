//! The time of day after the machine has been moved to another host (Compute Engine docs, "Live migration process").
//!
//! While it is moved the machine stands still, and its time of day with it: for seconds, sometimes for minutes. The
//! hardware's clock is the host's and goes on. Whoever keeps time by the network (chrony, systemd-timesyncd) mends a
//! small gap by going faster for hours: so a gap that is no small one is closed at once. What is within that is theirs.

use std::path::Path;
use std::time::Duration;

use pilotlight_sys::clock;
use tokio::time::sleep;

/// The smallest gap that is closed. The hardware's clock is read within some milliseconds of its tick, and networks
/// keep time better than that.
const GAP: Duration = Duration::from_millis(500);
/// How often the hardware's clock is read until it ticks, and how long it may take: it ticks every second.
const LOOK: Duration = Duration::from_millis(5);
const TICK: Duration = Duration::from_millis(2500);

/// The platform's mark of what its clock has gone through.
#[derive(Debug, Default)]
pub struct Token(Option<String>);

impl Token {
    /// Takes the platform's word; whether it is another one than before. The first one says nothing of a change.
    pub fn is_new(&mut self, said: Option<String>) -> bool {
        let Some(said) = said else {
            return false;
        };
        let before = self.0.replace(said);
        before.is_some() && before != self.0
    }
}

/// What a machine's time of day becomes, where it is to be set: both as times since 1970.
fn step(hardware: Duration, now: Duration) -> Option<Duration> {
    (hardware.abs_diff(now) >= GAP).then_some(hardware)
}

/// Closes the gap between the time of day and the hardware's clock, and tells what was done.
pub async fn put_right() {
    match put_right_by(Path::new(clock::RTC)).await {
        Ok(done) => tracing::info!("{done}"),
        Err(why) => {
            tracing::warn!("the machine was moved, and its time of day is not compared: {why}")
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
        let mut token = Token::default();
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
