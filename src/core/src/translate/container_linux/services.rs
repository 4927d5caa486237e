//! The sections for services: to the files, units and drop-ins that they stand for.

use crate::dataurl;
use crate::decimal;
use crate::diag::{Diagnostic, nearest};
use crate::spec::container_linux::{Docker, Locksmith, Update};
use crate::spec::v2;
use crate::spec::{At, Wire as _};
use crate::translate::{Translation, at};

use super::options::{Options, etcd, flannel};
use super::text::{quoted, unit, with_variables};

/// All such sections of a config.
pub(super) struct Sections<'n> {
    pub(super) update: Update,
    pub(super) locksmith: Locksmith,
    pub(super) docker: Docker,
    pub(super) etcd: Option<Options<'n>>,
    pub(super) flannel: Option<Options<'n>>,
}

impl Sections<'_> {
    pub(super) fn add_to(self, config: &mut v2::Config, cx: &mut Translation<'_>) {
        let span = self.update.said().or(self.locksmith.said()).flatten();
        let settings = update_settings(self.update, self.locksmith, cx);
        if !settings.is_empty() {
            config.storage.files.push(v2::File {
                at: span,
                filesystem: at("root".to_string(), span),
                path: at("/etc/flatcar/update.conf".to_string(), span),
                mode: at(0o644, span),
                contents: v2::Contents {
                    at: span,
                    source: at(dataurl::shortest(settings.as_bytes()), span),
                    ..v2::Contents::default()
                },
                ..v2::File::default()
            });
        }
        let units = &mut config.systemd.units;
        if let Some(first) = self.docker.flags.first() {
            let flags: Vec<&str> = self
                .docker
                .flags
                .iter()
                .map(|flag| flag.value.as_str())
                .collect();
            if let Some(flags) = quoted(&flags.join(" "), first.span, cx) {
                let text = format!("[Service]\nEnvironment=\"DOCKER_OPTS={flags}\"\n");
                units.push(unit(
                    "docker.service",
                    "20-clct-docker.conf",
                    text,
                    first.span,
                ));
            }
        }
        units.extend(self.etcd.and_then(|options| etcd(options, cx)));
        units.extend(self.flannel.and_then(|options| flannel(options, cx)));
    }
}

/// When a window opens and for how long, as the transpiler checked it.
fn window(locksmith: &Locksmith, cx: &mut Translation<'_>) {
    let mut refuse = |word: &At<String>, what: &str, help: &str| {
        let message = format!("{:?} is no {what}", word.value);
        cx.report
            .push(Diagnostic::error(word.span, message).help(help));
    };
    if let Some(start) = stated(&locksmith.window_start)
        && !is_window_start(&start.value)
    {
        refuse(
            start,
            "start of a window",
            "write a day and a time, as in Sun 14:00, or a time alone",
        );
    }
    if let Some(length) = stated(&locksmith.window_length)
        && !is_duration(&length.value)
    {
        refuse(length, "length of a window", "write it as in 2h or 1h30m");
    }
}

fn stated(word: &Option<At<String>>) -> Option<&At<String>> {
    word.as_ref().filter(|word| !word.value.is_empty())
}

/// `Sun 14:00`, `14:00`, `4:05`.
fn is_window_start(text: &str) -> bool {
    const DAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
    let mut words = text.split_whitespace();
    let (day, time) = match (words.next(), words.next()) {
        (Some(day), Some(time)) => (Some(day), time),
        _ => (None, text),
    };
    let number = |digits: &str, most: u8| {
        digits.bytes().all(|byte| byte.is_ascii_digit())
            && digits.parse::<u8>().is_ok_and(|number| number <= most)
    };
    day.is_none_or(|day| DAYS.iter().any(|known| known.eq_ignore_ascii_case(day)))
        && time.split_once(':').is_some_and(|(hours, minutes)| {
            hours.len() <= 2 && number(hours, 23) && minutes.len() == 2 && number(minutes, 59)
        })
}

/// A duration as Go writes it: numbers with units, `1h30m`, `1.5h`; 0 alone has none.
fn is_duration(text: &str) -> bool {
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return true;
    }
    let is_of_number = |c: char| c.is_ascii_digit() || c == '.';
    let mut any = false;
    while let Some(unit) = rest.find(|c: char| !is_of_number(c)) {
        let (number, behind) = rest.split_at(unit);
        let end = behind.find(is_of_number).unwrap_or(behind.len());
        let (unit, next) = behind.split_at(end);
        let is_known = matches!(unit, "ns" | "us" | "µs" | "μs" | "ms" | "s" | "m" | "h");
        if !is_known || !decimal::is_decimal(number) {
            return false;
        }
        any = true;
        rest = next;
    }
    any && rest.is_empty()
}

const STRATEGIES: &[&str] = &["reboot", "etcd-lock", "off", "best-effort"];

fn update_settings(update: Update, locksmith: Locksmith, cx: &mut Translation<'_>) -> String {
    if let Some(strategy) = &locksmith.reboot_strategy
        && !STRATEGIES
            .iter()
            .any(|known| known.eq_ignore_ascii_case(&strategy.value))
    {
        // "off" is a word that YAML may take for a boolean.
        let help = match nearest(&strategy.value, STRATEGIES) {
            Some(meant) => format!("did you mean {meant:?}?"),
            None => "known are reboot, etcd-lock and off (in quotes)".into(),
        };
        let message = format!("unknown reboot_strategy {:?}", strategy.value);
        cx.report
            .push(Diagnostic::error(strategy.span, message).help(help));
    }
    window(&locksmith, cx);
    if locksmith.window_start.is_some() != locksmith.window_length.is_some() {
        cx.report.error(
            locksmith.at,
            "window_start and window_length are stated together or not at all",
        );
    }
    let settings = [
        ("GROUP", update.group.map(lowered)),
        ("SERVER", update.server),
        ("PCR_POLICY_SERVER", update.pcr_policy_server),
        ("DOWNLOAD_USER", update.download_user),
        ("DOWNLOAD_PASSWORD", update.download_password),
        ("MACHINE_ALIAS", update.machine_alias),
        ("REBOOT_STRATEGY", locksmith.reboot_strategy.map(lowered)),
        ("LOCKSMITHD_REBOOT_WINDOW_START", locksmith.window_start),
        ("LOCKSMITHD_REBOOT_WINDOW_LENGTH", locksmith.window_length),
        ("LOCKSMITHD_GROUP", locksmith.group),
        ("LOCKSMITHD_ENDPOINT", locksmith.etcd_endpoints),
        ("LOCKSMITHD_ETCD_CAFILE", locksmith.etcd_cafile),
        ("LOCKSMITHD_ETCD_CERTFILE", locksmith.etcd_certfile),
        ("LOCKSMITHD_ETCD_KEYFILE", locksmith.etcd_keyfile),
    ];
    let mut text = String::new();
    for (name, value) in settings {
        let Some(value) = value.filter(|value| !value.value.is_empty()) else {
            continue;
        };
        // The file is read by shells and by systemd: what needs more than quotes is not taken.
        if value.value.contains(['\n', '\r', '"', '\\', '$', '`']) {
            cx.report.error(
                value.span,
                format!("{name} holds a character that its file cannot hold"),
            );
            continue;
        }
        if with_variables(&value.value).1 {
            cx.report.push(
                Diagnostic::error(
                    value.span,
                    "what only the running machine knows can stand in etcd and flannel, not here",
                )
                .help("write the address itself, or localhost"),
            );
            continue;
        }
        // The update engine reads its own without quotes.
        match name.starts_with("LOCKSMITHD") || name == "REBOOT_STRATEGY" {
            false => text.push_str(&format!("{name}={}\n", value.value)),
            true => text.push_str(&format!("{name}=\"{}\"\n", value.value)),
        }
    }
    text
}

fn lowered(word: At<String>) -> At<String> {
    At {
        value: word.value.to_ascii_lowercase(),
        ..word
    }
}

#[cfg(test)]
mod tests {
    use super::{is_duration, is_window_start};

    #[test]
    fn windows_are_the_transpilers() {
        for good in [
            "mon 00:00",
            "tue 23:59",
            "Sun 1:00",
            "SAT 12:00",
            "4:05",
            "14:00",
            "Thu  7:30",
        ] {
            assert!(is_window_start(good), "{good}");
        }
        for bad in [
            "mon00:00",
            "foo 00:00",
            "mon 0000",
            "mon 24:00",
            "14:60",
            "14:5",
            "monday 1:00",
            ":00",
            " 1:00",
            "1:00 ",
            "+1:00",
            "001:00",
            "1",
            "mon",
        ] {
            assert!(!is_window_start(bad), "{bad}");
        }
        for good in ["2h", "1h30m", "1.5h", "0", "90m", "-1h", "300ms", ".5h"] {
            assert!(is_duration(good), "{good}");
        }
        for bad in ["", "2", "2 h", "h", "1d", "1h30", "1..5h", "."] {
            assert!(!is_duration(bad), "{bad}");
        }
    }
}
