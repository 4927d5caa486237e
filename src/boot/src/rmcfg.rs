//! `ignition-rmcfg`: takes the config away from where the platform keeps it, since it may hold secrets.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use pilotlight_core::flags::{Flag, Flags, Given, Grammar, Kind, Stop};
use pilotlight_host::{Choice, Machine};
use pilotlight_providers::virtualbox::PROPERTY;
use pilotlight_providers::{Host as _, Platform, vmware, vmware_ovf};
use pilotlight_sys::{tool, virtualbox};

use crate::{out, version};

/// What `--help` prints.
pub const USAGE: &str = "\
Usage: pilotlight rmcfg [--platform NAME] [--applies] [--log-to-stdout] [--version]
       ignition-rmcfg --platform NAME [--log-to-stdout] [--version]
  Takes the user config, which may hold secrets, away from where the hypervisor keeps it: the variables of vmware and
  its OVF environment, the guest property of virtualbox. Without a name the platform is detected.
  --applies says by its exit code whether there is such a place.
";

const FLAGS: &[Flag] = &[
    ("platform", Kind::Value),
    ("applies", Kind::Switch),
    ("log-to-stdout", Kind::Switch),
    ("version", Kind::Switch),
];

/// `ignition-rmcfg`, to which the platform is named. Exit codes: 0 done, 1 failed or not to be done on this platform,
/// 2 wrong flags.
pub fn ignition_rmcfg(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    called("ignition-rmcfg", parse(arguments).and_then(is_named))
}

/// The same under our own name, where the platform is detected if it is not named.
pub fn rmcfg(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    called("pilotlight rmcfg", parse(arguments))
}

fn called(name: &str, call: Result<Call, Stop>) -> ExitCode {
    match call {
        Ok(Call::Version) => out::last(&format!("{}\n", version())),
        Ok(Call::Applies { platform }) => {
            out::ended(which(platform).map(|platform| match keeps(platform) {
                true => ExitCode::SUCCESS,
                false => ExitCode::FAILURE,
            }))
        }
        Ok(Call::Forget {
            platform,
            log_to_stdout,
        }) => {
            pilotlight_host::log::start(log_to_stdout);
            let done = which(platform).and_then(forget);
            out::ended(done.map(|()| ExitCode::SUCCESS))
        }
        Err(Stop::Help) => out::last(USAGE),
        Err(stop) => {
            eprint!("{name}: {stop}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// Fails where the platform is not named.
fn is_named(call: Call) -> Result<Call, Stop> {
    match call {
        Call::Forget { platform: None, .. } => {
            Err(Stop::Wrong("flag --platform is missing".into()))
        }
        named => Ok(named),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Call {
    Version,
    Applies {
        platform: Option<Platform>,
    },
    Forget {
        platform: Option<Platform>,
        log_to_stdout: bool,
    },
}

fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Call, Stop> {
    let mut platform = None;
    let (mut log_to_stdout, mut version, mut applies) = (false, false, false);
    let mut flags = Flags::new(Grammar::Gnu, FLAGS, arguments);
    for given in &mut flags {
        match given? {
            Given::Switch("version", on) => version = on,
            Given::Switch("applies", on) => applies = on,
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
    let platform = platform
        .map(|name| Platform::parse(&name.to_string_lossy()))
        .transpose()
        .map_err(|why| Stop::Wrong(format!("flag --platform: {why}")))?;
    if applies {
        return Ok(Call::Applies { platform });
    }
    Ok(Call::Forget {
        platform,
        log_to_stdout,
    })
}

/// The platform that is named, else that of this machine.
fn which(named: Option<Platform>) -> anyhow::Result<Platform> {
    match named {
        Some(platform) => Ok(platform),
        None => Choice::of(Path::new("/"), None)
            .and_then(|choice| choice.platform)
            .map_err(anyhow::Error::msg),
    }
}

/// Whether a platform keeps the config where the agent can take it away.
fn keeps(platform: Platform) -> bool {
    matches!(platform, Platform::VmWare | Platform::VirtualBox)
}

fn forget(platform: Platform) -> anyhow::Result<()> {
    match platform {
        Platform::VmWare => forget_guestinfo(
            &|variable| Ok(Machine::new(false, None).guestinfo(variable)?),
            &|variable, value| {
                let request = [format!("info-set guestinfo.{variable} {value}")];
                // The error would have the value.
                let done = tool::run(pilotlight_host::RPC, &request, None);
                done.map_err(|_| anyhow::anyhow!("{} refuses it", pilotlight_host::RPC))?;
                Ok(())
            },
        ),
        Platform::VirtualBox => virtualbox::delete_guest_property(PROPERTY)
            .with_context(|| format!("while taking away the guest property {PROPERTY}")),
        _ => anyhow::bail!(
            "the platform {} keeps no config that could be taken away: only vmware and virtualbox do",
            platform.name()
        ),
    }
}

/// Asks for a variable of the hypervisor's.
type Get<'g> = &'g dyn Fn(&str) -> anyhow::Result<Option<Vec<u8>>>;
/// Gives a variable a value.
type Set<'s> = &'s dyn Fn(&str, &str) -> anyhow::Result<()>;

/// Empties the variables that are set, and takes their like out of the OVF environment.
fn forget_guestinfo(get: Get<'_>, set: Set<'_>) -> anyhow::Result<()> {
    let secrets = vmware::secrets();
    for variable in &secrets {
        if get(variable)?.is_some_and(|value| !value.is_empty()) {
            set(variable, "").with_context(|| format!("while emptying guestinfo.{variable}"))?;
        }
    }
    let environment = vmware::ENVIRONMENT;
    let document = get(environment)?.unwrap_or_default();
    let document = String::from_utf8_lossy(&document).into_owned();
    let keys: Vec<String> = secrets
        .iter()
        .map(|variable| format!("guestinfo.{variable}"))
        .collect();
    let rest = match document.trim() {
        "" => None,
        text => vmware_ovf::without(text, &keys)
            .map_err(anyhow::Error::msg)
            .with_context(|| format!("while reading guestinfo.{environment}"))?,
    };
    if let Some(rest) = rest {
        set(environment, &rest)
            .with_context(|| format!("while taking the config out of guestinfo.{environment}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_flags_are_pflags() {
        let call = |line: &str| parse(line.split(' ').map(OsString::from)).and_then(is_named);
        let forget = |platform, log_to_stdout| {
            Ok(Call::Forget {
                platform: Some(platform),
                log_to_stdout,
            })
        };
        assert_eq!(call("--platform vmware"), forget(Platform::VmWare, false));
        assert_eq!(
            call("--log-to-stdout --platform=qemu"),
            forget(Platform::Qemu, true)
        );
        assert_eq!(call("--version x"), Ok(Call::Version));
        assert_eq!(call("--applies"), Ok(Call::Applies { platform: None }));
        let ours = parse(["--log-to-stdout".into()].into_iter());
        assert_eq!(
            ours,
            Ok(Call::Forget {
                platform: None,
                log_to_stdout: true
            })
        );
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
    fn what_holds_the_config_is_emptied_and_nothing_else() {
        let document = "<Environment><PropertySection><Property key=\"guestinfo.ignition.config.data\" value=\"s\"/>\
            <Property key=\"guestinfo.hostname\" value=\"h\"/></PropertySection></Environment>";
        for (document, rest) in [
            (
                Some(document),
                Some(
                    "<Environment><PropertySection><Property key=\"guestinfo.hostname\" value=\"h\"/>\
                     </PropertySection></Environment>",
                ),
            ),
            (Some("<Environment></Environment>"), None),
            (Some(" "), None),
            (None, None),
        ] {
            for data in [Some("{}"), Some(""), None] {
                let called = std::cell::RefCell::new(Vec::new());
                let get = |variable: &str| {
                    let found = match variable {
                        "ovfEnv" => document,
                        "ignition.config.data" | "coreos.config.data.encoding" => data,
                        _ => None,
                    };
                    Ok(found.map(|text| text.as_bytes().to_vec()))
                };
                let set = |variable: &str, value: &str| {
                    let call = (variable.to_string(), value.to_string());
                    called.borrow_mut().push(call);
                    Ok(())
                };
                forget_guestinfo(&get, &set).unwrap();
                let mut expected = Vec::new();
                if data == Some("{}") {
                    expected.push(("ignition.config.data".to_string(), String::new()));
                    expected.push(("coreos.config.data.encoding".to_string(), String::new()));
                }
                expected.extend(rest.map(|rest| ("ovfEnv".to_string(), rest.to_string())));
                assert_eq!(called.into_inner(), expected);
            }
        }
    }

    #[test]
    fn other_platforms_are_refused() {
        for platform in Platform::ALL {
            let kept = ["virtualbox", "vmware"].contains(&platform.name());
            assert_eq!(keeps(*platform), kept, "{platform:?}");
        }
        let error = forget(Platform::Qemu).unwrap_err().to_string();
        assert!(
            error.starts_with("the platform qemu keeps no config"),
            "{error}"
        );
    }
}
