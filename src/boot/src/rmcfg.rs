//! `ignition-rmcfg`: takes the config away from where the platform keeps it, since it may hold secrets.

use std::ffi::OsString;
use std::process::ExitCode;

use pilotlight_core::flags::{Flag, Flags, Given, Grammar, Kind, Stop};
use pilotlight_providers::{Platform, vmware};
use pilotlight_sys::tool;

use crate::{out, version};

const USAGE: &str = "\
Usage: ignition-rmcfg --platform NAME [--log-to-stdout] [--version]
  Empties the variables of the hypervisor that hold the user config; NAME is vmware.
";

const FLAGS: &[Flag] = &[
    ("platform", Kind::Value),
    ("log-to-stdout", Kind::Switch),
    ("version", Kind::Switch),
];

/// Exit codes: 0 done, 1 failed or not to be done on this platform, 2 wrong flags.
pub fn ignition_rmcfg(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    match parse(arguments) {
        Ok(Call::Version) => out::last(&format!("{}\n", version())),
        Ok(Call::Forget {
            platform,
            log_to_stdout,
        }) => {
            pilotlight_host::log::start(log_to_stdout);
            out::ended(forget(platform).map(|()| ExitCode::SUCCESS))
        }
        Err(Stop::Help) => out::last(USAGE),
        Err(stop) => {
            eprint!("ignition-rmcfg: {stop}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Call {
    Version,
    Forget {
        platform: Platform,
        log_to_stdout: bool,
    },
}

fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Call, Stop> {
    let (mut platform, mut log_to_stdout, mut version) = (None, false, false);
    let mut flags = Flags::new(Grammar::Gnu, FLAGS, arguments);
    for given in &mut flags {
        match given? {
            Given::Switch("version", on) => version = on,
            Given::Switch(_, on) => log_to_stdout = on,
            Given::Value(_, value) => platform = Some(value),
        }
    }
    if version {
        return Ok(Call::Version);
    }
    if let Some(word) = flags.words().first() {
        return Err(Stop::Wrong(format!("{word:?} is no flag")));
    }
    let platform = platform.ok_or_else(|| Stop::Wrong("flag --platform is missing".into()))?;
    let platform = Platform::parse(&platform.to_string_lossy())
        .map_err(|why| Stop::Wrong(format!("flag --platform: {why}")))?;
    Ok(Call::Forget {
        platform,
        log_to_stdout,
    })
}

fn forget(platform: Platform) -> anyhow::Result<()> {
    anyhow::ensure!(
        platform == Platform::VmWare,
        "the platform {} keeps no config that could be taken away: only vmware does",
        platform.name()
    );
    for name in vmware::NAMES {
        for variable in [
            format!("guestinfo.{name}"),
            format!("guestinfo.{name}.encoding"),
        ] {
            // The variable's name, a blank, and nothing: that is the value.
            tool::run(
                pilotlight_host::RPC,
                &[format!("info-set {variable} ")],
                None,
            )
            .map_err(|error| anyhow::anyhow!("while emptying {variable}: {error}"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_flags_are_pflags() {
        let call = |line: &str| parse(line.split(' ').map(OsString::from));
        let forget = |platform, log_to_stdout| {
            Ok(Call::Forget {
                platform,
                log_to_stdout,
            })
        };
        assert_eq!(call("--platform vmware"), forget(Platform::VmWare, false));
        assert_eq!(
            call("--log-to-stdout --platform=qemu"),
            forget(Platform::Qemu, true)
        );
        assert_eq!(call("--version x"), Ok(Call::Version));
        for (line, expected) in [
            ("", "\"\" is no flag"),
            ("--log-to-stdout", "flag --platform is missing"),
            ("-platform=vmware", "unknown flag -platform=vmware"),
            (
                "--platform vax",
                "flag --platform: unknown platform \"vax\"; ",
            ),
        ] {
            let stop = call(line).unwrap_err().to_string();
            assert!(stop.starts_with(expected), "{line}: {stop}");
        }
    }

    #[test]
    fn other_platforms_are_refused() {
        let error = forget(Platform::Qemu).unwrap_err().to_string();
        assert!(
            error.starts_with("the platform qemu keeps no config"),
            "{error}"
        );
    }
}
