//! The old names that only the installed program answers to: `ignition-validate` and `ignition-apply`.

use std::ffi::OsString;
use std::process::ExitCode;

use pilotlight_boot::{out, version};
use pilotlight_core::flags::{Flag, Flags, Given, Grammar, Kind, Stop};

use crate::args::{Apply, Command, Input, ReadingArgs, Validate};
use crate::commands;

pub const VALIDATE_USAGE: &str = "\
Usage: ignition-validate [-version] CONFIG
  CONFIG is a file, or - for standard input
";

const VALIDATE_FLAGS: &[Flag] = &[("version", Kind::Switch)];

pub const APPLY_USAGE: &str = "\
Usage: ignition-apply [--root DIR] [--offline] [--ignore-unsupported] [--version] CONFIG
  CONFIG is a file, or - for standard input; DIR is / where --root is not given
";

const APPLY_FLAGS: &[Flag] = &[
    ("root", Kind::Value),
    ("offline", Kind::Switch),
    ("ignore-unsupported", Kind::Switch),
    ("version", Kind::Switch),
];

/// What one of them is to do.
#[derive(Debug)]
enum Call {
    Version,
    Do(Box<Command>),
    /// There is not exactly one config.
    NotOne,
}

/// Checks a config. Exit codes as the tool of that name has them: 0 it can be used, 1 it cannot or
/// there is not exactly one, 2 unknown flag.
pub fn ignition_validate(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    run(
        "ignition-validate",
        VALIDATE_USAGE,
        parse_validate(arguments),
    )
}

/// Writes a config into a tree. Exit codes as above.
pub fn ignition_apply(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    run("ignition-apply", APPLY_USAGE, parse_apply(arguments))
}

fn run(name: &str, usage: &str, call: Result<Call, Stop>) -> ExitCode {
    match call {
        Ok(Call::Do(command)) => commands::run(*command),
        Ok(Call::Version) => out::last(&format!("{}\n", version())),
        Ok(Call::NotOne) => {
            eprint!("{name}: exactly one config is read\n{usage}");
            ExitCode::FAILURE
        }
        Err(Stop::Help) => out::last(usage),
        Err(stop) => {
            eprint!("{name}: {stop}\n{usage}");
            ExitCode::from(2)
        }
    }
}

fn parse_validate(arguments: impl Iterator<Item = OsString>) -> Result<Call, Stop> {
    let mut version = false;
    let mut flags = Flags::new(Grammar::Go, VALIDATE_FLAGS, arguments);
    for given in &mut flags {
        if let Given::Switch(_, on) = given? {
            version = on;
        }
    }
    if version {
        return Ok(Call::Version);
    }
    Ok(one_config(flags.words(), |config| {
        Command::Validate(Validate {
            config: vec![config.into()],
            reading: ReadingArgs::default(),
            json: false,
        })
    }))
}

fn parse_apply(arguments: impl Iterator<Item = OsString>) -> Result<Call, Stop> {
    let mut root = OsString::from("/");
    let (mut offline, mut ignore_unsupported, mut version) = (false, false, false);
    let mut flags = Flags::new(Grammar::Gnu, APPLY_FLAGS, arguments);
    for given in &mut flags {
        match given? {
            Given::Value(_, value) => root = value,
            Given::Switch("offline", on) => offline = on,
            Given::Switch("ignore-unsupported", on) => ignore_unsupported = on,
            Given::Switch(_, on) => version = on,
        }
    }
    if version {
        return Ok(Call::Version);
    }
    Ok(one_config(flags.words(), |config| {
        Command::Apply(Apply {
            input: Input {
                config: config.into(),
                reading: ReadingArgs::default(),
            },
            root: root.into(),
            offline,
            ignore_unsupported,
        })
    }))
}

fn one_config(words: Vec<OsString>, command: impl FnOnce(OsString) -> Command) -> Call {
    match <[OsString; 1]>::try_from(words) {
        Ok([config]) => Call::Do(Box::new(command(config))),
        Err(_) => Call::NotOne,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_between_pflags_are_the_config() {
        let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        for (line, expected) in [
            ("--root /t --offline c.ign", Some(("c.ign", "/t", true))),
            ("c.ign --root=/t --offline=0", Some(("c.ign", "/t", false))),
            ("-- --root", Some(("--root", "/", false))),
            ("a b", None),
            ("--offline", None),
        ] {
            let call = parse_apply(words(line).into_iter()).unwrap();
            let given = match &call {
                Call::Do(command) => match &**command {
                    Command::Apply(given) => Some(given),
                    other => panic!("{other:?}"),
                },
                _ => None,
            };
            let given = given.map(|given| {
                let path = |path: &std::path::Path| path.display().to_string();
                (path(&given.input.config), path(&given.root), given.offline)
            });
            let expected =
                expected.map(|(config, root, offline)| (config.into(), root.into(), offline));
            assert_eq!(given, expected, "{line}");
        }
        let stop = parse_apply(words("-root /t c.ign").into_iter()).unwrap_err();
        assert_eq!(stop.to_string(), "unknown flag -root");
    }

    #[test]
    fn gos_flags_end_at_the_config() {
        let call = |line: &str| parse_validate(line.split(' ').map(OsString::from));
        assert!(matches!(call("c.ign"), Ok(Call::Do(_))));
        assert!(matches!(call("c.ign -version"), Ok(Call::NotOne)));
        assert!(matches!(call("-version c.ign"), Ok(Call::Version)));
        assert!(matches!(call("-- -version"), Ok(Call::Do(_))));
        assert!(call("-nope c.ign").is_err());
    }
}
