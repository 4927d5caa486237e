//! What the machine's firmware says about it (SMBIOS, DMTF DSP0134), as /sys/class/dmi/id shows it.

use serde::Deserialize;

/// Strings in place of QEMU's own; what is not named stays as QEMU has it.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Smbios {
    /// Type 0, the firmware: `vendor`, `version`.
    #[serde(default)]
    pub bios: Fields,
    /// Type 1, the machine: `manufacturer`, `product`, `version`, `serial`, `uuid`, `sku`, `family`.
    #[serde(default)]
    pub system: Fields,
    /// Type 2, the board: `manufacturer`, `product`, `asset` and more.
    #[serde(default)]
    pub board: Fields,
    /// Type 3, the chassis: `manufacturer`, `asset` and more.
    #[serde(default)]
    pub chassis: Fields,
}

/// QEMU's name of a string, and the string.
type Fields = std::collections::BTreeMap<String, String>;

impl Smbios {
    /// The arguments for QEMU.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        let types = [&self.bios, &self.system, &self.board, &self.chassis];
        for (number, fields) in types.into_iter().enumerate() {
            if !fields.is_empty() {
                let mut argument = format!("type={number}");
                for (name, value) in fields {
                    // QEMU takes a doubled comma for one.
                    argument.push_str(&format!(",{name}={}", value.replace(',', ",,")));
                }
                arguments.extend(["-smbios".to_owned(), argument]);
            }
        }
        arguments
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::Smbios;

    #[test]
    fn strings_become_arguments() {
        let smbios: Smbios = toml::from_str(
            "system = { manufacturer = \"Maker, Inc.\", uuid = \"ec2\" }\nchassis = { asset = \"7\" }",
        )
        .unwrap();
        assert_eq!(
            smbios.arguments(),
            [
                "-smbios",
                "type=1,manufacturer=Maker,, Inc.,uuid=ec2",
                "-smbios",
                "type=3,asset=7"
            ]
        );
        assert!(Smbios::default().arguments().is_empty());
    }
}
