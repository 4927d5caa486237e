//! What a machine shows of itself, as it is read by [`detect`](crate::detect).

use serde::Serialize;

/// What a machine shows of itself. Empty is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// Files of `/sys/class/dmi/id` (SMBIOS types 0 to 3), by name.
    pub dmi: std::collections::BTreeMap<String, String>,
    /// `/proc/device-tree/compatible`, one after the other.
    pub compatible: Vec<String>,
    /// Names of the nodes at the top of the device tree.
    pub nodes: Vec<String>,
    /// `/sys/hypervisor/type` and `uuid`.
    pub hypervisor: (String, String),
    /// The hypervisor's signature by CPUID (leaf 0x4000_0000).
    pub cpuid: String,
    /// Whether the firmware configuration of QEMU is there.
    pub fw_cfg: bool,
    /// Whether vmware-rpctool is there, without which VMware cannot be asked.
    pub rpctool: bool,
}

/// What a platform is known by: the piece of evidence, as a person finds it.
pub(crate) type Look = fn(&Evidence) -> Option<String>;

/// Who it is that a piece of evidence is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Says {
    /// Whoever rents the machine out.
    Cloud,
    /// Whoever made the machine, or its virtual board.
    Machine,
    /// What the machine runs on.
    Hypervisor,
}

impl Says {
    /// Clouds are believed first: most of them are KVM underneath, and some VMware.
    pub(crate) const ORDER: [Says; 3] = [Says::Cloud, Says::Machine, Says::Hypervisor];
}

impl Evidence {
    /// A field of SMBIOS; empty where it is absent.
    pub(crate) fn dmi(&self, name: &str) -> &str {
        self.dmi.get(name).map_or("", |text| text.trim())
    }

    /// A field of SMBIOS that is one of these texts.
    pub(crate) fn is(&self, field: &str, texts: &[&str]) -> Option<String> {
        let said = self.dmi(field);
        let known = texts.contains(&said);
        known.then(|| format!("DMI {field} is {said:?}"))
    }

    /// A field of SMBIOS that begins with a text.
    pub(crate) fn begins(&self, field: &str, text: &str) -> Option<String> {
        let said = self.dmi(field);
        said.starts_with(text)
            .then(|| format!("DMI {field} is {said:?}"))
    }

    /// A field of SMBIOS that ends with a text.
    pub(crate) fn ends(&self, field: &str, text: &str) -> Option<String> {
        let said = self.dmi(field);
        said.ends_with(text)
            .then(|| format!("DMI {field} is {said:?}"))
    }

    /// A signature of a hypervisor that is one of these.
    pub(crate) fn signed(&self, known: &[&str]) -> Option<String> {
        let said = self.cpuid.as_str();
        known
            .contains(&said)
            .then(|| format!("the hypervisor's signature is {said:?}"))
    }
}
