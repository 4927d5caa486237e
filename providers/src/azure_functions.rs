//! Virtual functions of Azure's accelerated networking, which systemd-networkd leaves alone.

use pilotlight_core::model::metadata::{Metadata, mac};

/// Before every other unit: that of a virtual function would set up what is a part of another device.
const NAME: &str = "10-pilotlight-virtual-functions.network";

/// Drivers of the network adapters that hosts of Azure hand through (azure-vm-utils; by the names that
/// systemd.network(5), `Driver=`, compares).
const DRIVERS: [&str; 3] = ["mlx4_en", "mlx5_core", "mana"];

/// The unit that keeps virtual functions unmanaged: name and text. None where no interface is known.
///
/// The kernel makes a virtual function a part of the synthetic device only some time after it has appeared, so the
/// flag of that cannot be what they are told by. Those that are not told by their drivers alone: a machine can have
/// an adapter of the same driver that is nobody's part (InfiniBand), and its hardware address is no interface's.
/// An interface that is attached later is in the unit once it is written anew.
pub fn networkd_units(said: &Metadata) -> Vec<(String, String)> {
    let mut macs: Vec<String> = Vec::new();
    for known in said.interfaces.iter().filter_map(|known| mac(&known.mac)) {
        if !macs.contains(&known) {
            macs.push(known);
        }
    }
    if macs.is_empty() {
        return Vec::new();
    }
    let text = format!(
        "# Virtual functions, which are parts of their synthetic devices.\n\
         [Match]\nMACAddress={}\nDriver={}\n\n[Link]\nUnmanaged=yes\n",
        macs.join(" "),
        DRIVERS.join(" ")
    );
    vec![(NAME.into(), text)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilotlight_core::model::metadata::Interface;

    #[test]
    fn virtual_functions_are_told_by_address_and_driver() {
        assert_eq!(networkd_units(&Metadata::default()), []);
        let interfaces = ["00-22-48-00-00-01", "002248000002", "00:22:48:00:00:01"];
        let said = Metadata {
            interfaces: interfaces
                .iter()
                .filter_map(|text| Interface::of_mac(text))
                .collect(),
            ..Metadata::default()
        };
        let text = "# Virtual functions, which are parts of their synthetic devices.\n\
            [Match]\nMACAddress=00:22:48:00:00:01 00:22:48:00:00:02\nDriver=mlx4_en mlx5_core mana\n\n\
            [Link]\nUnmanaged=yes\n";
        assert_eq!(networkd_units(&said), [(NAME.into(), text.into())]);
    }
}
