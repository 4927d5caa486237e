//! What went wrong, as the engine passes it up and as a person reads it on the console.

use pilotlight_core::diag::{Diagnostic, Report, Sources};

/// A stage's end without success.
#[derive(Debug)]
pub struct Failure {
    /// What went wrong, with places in the config where there are any.
    pub report: Report,
    /// The texts that the places are in.
    pub sources: Sources,
}

impl Failure {
    /// A failure that no line of the config is to blame for.
    pub fn new(message: impl Into<String>) -> Self {
        Self::diagnostic(Diagnostic::error(None, message), Sources::default())
    }

    /// A failure with one finding.
    pub fn diagnostic(diagnostic: Diagnostic, sources: Sources) -> Self {
        Self {
            report: Report {
                items: vec![diagnostic],
            },
            sources,
        }
    }

    /// The findings as text.
    pub fn render(&self) -> String {
        self.report.render(&self.sources)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.render().trim_end())
    }
}

impl std::error::Error for Failure {}
