//! The person at the terminal.

use std::io::{BufRead as _, IsTerminal as _};

use pilotlight_boot::out::out;
use pilotlight_install::run::Terminal;
use pilotlight_install::shown::Shown;

use crate::commands::style;

/// Shows plans on standard output, and asks where somebody can answer.
pub struct Person {
    /// Whether standard output is for a program.
    pub json: bool,
    /// Whether plans are shown.
    pub shows: bool,
}

impl Terminal for Person {
    fn show(&self, shown: &Shown) {
        if !self.shows {
            return;
        }
        let text = match self.json {
            true => format!("{}\n", shown.json()),
            false => shown.text(style(&std::io::stdout())),
        };
        // Who reads no further has seen enough.
        let _ = out(&text);
    }

    fn ask(&self, question: &str) -> Option<bool> {
        if self.json || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            return None;
        }
        eprint!("{question} [yes/no] ");
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer).ok()?;
        Some(matches!(answer.trim(), "yes" | "y"))
    }
}
