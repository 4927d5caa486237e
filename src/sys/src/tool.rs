//! Child processes: an argument list, no shell, no input, and in errors the end of what they said.

use std::io::{self, Read, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, ExitStatus, Stdio};

/// How much of a program's standard error is kept for the message, in bytes.
const TAIL: usize = 2000;

/// Why a program did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It could not be started.
    #[error("while starting {program}: {cause}")]
    Start {
        /// Its name.
        program: String,
        /// The reason.
        cause: io::Error,
    },
    /// Talking to it failed.
    #[error("while running {program}: {cause}")]
    Io {
        /// Its name.
        program: String,
        /// The reason.
        cause: io::Error,
    },
    /// It ran and failed.
    #[error("\"{line}\" ended with {status}{}", said(.tail))]
    Failed {
        /// Program and arguments.
        line: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of its standard error.
        tail: String,
    },
}

impl ToolError {
    /// The same error without a secret argument.
    pub fn without(self, secret: &str) -> Self {
        match self {
            ToolError::Failed { line, status, tail } if !secret.is_empty() => ToolError::Failed {
                line: line.replace(secret, "…"),
                status,
                tail: tail.replace(secret, "…"),
            },
            other => other,
        }
    }
}

fn said(tail: &str) -> String {
    match tail.trim() {
        "" => String::new(),
        text => format!(": {text}"),
    }
}

/// Runs a program found on PATH to its end and answers its standard output.
///
/// The arguments appear in errors, so they may not hold secrets; `input` may.
pub fn run<S: AsRef<str>>(
    program: &str,
    arguments: &[S],
    input: Option<&[u8]>,
) -> Result<Vec<u8>, ToolError> {
    run_bounded(program, arguments, input, u64::MAX - 1)
}

/// The same for a program whose output another machine decides: more than `limit` bytes are an error.
pub fn run_bounded<S: AsRef<str>>(
    program: &str,
    arguments: &[S],
    input: Option<&[u8]>,
    limit: u64,
) -> Result<Vec<u8>, ToolError> {
    let io = |cause| ToolError::Io {
        program: program.into(),
        cause,
    };
    let mut child = Command::new(program)
        .args(arguments.iter().map(AsRef::as_ref))
        // Messages are shown to people and searched for words.
        .env("LC_ALL", "C")
        // The lock of a disk is taken here: a program of util-linux that took it as well would wait for ever.
        .env_remove("LOCK_BLOCK_DEVICE")
        .stdin(if input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|cause| ToolError::Start {
            program: program.into(),
            cause,
        })?;
    // All three pipes are served side by side: a program that talks before it reads would wait for ever.
    let stderr = child.stderr.take();
    let tail = std::thread::spawn(move || stderr.map(last_bytes).unwrap_or_default());
    let feed = child
        .stdin
        .take()
        .zip(input.map(<[u8]>::to_vec))
        .map(|(mut stdin, input)| {
            // A program that does not read its input shows that by its exit status.
            std::thread::spawn(move || stdin.write_all(&input).is_ok())
        });
    let mut output = Vec::new();
    let read = match child.stdout.take() {
        Some(stdout) => stdout.take(limit + 1).read_to_end(&mut output),
        None => Ok(0),
    };
    let excess = output.len() as u64 > limit;
    if excess {
        // It may have ended by itself.
        let _ = child.kill();
    }
    let status = child.wait().map_err(io)?;
    read.map_err(io)?;
    if excess {
        return Err(io(io::Error::other(format!(
            "it says more than {limit} bytes"
        ))));
    }
    let tail = tail.join().unwrap_or_default();
    // The program has ended, so nothing reads any more and the thread ends as well.
    let _ = feed.map(std::thread::JoinHandle::join);
    if status.success() {
        return Ok(output);
    }
    let words: Vec<&str> = std::iter::once(program)
        .chain(arguments.iter().map(AsRef::as_ref))
        .collect();
    Err(ToolError::Failed {
        line: words.join(" "),
        status,
        tail: String::from_utf8_lossy(&tail).into_owned(),
    })
}

/// Whether PATH leads to a program of this name.
pub fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| {
        let file = directory.join(program).metadata();
        file.is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    })
}

/// Reads to the end and keeps the last bytes.
fn last_bytes(mut from: impl Read) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match from.read(&mut buffer) {
            Ok(0) | Err(_) => return kept,
            Ok(n) => {
                kept.extend_from_slice(&buffer[..n]);
                let surplus = kept.len().saturating_sub(TAIL);
                kept.drain(..surplus);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_the_program_said() {
        let error = run(
            "sh",
            &["-c", "echo first >&2; echo last words >&2; exit 3"],
            None,
        )
        .unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("exit status: 3") && text.ends_with("last words"),
            "{text}"
        );
        assert!(
            run("pilotlight-no-such-program", &["x"], None)
                .unwrap_err()
                .to_string()
                .contains("while starting")
        );
    }

    #[test]
    fn much_output_and_unread_input_do_not_hang() {
        let out = run(
            "sh",
            &[
                "-c",
                "head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2",
            ],
            Some(&[0; 200_000]),
        )
        .unwrap();
        assert_eq!(out.len(), 1_000_000);
        assert_eq!(run("cat", &[] as &[&str], Some(b"abc")).unwrap(), b"abc");
    }

    #[test]
    fn output_can_be_bounded() {
        let say = |limit| {
            run_bounded(
                "sh",
                &["-c", "printf 12345; exec cat /dev/null"],
                None,
                limit,
            )
        };
        assert_eq!(say(5).unwrap(), b"12345");
        let endless = run_bounded("cat", &["/dev/zero"], None, 1000).unwrap_err();
        assert!(
            endless.to_string().contains("more than 1000 bytes"),
            "{endless}"
        );
        assert!(say(4).is_err());
    }
}
