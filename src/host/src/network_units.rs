//! The units of systemd-networkd that a platform's metadata are, as files.

use std::path::Path;

use pilotlight_core::model::Metadata;
use pilotlight_providers::Platform;

/// Writes them, and answers how many there are: none where the network configures machines itself. The directory
/// need not exist. The error is for a person.
pub fn write_network_units(
    directory: &Path,
    platform: Platform,
    said: &Metadata,
) -> Result<usize, String> {
    let (units, left_out) = platform.networkd_units(said);
    for one in &left_out {
        tracing::warn!("what {} says of the network: {one}", platform.name());
    }
    if units.is_empty() {
        return Ok(0);
    }
    std::fs::create_dir_all(directory)
        .map_err(|error| format!("while making {}: {error}", directory.display()))?;
    for (name, text) in &units {
        let path = directory.join(name);
        pilotlight_sys::replace_file(&path, text.as_bytes(), 0o644)
            .map_err(|error| format!("while writing {}: {error}", path.display()))?;
    }
    Ok(units.len())
}
