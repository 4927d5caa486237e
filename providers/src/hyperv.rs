//! `hyperv`: key-value pairs that the host gives the guest (Hyper-V docs, "Data Exchange: Using key-value pairs").
//!
//! A value has 2 KiB at most, so a config is `ignition.config` or, in pieces, `ignition.config.0` and so on. The
//! host gives the pairs once a boot: the daemon of the root learns them with the next one.

use crate::UserConfig;
use crate::host::{Host, HostError};

const KEY: &str = "ignition.config";

pub(crate) async fn user_config(host: &impl Host) -> Result<Option<UserConfig>, HostError> {
    host.load_module("hv_utils");
    let pairs = host.hyperv_pairs()?;
    // Of a key that is given twice the last value counts: the host has corrected it.
    let of = |key: &str| {
        let mut all = pairs.iter().rev();
        let found = all.find(|(known, _)| known == key);
        found.map(|(_, value)| value.as_str())
    };
    let whole = of(KEY).unwrap_or_default();
    let text = match whole {
        "" => (0..)
            .map_while(|piece| of(&format!("{KEY}.{piece}")))
            .collect(),
        whole => whole.to_string(),
    };
    if let Some((key, _)) = pairs.iter().find(|(key, _)| is_lost(key, &pairs)) {
        return Err(HostError::Broken(format!(
            "the host has given {key}, but not all pieces before it: give them all again"
        )));
    }
    Ok((!text.is_empty()).then(|| UserConfig {
        name: format!("key-value pair {KEY}"),
        bytes: text.into_bytes(),
    }))
}

/// Whether a piece is there and the one before it is not.
fn is_lost(key: &str, pairs: &[(String, String)]) -> bool {
    let number = key
        .strip_prefix(KEY)
        .and_then(|rest| rest.strip_prefix('.'));
    let number = number.and_then(|text| text.parse::<u32>().ok());
    number
        .and_then(|number| number.checked_sub(1))
        .is_some_and(|before| {
            let before = format!("{KEY}.{before}");
            !pairs.iter().any(|(known, _)| *known == before)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::{Transcript, now};

    #[test]
    fn pieces_are_put_together_or_are_missed() {
        for (pairs, expected) in [
            (vec![("ignition.config", "{}")], Ok(Some("{}"))),
            (
                vec![("ignition.config.1", "}"), ("ignition.config.0", "{")],
                Ok(Some("{}")),
            ),
            (
                vec![("ignition.config", "{}"), ("ignition.config.0", "x")],
                Ok(Some("{}")),
            ),
            (
                vec![("ignition.config", ""), ("ignition.config.0", "{}")],
                Ok(Some("{}")),
            ),
            (
                vec![("ignition.config", "{"), ("ignition.config", "{}")],
                Ok(Some("{}")),
            ),
            (vec![("other", "{}"), ("ignition.config.x", "{}")], Ok(None)),
            (vec![], Ok(None)),
            (vec![("ignition.config.1", "}")], Err("ignition.config.1")),
            (
                vec![("ignition.config.0", "{"), ("ignition.config.2", "}")],
                Err("ignition.config.2"),
            ),
        ] {
            let host = Transcript {
                pairs: pairs.clone(),
                ..Transcript::default()
            };
            match (now(user_config(&host)), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(
                    found.map(|found| found.bytes).as_deref(),
                    expected.map(str::as_bytes),
                    "{pairs:?}"
                ),
                (Err(why), Err(expected)) => assert!(why.to_string().contains(expected), "{why}"),
                (other, _) => panic!("{pairs:?}: {other:?}"),
            }
        }
    }
}
