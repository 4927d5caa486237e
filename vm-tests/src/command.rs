//! Child processes whose failure says what was run and what it answered.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Runs a command to its end and returns its standard output; a failure carries the end of its
/// standard error.
pub fn output(command: &mut Command) -> Result<String> {
    let shown = format!("{command:?}");
    let result = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("while starting {shown}"))?;
    if !result.status.success() {
        let said = String::from_utf8_lossy(&result.stderr);
        bail!(
            "while running {shown}: {}\n{}",
            result.status,
            tail(&said, 20)
        );
    }
    Ok(String::from_utf8_lossy(&result.stdout).into_owned())
}

/// The last `count` lines of a text.
pub fn tail(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
