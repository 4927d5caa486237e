//! `/etc/.ignition-result.json`: what provisioned this root, for whoever asks later.

use std::time::{SystemTime, UNIX_EPOCH};

use pilotlight_core::calendar::Utc;
use serde_json::{Value, json};

/// Path below the root.
pub const PATH: &str = "/etc/.ignition-result.json";

/// The report. An earlier one, from a root that is provisioned again, is kept inside, without its own
/// predecessors.
pub fn contents(
    boot_id: &str,
    now: SystemTime,
    user_config_provided: bool,
    warnings: &[String],
    previous: Option<&[u8]>,
) -> String {
    let mut report = json!({
        "provisioningBootID": boot_id.trim(),
        "provisioningDate": Utc::of_unix(unix(now)).to_string(),
        "userConfigProvided": user_config_provided,
    });
    if !warnings.is_empty() {
        report["warnings"] = json!(warnings);
    }
    let previous = previous.and_then(|bytes| serde_json::from_slice::<Value>(bytes).ok());
    if let Some(Value::Object(mut previous)) = previous {
        previous.remove("previousReport");
        report["previousReport"] = Value::Object(previous);
    }
    format!("{report:#}\n")
}

/// Seconds since 1970. Times before (no battery clock) count as 1970.
fn unix(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_report_is_kept_one_deep() {
        let first = contents("a\n", UNIX_EPOCH, false, &[], None);
        let second = contents("b", UNIX_EPOCH, true, &[], Some(first.as_bytes()));
        let third = contents(
            "c",
            UNIX_EPOCH,
            true,
            &["w".into()],
            Some(second.as_bytes()),
        );
        let third: Value = serde_json::from_str(&third).unwrap();
        assert_eq!(third["provisioningBootID"], "c");
        assert_eq!(third["provisioningDate"], "1970-01-01T00:00:00Z");
        assert_eq!(third["warnings"], json!(["w"]));
        assert_eq!(third["previousReport"]["provisioningBootID"], "b");
        assert_eq!(third["previousReport"].get("previousReport"), None);
        assert!(!contents("d", UNIX_EPOCH, true, &[], Some(b"{broken")).contains("previous"));
    }
}
