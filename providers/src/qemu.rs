//! `qemu`: firmware configuration items, as given by `-fw_cfg name=…,file=…`.

use crate::{Host, HostError, UserConfig};

/// Items in the order in which they count. The distribution's own name comes first: who sets both has
/// a generic config and one for this image.
const ITEMS: &[&str] = &["opt/org.flatcar-linux/config", "opt/com.coreos/config"];

pub(crate) fn user_config(host: &impl Host) -> Result<Option<UserConfig>, HostError> {
    for item in ITEMS {
        if let Some(bytes) = host.fw_cfg(item)? {
            return Ok(Some(UserConfig {
                name: format!("fw_cfg:{item}"),
                bytes,
            }));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Transcript;

    #[test]
    fn the_distributions_item_counts_first_and_none_is_no_config() {
        let both = Transcript {
            fw_cfg: vec![
                ("opt/com.coreos/config", "b"),
                ("opt/org.flatcar-linux/config", "a"),
            ],
            ..Transcript::default()
        };
        assert_eq!(user_config(&both).unwrap().unwrap().bytes, b"a");
        let one = Transcript {
            fw_cfg: vec![("opt/com.coreos/config", "b")],
            ..Transcript::default()
        };
        assert_eq!(
            user_config(&one).unwrap().unwrap().name,
            "fw_cfg:opt/com.coreos/config"
        );
        assert_eq!(user_config(&Transcript::default()), Ok(None));
    }
}
