//! How a stage is called: the settings that the drop-in command line and the environment give.

use std::path::PathBuf;
use std::time::Duration;

use pilotlight_core::{cmdline, decimal};
use pilotlight_providers::Platform;

/// The kernel argument that bounds requests for configs: whoever stands before a machine that waits for ever
/// can restart it with a bound and read why.
const BOUND_KEY: &str = "pilotlight.fetch_timeout";

pub use pilotlight_core::plan::Stage;

/// A switch in the environment: everything but Go's spellings of false is true.
pub fn truth(text: &str) -> bool {
    !matches!(text, "0" | "f" | "F" | "false" | "FALSE" | "False")
}

/// In nanoseconds.
const SECOND: u128 = 1_000_000_000;

/// A Go duration (time.ParseDuration): decimal numbers with units, as in `1m30s` or `1.5h`.
pub fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    // In units of 10⁻²⁷ seconds.
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let number = decimal::scaled(&rest[..digits])?;
        rest = &rest[digits..];
        let unit_len = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        let unit = match &rest[..unit_len] {
            "ns" => 1,
            "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
            "ms" => 1_000_000,
            "s" => SECOND,
            "m" => 60 * SECOND,
            "h" => 3600 * SECOND,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(unit)?)?;
        rest = &rest[unit_len..];
    }
    if matches!(text, "" | "+") {
        return None;
    }
    let nanoseconds = total / decimal::SCALE;
    let seconds = u64::try_from(nanoseconds / SECOND).ok()?;
    let rest = u32::try_from(nanoseconds % SECOND).ok()?;
    Some(Duration::new(seconds, rest))
}

/// Everything that a stage is told from outside.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the machine runs.
    pub platform: Platform,
    /// Which stage to run.
    pub stage: Stage,
    /// The new root; unused by the stages up to disks.
    pub root: PathBuf,
    /// The merged config, from the fetch stages to the later ones.
    pub config_cache: PathBuf,
    /// Made by fetch-offline when the network is needed.
    pub neednet: PathBuf,
    /// What the stages so far did.
    pub state_file: PathBuf,
    /// Longest time of one request for a config, with all its attempts and at all addresses of a platform;
    /// `None` is for ever. The kernel argument `pilotlight.fetch_timeout` counts more.
    pub fetch_timeout: Option<Duration>,
    /// Log to standard output instead of the journal.
    pub log_to_stdout: bool,
    /// Directories of base and user configs: run, local, distribution.
    pub config_dirs: [PathBuf; 3],
    /// The kernel command line.
    pub cmdline: PathBuf,
    /// Write SSH keys to authorized_keys.d/ignition rather than to authorized_keys.
    pub ssh_key_fragment: bool,
    /// Refuse configs that only warnings were found in (`PILOTLIGHT_STRICT`).
    pub strict: bool,
}

impl Options {
    /// The standing places, as the environment changes them (names are Ignition's).
    pub fn new(
        platform: Platform,
        stage: Stage,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let path = |name: &str, default: &str| {
            PathBuf::from(variable(name).unwrap_or_else(|| default.into()))
        };
        Self {
            platform,
            stage,
            root: PathBuf::from("/"),
            config_cache: "/run/ignition.json".into(),
            neednet: "/run/ignition/neednet".into(),
            state_file: "/run/ignition/state".into(),
            fetch_timeout: None,
            log_to_stdout: false,
            config_dirs: [
                path("IGNITION_SYSTEM_RUNTIME_CONFIG_DIR", "/run/ignition"),
                path("IGNITION_SYSTEM_LOCAL_CONFIG_DIR", "/etc/ignition"),
                path("IGNITION_SYSTEM_CONFIG_DIR", "/usr/lib/ignition"),
            ],
            cmdline: path("IGNITION_KERNEL_CMDLINE_PATH", "/proc/cmdline"),
            ssh_key_fragment: variable("IGNITION_WRITE_AUTHORIZED_KEYS_FRAGMENT")
                .is_none_or(|text| truth(&text)),
            strict: variable("PILOTLIGHT_STRICT").is_some_and(|text| truth(&text)),
        }
    }

    /// The bound of one request for a config, as the kernel command line changes it: a duration, or a number
    /// of seconds; 0 is for ever. The error says what the argument is.
    pub fn bound_by(&self, kernel_line: &str) -> Result<Option<Duration>, String> {
        let Some(text) = cmdline::last_value(kernel_line, &[BOUND_KEY]) else {
            return Ok(self.fetch_timeout);
        };
        let seconds = text.parse().ok().map(Duration::from_secs);
        match seconds.or_else(|| duration(&text)) {
            Some(bound) => Ok(Some(bound).filter(|bound| !bound.is_zero())),
            None => Err(format!(
                "the kernel argument {BOUND_KEY}={text} is no time such as 300 or 5m"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_gos() {
        for (text, nanoseconds) in [
            ("0", Some(0)),
            ("+0", Some(0)),
            ("1m30s", Some(90_000_000_000)),
            ("+1.5h", Some(5_400_000_000_000)),
            (".5s", Some(500_000_000)),
            ("1.s", Some(1_000_000_000)),
            ("2ms3us4\u{b5}s5\u{3bc}s6ns", Some(2_012_006)),
            ("0.1s", Some(100_000_000)),
            ("1.9ns", Some(1)),
            ("", None),
            ("+", None),
            ("-1s", None),
            ("1", None),
            ("1m30", None),
            ("1 s", None),
            (".s", None),
            ("1.5.5s", None),
            ("1e3s", None),
            ("1d", None),
            ("1000000000000000000000000h", None),
        ] {
            let expected = nanoseconds.map(Duration::from_nanos);
            assert_eq!(duration(text), expected, "{text:?}");
        }
    }

    #[test]
    fn the_kernel_line_bounds_requests() {
        let seconds = |seconds| Ok(Some(Duration::from_secs(seconds)));
        for (line, bound) in [
            ("root=LABEL=x", seconds(9)),
            ("pilotlight.fetch_timeout=300", seconds(300)),
            ("pilotlight.fetch_timeout=1m30s", seconds(90)),
            ("pilotlight.fetch_timeout=0", Ok(None)),
            ("pilotlight.fetch_timeout=", seconds(9)),
            (
                "pilotlight.fetch_timeout=300 pilotlight.fetch_timeout=0s",
                Ok(None),
            ),
            (
                "pilotlight.fetch_timeout=soon",
                Err("the kernel argument pilotlight.fetch_timeout=soon is no time such as 300 or 5m".to_owned()),
            ),
        ] {
            let mut options = Options::new(Platform::Metal, Stage::Fetch, |_| None);
            assert_eq!(options.fetch_timeout, None);
            options.fetch_timeout = Some(Duration::from_secs(9));
            assert_eq!(options.bound_by(line), bound, "{line}");
        }
    }
}
