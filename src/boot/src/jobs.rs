//! The jobs of the program of the initramfs under its own name.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use pilotlight_core::flags::{Flag, Flags, Given, Grammar, Kind, Stop};
use pilotlight_providers::Platform;

use crate::platform::{self, Detect, Metadata};
use crate::{out, report, rmcfg};

/// What `help` prints.
pub const USAGE: &str = "\
Usage: pilotlight JOB [FLAG...], the program of the initramfs
  detect [--json | --env | --words | --network-kargs] [--root DIR] [--cmdline FILE]
                                                              which platform this machine is of, and why
  metadata [--platform NAME] [--json | --attributes FILE] [--network-units DIR]
                                                              what the platform says of this machine
  report [--json] [--state FILE]                              what the stages of this boot did
  rmcfg [--platform NAME] [--applies]                         take the config away from where the hypervisor keeps it
  finish --root DIR                                           end what a first boot left: marks of volumes, its journal
  version

Called as ignition it runs a boot stage, called as ignition-rmcfg it takes the config away from the platform.
plan, apply, validate, convert and schema are jobs of the installed program, which has these as well.

Exit codes: 0 done, 1 failed, 2 wrong arguments.
";

/// Jobs of the installed program that have no place in an initramfs.
const INSTALLED: &[&str] = &["plan", "apply", "validate", "convert", "schema"];

const FLAGS: &[(&str, &[Flag])] = &[
    (
        "detect",
        &[
            ("json", Kind::Switch),
            ("env", Kind::Switch),
            ("words", Kind::Switch),
            ("network-kargs", Kind::Switch),
            ("root", Kind::Value),
            ("cmdline", Kind::Value),
        ],
    ),
    (
        "metadata",
        &[
            ("platform", Kind::Value),
            ("json", Kind::Switch),
            ("attributes", Kind::Value),
            ("network-units", Kind::Value),
        ],
    ),
    ("report", &[("json", Kind::Switch), ("state", Kind::Value)]),
    ("finish", &[("root", Kind::Value)]),
];

/// Does a job. Exit codes: 0 done, 1 failed, 2 wrong arguments.
pub fn run(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let job = arguments.next().unwrap_or_default();
    match job.to_str() {
        Some("help" | "-h" | "--help") => return out::last(USAGE),
        Some("version" | "-V" | "--version") => {
            let version = env!("CARGO_PKG_VERSION");
            return out::last(&format!(
                "pilotlight {version}, the program of the initramfs\n"
            ));
        }
        Some("rmcfg") => return rmcfg::rmcfg(arguments),
        Some(name) if INSTALLED.contains(&name) => return installed(name),
        _ => {}
    }
    match parse(&job, arguments) {
        Ok(Call::Detect(given)) => out::ended(platform::detect(&given)),
        Ok(Call::Metadata(given)) => out::ended(platform::metadata(&given)),
        Ok(Call::Report { state, json }) => {
            out::ended(report::read(Path::new(&state)).and_then(|left| report::show(&left, json)))
        }
        Ok(Call::Finish { root }) => out::ended(report::finish(Path::new(&root))),
        Err(Stop::Help) => out::last(USAGE),
        Err(stop) => {
            eprint!("pilotlight: {stop}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// Says where a job is to be had that this program does not do.
pub fn installed(job: &str) -> ExitCode {
    eprintln!(
        "{job} is a job of the installed program pilotlight; this is the program of the initramfs, pilotlight-boot, \
         which does what a boot needs: run it on a booted system, or see \"pilotlight help\""
    );
    ExitCode::from(2)
}

#[derive(Debug, PartialEq, Eq)]
enum Call {
    Detect(Detect),
    Metadata(Metadata),
    Report { state: OsString, json: bool },
    Finish { root: OsString },
}

/// The values of a job's flags; of one that is repeated the last counts.
#[derive(Default)]
struct JobFlags(Vec<Given>);

impl JobFlags {
    fn switch(&self, name: &str) -> bool {
        let last = self.0.iter().rev().find_map(|given| match given {
            Given::Switch(known, on) if *known == name => Some(*on),
            _ => None,
        });
        last.unwrap_or_default()
    }

    fn value(&self, name: &str) -> Option<&OsStr> {
        self.0.iter().rev().find_map(|given| match given {
            Given::Value(known, value) if *known == name => Some(value.as_os_str()),
            _ => None,
        })
    }

    /// Fails if two were given of which only one can be done.
    fn either(&self, one: &str, other: &str) -> Result<(), Stop> {
        let there = |name| self.switch(name) || self.value(name).is_some();
        if there(one) && there(other) {
            return Err(Stop::Wrong(format!(
                "--{one} and --{other} exclude each other"
            )));
        }
        Ok(())
    }
}

fn parse(job: &OsStr, arguments: impl Iterator<Item = OsString>) -> Result<Call, Stop> {
    let Some((job, known)) = FLAGS.iter().find(|(known, _)| job == *known) else {
        return Err(Stop::Wrong(match job.is_empty() {
            true => "which job?".into(),
            false => format!("unknown job {job:?}"),
        }));
    };
    let mut parser = Flags::new(Grammar::Gnu, known, arguments);
    let flags = JobFlags(parser.by_ref().collect::<Result<_, _>>()?);
    if let Some(word) = parser.words().first() {
        return Err(Stop::Wrong(format!("{job}: {word:?} is no flag")));
    }
    Ok(match *job {
        "detect" => {
            flags.either("json", "env")?;
            flags.either("json", "words")?;
            flags.either("env", "words")?;
            for other in ["json", "env", "words"] {
                flags.either(other, "network-kargs")?;
            }
            Call::Detect(Detect {
                json: flags.switch("json"),
                env: flags.switch("env"),
                words: flags.switch("words"),
                network_kargs: flags.switch("network-kargs"),
                root: flags.value("root").unwrap_or("/".as_ref()).into(),
                cmdline: flags.value("cmdline").map(Into::into),
            })
        }
        "metadata" => {
            flags.either("json", "attributes")?;
            flags.either("json", "network-units")?;
            let platform = flags.value("platform").map(OsStr::to_string_lossy);
            Call::Metadata(Metadata {
                platform: platform
                    .map(|name| Platform::parse(&name))
                    .transpose()
                    .map_err(Stop::Wrong)?,
                json: flags.switch("json"),
                attributes: flags.value("attributes").map(Into::into),
                network_units: flags.value("network-units").map(Into::into),
            })
        }
        "report" => Call::Report {
            state: flags
                .value("state")
                .unwrap_or(report::STATE.as_ref())
                .into(),
            json: flags.switch("json"),
        },
        _ => Call::Finish {
            root: flags
                .value("root")
                .ok_or_else(|| Stop::Wrong("flag --root is missing".into()))?
                .into(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(line: &str) -> Result<Call, Stop> {
        let mut words = line.split(' ').map(OsString::from);
        let job = words.next().unwrap();
        parse(&job, words)
    }

    #[test]
    fn jobs_have_the_flags_of_the_installed_program() {
        let detect = Detect {
            json: false,
            env: true,
            words: false,
            network_kargs: false,
            root: "/".into(),
            cmdline: Some("/c".into()),
        };
        assert_eq!(call("detect --env --cmdline /c"), Ok(Call::Detect(detect)));
        let metadata = Metadata {
            platform: Some(Platform::Aws),
            attributes: Some("/a".into()),
            ..Metadata::default()
        };
        assert_eq!(
            call("metadata --platform=ec2 --attributes /a"),
            Ok(Call::Metadata(metadata))
        );
        assert_eq!(
            call("report --json"),
            Ok(Call::Report {
                state: "/run/ignition/state".into(),
                json: true
            })
        );
        assert_eq!(
            call("finish --root=/sysroot"),
            Ok(Call::Finish {
                root: "/sysroot".into()
            })
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, expected) in [
            ("", "which job?"),
            ("erase", "unknown job \"erase\""),
            ("finish", "flag --root is missing"),
            ("detect --env --json", "--json and --env exclude each other"),
            (
                "metadata --json --attributes x",
                "--json and --attributes exclude each other",
            ),
            ("metadata --platform vax", "unknown platform \"vax\"; "),
            ("report --env", "unknown flag --env"),
            ("report now", "report: \"now\" is no flag"),
        ] {
            let stop = call(line).unwrap_err().to_string();
            assert!(stop.starts_with(expected), "{line}: {stop}");
        }
    }
}
