//! The name that a running machine goes by, where nobody else has given it one.
//!
//! Only the kernel's name is set, which systemd calls the transient one (hostnamectl(1)): a name in `/etc/hostname`
//! is a person's or the config's, counts more, and is never written here.

use std::path::Path;

use pilotlight_core::model::Metadata;
use pilotlight_host::Choice;
use pilotlight_providers::detect::Evidence;
use pilotlight_providers::{Naming, Platform};
use pilotlight_sys::{host_name, read_beginning, tool};

/// Longest file that is read, in bytes.
const MAX: u64 = 4096;
/// Names by which a machine is called that has none (hostname(5); that of the kernel).
const NO_NAMES: [&str; 4] = ["", "(none)", "localhost", "localhost.localdomain"];
/// Where systemd-networkd keeps its leases, a file for each link by its number.
const LEASES: &str = "run/systemd/netif/leases";

/// What of the machine decides about its name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// In `/etc/hostname`.
    written: Option<String>,
    /// By the kernel argument `systemd.hostname=`.
    argument: Option<String>,
    /// The kernel's now.
    current: String,
    /// What the distribution calls a machine without a name.
    defaults: Vec<String>,
    /// What a board is called by its model and serial number.
    board: Option<String>,
}

/// What is done about the name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    /// Nothing, for this reason.
    Leave(String),
    /// It becomes this one.
    Set(String),
}

impl Named {
    /// Looks at the machine whose files are below a directory.
    pub fn observe(root: &Path) -> Self {
        let text = |path: &str| {
            let read = read_beginning(&root.join(path), MAX);
            String::from_utf8_lossy(&read.ok().flatten().unwrap_or_default()).into_owned()
        };
        let mut defaults: Vec<String> = ["etc/os-release", "usr/lib/os-release"]
            .iter()
            .filter_map(|path| default_name(&text(path)))
            .collect();
        // That of the running systemd, which may be built with another one.
        defaults.push(text("run/systemd/default-hostname").trim().into());
        let choice = Choice::of(root, None);
        Self {
            written: written(&text("etc/hostname")),
            argument: argument(&text("proc/cmdline")),
            current: host_name::current(),
            defaults,
            board: choice.ok().and_then(|choice| {
                let serial = text("proc/device-tree/serial-number");
                board(&choice.evidence, &serial)
            }),
        }
    }

    /// Whether the machine has a name of its own board.
    pub fn has_board(&self) -> bool {
        self.board.is_some()
    }

    fn is_nameless(&self) -> bool {
        let current = self.current.as_str();
        NO_NAMES.contains(&current) || self.defaults.iter().any(|name| name == current)
    }

    /// Why the platform need not be asked; `None` where its answer decides.
    pub fn settled(&self, platform: Platform) -> Option<String> {
        if let Some(name) = &self.written {
            return Some(format!(
                "the host name is {name}, which /etc/hostname has: it stays"
            ));
        }
        if let Some(name) = &self.argument {
            return Some(format!(
                "the host name is {name}, which the kernel command line has: it stays"
            ));
        }
        let given = platform.naming() == Naming::Network && !self.is_nameless();
        given.then(|| {
            let name = &self.current;
            format!("the host name is {name}, which the network has given: it stays")
        })
    }

    /// What is to be done, with what the platform calls the machine.
    fn verdict(&self, platform: Platform, said: Option<&str>) -> Verdict {
        if let Some(why) = self.settled(platform) {
            return Verdict::Leave(why);
        }
        match said.or(self.board.as_deref()) {
            None => Verdict::Leave("nobody gives this machine a host name".into()),
            Some(name) if name == self.current => {
                Verdict::Leave(format!("the host name is {name} already"))
            }
            Some(name) => Verdict::Set(name.into()),
        }
    }
}

/// Names the machine whose files are below a directory, and answers what was done. The error is for a person.
///
/// It is looked at again: while the platform was asked, DHCP may have named it.
pub fn give(root: &Path, platform: Platform, said: Option<&Metadata>) -> Result<String, String> {
    let said = said.and_then(|said| said.hostname.as_deref());
    let name = match Named::observe(root).verdict(platform, said) {
        Verdict::Leave(why) => return Ok(why),
        Verdict::Set(name) => name,
    };
    host_name::set(&name)
        .map_err(|error| format!("while giving this machine the host name {name}: {error}"))?;
    // Azure's name server learns names from requests for a lease alone; elsewhere names come from there.
    if platform == Platform::Azure {
        tell_dhcp(root)?;
    }
    Ok(format!("the host name is {name} from now on"))
}

/// Has systemd-networkd ask for its leases with the name of now. A renewed lease keeps the name of before, so links
/// are configured anew, and their addresses stay the same.
fn tell_dhcp(root: &Path) -> Result<(), String> {
    let entries = std::fs::read_dir(root.join(LEASES));
    let mut links: Vec<String> = entries
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        .collect();
    if links.is_empty() {
        return Ok(());
    }
    links.sort();
    links.insert(0, "reconfigure".into());
    let told = tool::run("networkctl", &links, None);
    told.map(drop).map_err(|error| {
        format!("the machine has its host name, but DHCP is not told of it: {error}")
    })
}

/// The name of a file as hostname(5) describes it: its first line that is no comment. `localhost` is none there.
fn written(text: &str) -> Option<String> {
    let mut lines = text.lines().map(str::trim);
    let name = lines.find(|line| !line.is_empty() && !line.starts_with('#'))?;
    (!NO_NAMES.contains(&name)).then(|| name.into())
}

/// The last one counts, as it does for systemd (kernel-command-line(7)).
fn argument(line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    let last = words.rfind(|word| word.starts_with("systemd.hostname="))?;
    let name = last.split_once('=')?.1;
    (!name.is_empty()).then(|| name.into())
}

/// `DEFAULT_HOSTNAME=` of a text (os-release(5)).
fn default_name(text: &str) -> Option<String> {
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix("DEFAULT_HOSTNAME="))?;
    Some(value.trim_matches(['"', '\'']).into())
}

/// What a Raspberry Pi is called: `rpi4-` and the end of its serial number, which stands on no label and is in every
/// list of the boards that an operator has. The number is in the device tree, or in SMBIOS where the firmware shows
/// ACPI alone.
fn board(seen: &Evidence, serial: &str) -> Option<String> {
    let dmi = |name: &str| seen.dmi.get(name).map_or("", String::as_str);
    let mut tree = seen.compatible.iter();
    let model = tree
        .find_map(|name| name.strip_prefix("raspberrypi,"))
        .or_else(|| dmi("product_name").strip_prefix("Raspberry Pi "))?;
    let generation: String = model.chars().filter(char::is_ascii_digit).take(1).collect();
    let serial = serial.trim_matches(['\0', '\n', ' ']);
    [serial, dmi("product_serial").trim()]
        .into_iter()
        .find_map(|serial| {
            let is_one = serial.len() >= 8
                && serial.bytes().all(|byte| byte.is_ascii_hexdigit())
                && serial.bytes().any(|byte| byte != b'0');
            let end = serial.get(serial.len().checked_sub(8)?..)?;
            is_one.then(|| format!("rpi{generation}-{}", end.to_ascii_lowercase()))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(compatible: &[&str], dmi: &[(&str, &str)]) -> Evidence {
        Evidence {
            compatible: compatible.iter().map(ToString::to_string).collect(),
            dmi: dmi
                .iter()
                .map(|(name, text)| (name.to_string(), text.to_string()))
                .collect(),
            ..Evidence::default()
        }
    }

    #[test]
    fn boards_are_called_by_model_and_serial_number() {
        let pi4 = &["raspberrypi,4-model-b", "brcm,bcm2711"][..];
        let model = |serial| {
            [
                ("product_name", "Raspberry Pi 4 Model B"),
                ("product_serial", serial),
            ]
        };
        for (compatible, dmi, serial, expected) in [
            (pi4, &[][..], "10000000ABCDEF12\0", Some("rpi4-abcdef12")),
            (pi4, &model("100000003d1d1c36"), "", Some("rpi4-3d1d1c36")),
            (&[], &model("3d1d1c36"), "", Some("rpi4-3d1d1c36")),
            (
                &["raspberrypi,5-model-b"],
                &[],
                "1000000000000001",
                Some("rpi5-00000001"),
            ),
            // A number that all boards have, or none, is no name.
            (pi4, &[], "0000000000000000\0", None),
            (pi4, &[], "1234567", None),
            (pi4, &[], "../../etc/passwd", None),
            (pi4, &model("Not Specified"), "", None),
            (
                &["brcm,bcm2711"],
                &[("product_name", "PC")],
                "10000000abcdef12",
                None,
            ),
        ] {
            let found = board(&evidence(compatible, dmi), serial);
            assert_eq!(
                found.as_deref(),
                expected,
                "{compatible:?} {dmi:?} {serial:?}"
            );
        }
    }

    #[test]
    fn files_and_arguments_have_names_or_none() {
        for (text, expected) in [
            ("node-1\n", Some("node-1")),
            ("# of the config\n\n  node-1  \n", Some("node-1")),
            ("localhost\n", None),
            ("\n", None),
            ("", None),
        ] {
            assert_eq!(written(text).as_deref(), expected, "{text:?}");
        }
        for (line, expected) in [
            ("quiet systemd.hostname=a systemd.hostname=b", Some("b")),
            ("systemd.hostname=", None),
            ("hostname=a", None),
        ] {
            assert_eq!(argument(line).as_deref(), expected, "{line:?}");
        }
        let text = "NAME=\"Fedora\"\nDEFAULT_HOSTNAME=\"fedora\"\n";
        assert_eq!(default_name(text).as_deref(), Some("fedora"));
    }

    #[test]
    fn a_name_that_somebody_gave_stays() {
        let nameless = Named {
            current: "localhost".into(),
            ..Named::default()
        };
        let by_file = Named {
            written: Some("mine".into()),
            ..nameless.clone()
        };
        let by_argument = Named {
            argument: Some("mine".into()),
            ..nameless.clone()
        };
        let by_network = Named {
            current: "dhcp-7".into(),
            ..nameless.clone()
        };
        let of_distribution = Named {
            current: "fedora".into(),
            defaults: vec!["fedora".into()],
            ..Named::default()
        };
        let named = Named {
            current: "vm-1".into(),
            ..nameless.clone()
        };
        let pi = Named {
            board: Some("rpi4-abcdef12".into()),
            ..nameless.clone()
        };
        let pi_with_dhcp = Named {
            current: "dhcp-7".into(),
            ..pi.clone()
        };
        for (named, platform, said, expected) in [
            (&nameless, Platform::Azure, Some("vm-1"), Some("vm-1")),
            (&nameless, Platform::Aws, Some("ip-1"), Some("ip-1")),
            (&of_distribution, Platform::Aws, Some("ip-1"), Some("ip-1")),
            (&by_file, Platform::Azure, Some("vm-1"), None),
            (&by_argument, Platform::Azure, Some("vm-1"), None),
            // Where the metadata alone have the name, what the network calls the machine is no name of it.
            (&by_network, Platform::Azure, Some("vm-1"), Some("vm-1")),
            (&by_network, Platform::Aws, Some("ip-1"), None),
            (&named, Platform::Azure, Some("vm-1"), None),
            (&nameless, Platform::Azure, None, None),
            (&nameless, Platform::Metal, None, None),
            (&pi, Platform::Metal, None, Some("rpi4-abcdef12")),
            (&pi_with_dhcp, Platform::Metal, None, None),
        ] {
            let name = match named.verdict(platform, said) {
                Verdict::Set(name) => Some(name),
                Verdict::Leave(_) => None,
            };
            assert_eq!(name.as_deref(), expected, "{named:?} on {platform:?}");
        }
    }
}
