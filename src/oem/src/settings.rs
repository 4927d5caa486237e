//! What an operator says of the daemon: files of sections, keys and values.
//!
//! `/etc/pilotlight/oem.conf`, and every `*.conf` of `oem.conf.d` beside it and below /usr/lib, in the manner of
//! systemd's drop-ins. The switches of Google's guest agent keep their place and their names:
//! `/etc/default/instance_configs.cfg` (google-guest-agent, "Configuration").

use std::fmt;

use pilotlight_providers::network::Switches;

/// What can be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// What is done to the network.
    pub switches: Switches,
    /// Whether users get the keys that the platform names while the machine runs.
    pub keys: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            switches: Switches::default(),
            keys: true,
        }
    }
}

/// Something in a file that has no meaning, and is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// The file's name.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// What is wrong, and what to do.
    pub why: String,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.why)
    }
}

/// Sections and keys, and what each sets.
type Key = (&'static str, &'static str, fn(&mut Settings, bool));

/// Keys with a truth as their value.
const KEYS: &[Key] = &[
    ("NetworkInterfaces", "ip_forwarding", |to, on| {
        to.switches.gcp.ip_forwarding = on
    }),
    ("IpForwarding", "ip_aliases", |to, on| {
        to.switches.gcp.ip_aliases = on
    }),
    ("IpForwarding", "target_instance_ips", |to, on| {
        to.switches.gcp.target_instance_ips = on
    }),
    ("IpForwarding", "forwarded_ips", |to, on| {
        to.switches.gcp.forwarded_ips = on
    }),
    ("IpForwarding", "forwarded_ipv6s", |to, on| {
        to.switches.gcp.forwarded_ipv6s = on
    }),
    ("addressManager", "disable", |to, on| {
        to.switches.gcp.disable_address_manager = Some(on)
    }),
    ("Daemons", "network_daemon", |to, on| {
        to.switches.gcp.disable_address_manager = Some(!on)
    }),
    ("Daemons", "accounts_daemon", |to, on| to.keys = on),
    ("accountManager", "disable", |to, on| to.keys = !on),
    ("AWS", "altnames", |to, on| to.switches.aws.altnames = on),
    ("AWS", "secondary_addresses", |to, on| {
        to.switches.aws.secondary_addresses = on
    }),
    ("AWS", "policy_routing", |to, on| {
        to.switches.aws.policy_routing = on
    }),
    ("AWS", "yield_to_vpc_cni", |to, on| {
        to.switches.aws.yield_to_cni = on
    }),
    ("Azure", "secondary_addresses", |to, on| {
        to.switches.azure.secondary_addresses = on
    }),
    ("Azure", "policy_routing", |to, on| {
        to.switches.azure.policy_routing = on
    }),
    ("Azure", "yield_to_azure_cni", |to, on| {
        to.switches.azure.yield_to_cni = on
    }),
    ("Equinix", "elastic_addresses", |to, on| {
        to.switches.packet.elastic_addresses = on
    }),
    ("Equinix", "private_route", |to, on| {
        to.switches.packet.private_route = on
    }),
    ("Equinix", "bgp_routes", |to, on| {
        to.switches.packet.bgp_routes = on
    }),
    ("Metadata", "addresses", |to, on| {
        to.switches.fixed.addresses = on
    }),
    ("Metadata", "routes", |to, on| to.switches.fixed.routes = on),
];

/// The key of a list: interfaces that are left to others, by hardware address or the platform's id.
const LEFT_ALONE: (&str, &str) = ("NetworkInterfaces", "left_alone");

/// Sections of Google's file that are about other things than the daemon does; their keys are no mistakes.
const OF_OTHERS: [&str; 7] = [
    "Accounts",
    "Instance",
    "InstanceSetup",
    "MetadataScripts",
    "Snapshots",
    "Unstable",
    "diagnostics",
];
/// Keys of that kind in sections that are known. `ethernet_proto_id` is always 66 with Google's agents.
const KEYS_OF_OTHERS: [(&str, &str); 7] = [
    ("IpForwarding", "ethernet_proto_id"),
    ("NetworkInterfaces", "setup"),
    ("NetworkInterfaces", "dhclient_script"),
    ("NetworkInterfaces", "dhcp_command"),
    ("NetworkInterfaces", "manage_primary_nic"),
    ("NetworkInterfaces", "restore_debian12_netplan_config"),
    ("Daemons", "clock_skew_daemon"),
];

impl Settings {
    /// Reads a file over what was read before; later files and later lines win.
    pub fn read(&mut self, file: &str, text: &str) -> Vec<Unknown> {
        let mut unknown = Vec::new();
        let mut section = String::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            let mut complain = |why: String| {
                unknown.push(Unknown {
                    file: file.into(),
                    line: number,
                    why,
                });
            };
            if let Some(name) = line.strip_prefix('[') {
                match name.strip_suffix(']') {
                    Some(name) => section = name.trim().into(),
                    None => complain("a section's name ends with \"]\"".into()),
                }
                continue;
            }
            let Some((key, value)) = line.split_once('=') else {
                complain("this is neither a section nor KEY = VALUE".into());
                continue;
            };
            if let Err(why) = self.set(&section, key.trim(), value.trim()) {
                complain(why);
            }
        }
        unknown
    }

    fn set(&mut self, section: &str, key: &str, value: &str) -> Result<(), String> {
        let is = |known: (&str, &str)| {
            known.0.eq_ignore_ascii_case(section) && known.1.eq_ignore_ascii_case(key)
        };
        if is(LEFT_ALONE) {
            let names = value.split([' ', ',']).filter(|name| !name.is_empty());
            // An empty value takes back what earlier files say, as in units.
            if value.is_empty() {
                self.switches.left_alone.clear();
            }
            self.switches.left_alone.extend(names.map(str::to_string));
            return Ok(());
        }
        if let Some((_, _, set)) = KEYS.iter().find(|(of, name, _)| is((of, name))) {
            let on =
                truth(value).ok_or_else(|| format!("{key} is true or false, not {value:?}"))?;
            set(self, on);
            return Ok(());
        }
        let of_others = OF_OTHERS
            .iter()
            .any(|known| known.eq_ignore_ascii_case(section))
            || KEYS_OF_OTHERS.iter().any(|known| is(*known));
        match of_others {
            true => Ok(()),
            false => Err(format!("[{section}] has no key {key:?}; it is left out")),
        }
    }
}

/// Truths as Go and systemd write them.
fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "t" | "true" | "yes" | "y" | "on" => Some(true),
        "0" | "f" | "false" | "no" | "n" | "off" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Settings, Vec<String>) {
        let mut settings = Settings::default();
        let unknown = settings.read("oem.conf", text);
        (settings, unknown.iter().map(Unknown::to_string).collect())
    }

    #[test]
    fn nothing_said_is_the_default() {
        assert_eq!(read("\n# a\n; b\n"), (Settings::default(), vec![]));
    }

    #[test]
    fn every_switch_has_its_key() {
        for (section, key, _) in KEYS {
            let on = read(&format!("[{section}]\n{key} = true\n"));
            let off = read(&format!("[{section}]\n{key}=off\n"));
            assert_eq!((on.1.len(), off.1.len()), (0, 0), "{key}");
            assert_ne!(on.0, off.0, "{key}");
        }
    }

    #[test]
    fn googles_file_keeps_its_meaning() {
        let (settings, unknown) = read(
            "[Accounts]\ndeprovision_remove = true\n[IpForwarding]\nethernet_proto_id = 66\nip_aliases = false\n\
             [NetworkInterfaces]\ndhclient_script = /sbin/google-dhclient-script\ndhcp_command =\nip_forwarding = False\n",
        );
        assert_eq!(unknown, Vec::<String>::new());
        let mut expected = Settings::default();
        expected.switches.gcp.ip_aliases = false;
        expected.switches.gcp.ip_forwarding = false;
        assert_eq!(settings, expected);
    }

    #[test]
    fn interfaces_that_are_left_alone_are_a_list() {
        let (settings, unknown) = read(
            "[NetworkInterfaces]\nleft_alone = eni-1\nleft_alone =\nleft_alone = 02:00:00:00:00:01, eni-2\n",
        );
        assert_eq!(unknown, Vec::<String>::new());
        assert_eq!(settings.switches.left_alone, ["02:00:00:00:00:01", "eni-2"]);
    }

    #[test]
    fn what_has_no_meaning_is_told_with_its_line_and_the_rest_stands() {
        let (settings, unknown) = read(
            "[IpForwarding\n[IpForwarding]\nip_alias = true\nip_aliases = maybe\nforwarded_ips = false\nwords\n",
        );
        assert_eq!(
            unknown,
            [
                "oem.conf:1: a section's name ends with \"]\"",
                "oem.conf:3: [IpForwarding] has no key \"ip_alias\"; it is left out",
                "oem.conf:4: ip_aliases is true or false, not \"maybe\"",
                "oem.conf:6: this is neither a section nor KEY = VALUE",
            ]
        );
        assert!(settings.switches.gcp.ip_aliases && !settings.switches.gcp.forwarded_ips);
    }
}
