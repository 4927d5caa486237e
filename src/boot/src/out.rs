//! Standard output.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;

/// Writes to standard output. Whoever reads may stop early, as `head` does: that is no error.
pub fn out(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("while writing to standard output")
        }
        _ => Ok(()),
    }
}

/// Writes the last that a program has to say; answers its exit code.
pub fn last(text: &str) -> ExitCode {
    ended(out(text).map(|()| ExitCode::SUCCESS))
}

/// The exit code of a job; what ended it early goes to standard error.
pub fn ended(outcome: anyhow::Result<ExitCode>) -> ExitCode {
    outcome.unwrap_or_else(|error| {
        eprintln!("{}", format!("{error:#}").trim_end());
        ExitCode::FAILURE
    })
}
