//! How an installation tells what it does: on a terminal, in plain lines, or in JSON lines.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use pilotlight_core::op::human;
use serde_json::json;

use crate::image::{Phase, Progress};

/// What an installation says while it runs. Calls come from several threads.
pub trait Voice: Send + Sync {
    /// Something that is to be known.
    fn note(&self, text: &str);
    /// An operation begins.
    fn begins(&self, line: &str, number: usize, of: usize);
    /// How far the image is.
    fn progress(&self, progress: &Progress);
    /// So many bytes have come, of so many, where the server told it.
    fn fetched(&self, done: u64, total: Option<u64>);
}

/// The form in which it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One line that is written over, with rate and time left.
    Terminal,
    /// A line now and then.
    Plain,
    /// JSON, a line each.
    Json,
}

/// Tells on standard error; JSON lines go to standard output.
pub struct Spoken {
    form: Form,
    state: Mutex<State>,
}

struct State {
    begun: Option<Instant>,
    last: Option<Instant>,
    /// Whether the line of the progress is on the screen.
    drawn: bool,
    packed: Option<u64>,
}

/// How often progress is told, on a terminal and in lines.
const DRAWN_EVERY: Duration = Duration::from_millis(200);
const SAID_EVERY: Duration = Duration::from_secs(10);
const JSON_EVERY: Duration = Duration::from_secs(1);

impl Spoken {
    /// Tells in a form; without one, in that which suits standard error.
    pub fn new(form: Option<Form>) -> Self {
        let form = form.unwrap_or_else(|| match std::io::stderr().is_terminal() {
            true => Form::Terminal,
            false => Form::Plain,
        });
        Self {
            form,
            state: Mutex::new(State {
                begun: None,
                last: None,
                drawn: false,
                packed: None,
            }),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn line(&self, text: &str) {
        let mut state = self.state();
        if std::mem::take(&mut state.drawn) {
            eprint!("\r\x1b[K");
        }
        eprintln!("{text}");
    }

    fn json(&self, value: &serde_json::Value) {
        let mut out = std::io::stdout();
        // Who reads no further has seen enough.
        let _ = writeln!(out, "{value}").and_then(|()| out.flush());
    }
}

impl Voice for Spoken {
    fn note(&self, text: &str) {
        match self.form {
            Form::Json => self.json(&json!({ "event": "note", "text": text })),
            _ => self.line(text),
        }
    }

    fn begins(&self, line: &str, number: usize, of: usize) {
        {
            let mut state = self.state();
            if std::mem::take(&mut state.drawn) {
                eprintln!();
            }
            state.begun = Some(Instant::now());
            state.last = None;
        }
        match self.form {
            Form::Json => self.json(&json!({
                "event": "operation", "number": number, "of": of, "line": line
            })),
            _ => self.line(&format!("[{number}/{of}] {line}")),
        }
    }

    fn progress(&self, progress: &Progress) {
        let every = match self.form {
            Form::Terminal => DRAWN_EVERY,
            Form::Plain => SAID_EVERY,
            Form::Json => JSON_EVERY,
        };
        let (since, packed) = {
            let mut state = self.state();
            if state.last.is_some_and(|last| last.elapsed() < every) {
                return;
            }
            state.last = Some(Instant::now());
            let begun = *state.begun.get_or_insert_with(Instant::now);
            (begun.elapsed(), state.packed)
        };
        match self.form {
            Form::Json => self.json(&json!({
                "event": "progress",
                "phase": phase(progress.phase),
                "packed": progress.packed,
                "packed_total": packed,
                "unpacked": progress.unpacked,
                "size": progress.size,
                "read_back": progress.read_back,
                "seconds": since.as_secs(),
            })),
            Form::Plain => self.line(&words(progress, since)),
            Form::Terminal => {
                eprint!("\r\x1b[K{}", words(progress, since));
                self.state().drawn = true;
            }
        }
    }

    fn fetched(&self, _: u64, total: Option<u64>) {
        self.state().packed = total;
    }
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Writing => "writing",
        Phase::Flushing => "flushing",
        Phase::ReadingBack => "reading back",
        Phase::Finishing => "finishing",
    }
}

/// Progress with rate and time left, after so long.
fn words(progress: &Progress, since: Duration) -> String {
    let done = match progress.phase {
        Phase::ReadingBack => progress.read_back,
        _ => progress.unpacked,
    };
    let mut out = format!("{}: {}", phase(progress.phase), human(done));
    if matches!(progress.phase, Phase::Flushing | Phase::Finishing) {
        return out;
    }
    if progress.size > 0 {
        let part = u128::from(done) * 100 / u128::from(progress.size);
        out.push_str(&format!(" of {}, {part} %", human(progress.size)));
    }
    let millis = since.as_millis();
    // A rate of the first moment says nothing.
    if progress.phase != Phase::Writing || millis < 500 || done == 0 {
        return out;
    }
    let rate = u64::try_from(u128::from(done) * 1000 / millis).unwrap_or(u64::MAX);
    // MiB are exact enough.
    let shown = if rate >> 20 == 0 {
        rate
    } else {
        rate >> 20 << 20
    };
    out.push_str(&format!(", {}/s", human(shown)));
    if progress.size > done && rate > 0 {
        let left = (progress.size - done) / rate;
        out.push_str(&match left {
            0..60 => format!(", {left} s left"),
            _ => format!(", {} min left", left.div_ceil(60)),
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_has_a_rate_and_a_time_left() {
        let progress = |phase, unpacked, size| Progress {
            phase,
            packed: 1,
            unpacked,
            size,
            read_back: 512 << 20,
        };
        let mib = |mib: u64| mib << 20;
        for (progress, seconds, expected) in [
            (
                progress(Phase::Writing, mib(1024), mib(4096)),
                10,
                "writing: 1 GiB of 4 GiB, 25 %, 102 MiB/s, 30 s left",
            ),
            (
                progress(Phase::Writing, mib(100), mib(8000)),
                10,
                "writing: 100 MiB of 8000 MiB, 1 %, 10 MiB/s, 14 min left",
            ),
            (progress(Phase::Writing, mib(3), 0), 0, "writing: 3 MiB"),
            (
                progress(Phase::ReadingBack, mib(1024), mib(1024)),
                10,
                "reading back: 512 MiB of 1 GiB, 50 %",
            ),
            (
                progress(Phase::Flushing, mib(1024), mib(1024)),
                10,
                "flushing: 1 GiB",
            ),
        ] {
            assert_eq!(words(&progress, Duration::from_secs(seconds)), expected);
        }
    }
}
