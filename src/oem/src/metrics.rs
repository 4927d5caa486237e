//! Figures for node-exporter's collector of text files (Prometheus, "Exposition formats").

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use crate::network::Outcome;

/// What has happened since the daemon began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Answers of the platform that could be used.
    pub answers: u64,
    /// Requests that failed.
    pub failures: u64,
    /// Seconds since 1970 of the last answer that could be used; 0 where there was none.
    pub last_answer: u64,
    /// Looks at the network.
    pub rounds: u64,
    /// Operations that changed something.
    pub operations: u64,
    /// Operations that the kernel refused.
    pub refused: u64,
    /// What is wanted and is not so.
    pub unmet: usize,
    /// What of the last answer was left out.
    pub left_out: usize,
}

impl Figures {
    /// Counts a round.
    pub fn count(&mut self, outcome: &Outcome) {
        self.rounds += 1;
        self.operations += outcome.done as u64;
        self.refused += outcome.failed as u64;
        self.unmet = outcome.unmet;
        self.left_out = outcome.left_out;
    }

    /// The text of the file.
    pub fn text(&self, platform: &str) -> String {
        let mut text = String::new();
        let figures: [(&str, &str, &str, u64); 8] = [
            (
                "answers_total",
                "counter",
                "Answers of the platform that could be used.",
                self.answers,
            ),
            (
                "failures_total",
                "counter",
                "Requests to the platform that failed.",
                self.failures,
            ),
            (
                "last_answer_timestamp_seconds",
                "gauge",
                "When the platform last gave an answer that could be used.",
                self.last_answer,
            ),
            (
                "rounds_total",
                "counter",
                "Looks at the network.",
                self.rounds,
            ),
            (
                "operations_total",
                "counter",
                "Operations that changed the network.",
                self.operations,
            ),
            (
                "refused_total",
                "counter",
                "Operations that the kernel refused.",
                self.refused,
            ),
            (
                "unmet",
                "gauge",
                "What is wanted of the network and is not so.",
                self.unmet as u64,
            ),
            (
                "left_out",
                "gauge",
                "What of the last answer was left out.",
                self.left_out as u64,
            ),
        ];
        for (name, kind, help, value) in figures {
            // Writing to a String cannot fail.
            let _ = write!(
                text,
                "# HELP pilotlight_oem_{name} {help}\n# TYPE pilotlight_oem_{name} {kind}\n\
                 pilotlight_oem_{name}{{platform=\"{platform}\"}} {value}\n"
            );
        }
        text
    }

    /// Writes the file, which appears whole: the collector may read it at any time.
    pub fn write(&self, platform: &str, path: &Path) -> io::Result<()> {
        pilotlight_sys::replace_file(path, self.text(platform).as_bytes(), 0o644)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_has_its_lines() {
        let mut figures = Figures {
            answers: 2,
            last_answer: 1_900_000_000,
            ..Figures::default()
        };
        let outcome = Outcome {
            done: 3,
            failed: 1,
            unmet: 4,
            left_out: 5,
        };
        figures.count(&outcome);
        figures.count(&outcome);
        let text = figures.text("gcp");
        let values: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            values,
            [
                "pilotlight_oem_answers_total{platform=\"gcp\"} 2",
                "pilotlight_oem_failures_total{platform=\"gcp\"} 0",
                "pilotlight_oem_last_answer_timestamp_seconds{platform=\"gcp\"} 1900000000",
                "pilotlight_oem_rounds_total{platform=\"gcp\"} 2",
                "pilotlight_oem_operations_total{platform=\"gcp\"} 6",
                "pilotlight_oem_refused_total{platform=\"gcp\"} 2",
                "pilotlight_oem_unmet{platform=\"gcp\"} 4",
                "pilotlight_oem_left_out{platform=\"gcp\"} 5",
            ]
        );
    }
}
