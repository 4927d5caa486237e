//! What the platform says of the machine, on its way from the fetch stage to the files stage.

use std::path::{Path, PathBuf};

use pilotlight_core::model::Metadata;
use pilotlight_core::plan::platform::FromPlatform;
use pilotlight_host::read_bounded;
use pilotlight_providers::{Naming, Platform};

fn place(config_cache: &Path) -> PathBuf {
    let mut name = config_cache.as_os_str().to_owned();
    name.push(".metadata");
    name.into()
}

/// Keeps metadata for the stages after the fetch stages, for root alone.
pub fn keep(config_cache: &Path, said: &Metadata) -> std::io::Result<()> {
    let text = serde_json::to_vec(said).map_err(std::io::Error::other)?;
    pilotlight_sys::replace_file(&place(config_cache), &text, 0o600)
}

/// What was kept; nothing where the platform said nothing.
pub fn kept(config_cache: &Path) -> std::io::Result<Option<Metadata>> {
    let bytes = read_bounded(&place(config_cache))?;
    let parsed = bytes
        .map(|bytes| serde_json::from_slice(&bytes))
        .transpose();
    parsed.map_err(std::io::Error::other)
}

/// What of it is used: a host name where the network gives none, keys, and units where the network does not
/// configure machines itself.
pub fn given(platform: Platform, said: Metadata) -> FromPlatform {
    let (units, left_out) = platform.networkd_units(&said);
    for one in left_out {
        tracing::warn!("what {} says of the network: {one}", platform.name());
    }
    FromPlatform {
        units,
        hostname: (said.hostname).filter(|_| platform.naming() == Naming::Metadata),
        ssh_keys: said.ssh_keys,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(json: serde_json::Value) -> Metadata {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn what_is_kept_is_for_root_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let cache = dir.path().join("ignition.json");
        assert_eq!(kept(&cache).unwrap(), None);
        let said = metadata(serde_json::json!({"hostname": "vm-a"}));
        keep(&cache, &said).unwrap();
        let mode = std::fs::metadata(place(&cache))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(kept(&cache).unwrap(), Some(said));
        std::fs::write(place(&cache), "{").unwrap();
        assert!(kept(&cache).is_err());
    }

    #[test]
    fn names_and_networks_are_used_where_the_network_does_not_tell_them() {
        let said = metadata(serde_json::json!({
            "hostname": "vm-a",
            "bond_mode": 4,
            "interfaces": [
                {"mac": "0c:42:a1:00:00:01", "bond": "bond0", "addresses":
                    [{"address": "198.51.100.3", "prefix": 31, "public": true, "gateway": "198.51.100.2"}]},
                {"mac": "0c:42:a1:00:00:02"},
            ],
        }));
        let used = |platform| {
            let given = given(platform, said.clone());
            let units: Vec<String> = given.units.into_iter().map(|(name, _)| name).collect();
            (given.hostname, units)
        };
        let name = Some("vm-a".to_string());
        let units = [
            "70-pilotlight-bond0.netdev",
            "70-pilotlight-bond0.network",
            "70-pilotlight-ports0.network",
            "70-pilotlight-others.network",
        ];
        assert_eq!(
            used(Platform::Packet),
            (name.clone(), units.map(Into::into).into())
        );
        // These have DHCP for their addresses, whatever they say.
        assert_eq!(used(Platform::Azure), (name.clone(), Vec::new()));
        assert_eq!(used(Platform::OpenStack), (name, Vec::new()));
        assert_eq!(used(Platform::Aws), (None, Vec::new()));
    }
}
