//! Which platform is meant.

use std::path::Path;

use pilotlight_host::{Choice, command_line};
use pilotlight_providers::{Platform, detect};

/// Providers of Afterburn 5.11 that nobody here asks yet.
const NOT_YET: [&str; 1] = ["ibmcloud-classic"];

/// Who says which platform this is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provider {
    /// Whoever calls, by this name.
    Named(String),
    /// The kernel command line, and nobody else.
    KernelArgument,
    /// The kernel command line, else what the machine shows of itself.
    Detected,
}

impl Provider {
    /// The name that the caller or the kernel command line gives the platform; `None` where neither has to. The
    /// error is for a person.
    ///
    /// Unlike Afterburn, which takes the first `ignition.platform.id` on the line, the last one counts, as it does
    /// for the kernel and the first boot; and Flatcar's two arguments count without a patch.
    pub(super) fn name(&self) -> Result<Option<String>, String> {
        match self {
            Provider::Named(name) => Ok(Some(name.clone())),
            Provider::KernelArgument => match detect::named(&command_line(Path::new("/"), None)?) {
                Some((_, name)) => Ok(Some(name)),
                None => Err(format!(
                    "the kernel command line names no platform: none of {} is there",
                    detect::ARGUMENTS.map(|key| format!("{key}=")).join(", ")
                )),
            },
            Provider::Detected => Ok(None),
        }
    }

    /// The platform, and why it is this one where it was not named by the caller.
    pub(super) fn platform(&self) -> Result<(Platform, Option<String>), String> {
        if let Some(name) = self.name()? {
            return Ok((named(&name)?, None));
        }
        let choice = Choice::of(Path::new("/"), None)?;
        let platform = choice.platform.or_else(|_| named(&choice.written))?;
        Ok((platform, Some(choice.because)))
    }
}

/// A platform by the name that Afterburn, Flatcar or pilotlight has for it.
fn named(name: &str) -> Result<Platform, String> {
    match name {
        // The drive of OpenStack, where it has one, tells the same as its service.
        "openstack-metadata" => Ok(Platform::OpenStack),
        _ if is_not_yet(name) => Err(format!(
            "pilotlight does not ask the provider {name} yet, which Afterburn knows; those that it asks are {}",
            Platform::known()
        )),
        _ => Platform::parse(name)
            .map_err(|_| format!("unknown provider {name:?}; known are {}", Platform::known())),
    }
}

/// Whether Afterburn has the provider, and pilotlight has not.
pub(super) fn is_not_yet(name: &str) -> bool {
    NOT_YET.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_tools_are_known() {
        for (name, expected) in [
            ("aws", Platform::Aws),
            ("ec2", Platform::Aws),
            ("gce", Platform::Gcp),
            ("openstack-metadata", Platform::OpenStack),
            ("packet", Platform::Packet),
            ("equinixmetal", Platform::Packet),
        ] {
            assert_eq!(named(name), Ok(expected), "{name}");
        }
        let why = named("ibmcloud-classic").unwrap_err();
        assert!(
            why.starts_with("pilotlight does not ask the provider ibmcloud-classic yet"),
            "{why}"
        );
        let why = named("foo").unwrap_err();
        assert!(
            why.starts_with("unknown provider \"foo\"; known are akamai"),
            "{why}"
        );
    }

    #[test]
    fn what_is_known_is_not_missing() {
        for name in NOT_YET {
            assert!(Platform::parse(name).is_err(), "{name}");
        }
    }
}
