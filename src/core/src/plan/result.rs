//! `/etc/.ignition-result.json`: what provisioned this root, for whoever asks later.

use serde_json::{Value, json};

use crate::facts::Facts;
use crate::model::{Mode, SysPath};
use crate::op::{Content, OwnerRef};
use crate::plan::want::{Kind, Want};

/// Path below the root.
pub const PATH: &str = "/etc/.ignition-result.json";

/// What the result file says of this run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Provisioned {
    /// The kernel's id of this boot (Documentation/admin-guide/sysctl/kernel.rst, "random").
    pub boot_id: String,
    /// When, as RFC 3339 in UTC.
    pub date: String,
    /// Whether the user gave a config.
    pub user_config: bool,
    /// Warnings about the config, a line each.
    pub warnings: Vec<String>,
}

/// The file, if there is to be one.
pub fn want(provisioned: Option<&Provisioned>, facts: &Facts) -> Option<Want> {
    let path = SysPath::parse(PATH).ok()?;
    let text = contents(provisioned?, facts.texts.get(&path).map(String::as_str));
    Some(Want {
        path,
        kind: Kind::File {
            contents: Some(Content {
                // How long the warnings are, a dry run on another machine does not know.
                len: None,
                ..Content::inline("the result of this run", text)
            }),
            append: Vec::new(),
            mode: Some(Mode::OWNER_ONLY),
        },
        user: Some(OwnerRef::Id(0)),
        group: Some(OwnerRef::Id(0)),
        overwrite: true,
        keep_attributes: false,
        at: None,
        why: "others ask it later whether and when the root was provisioned".into(),
    })
}

/// The report. An earlier one, from a root that is provisioned again, is kept inside, without its own
/// predecessors.
fn contents(run: &Provisioned, previous: Option<&str>) -> String {
    let mut report = json!({
        "provisioningBootID": run.boot_id.trim(),
        "provisioningDate": run.date,
        "userConfigProvided": run.user_config,
    });
    if !run.warnings.is_empty() {
        report["warnings"] = json!(run.warnings);
    }
    let previous = previous.and_then(|text| serde_json::from_slice::<Value>(text.as_bytes()).ok());
    if let Some(Value::Object(mut previous)) = previous {
        previous.remove("previousReport");
        report["previousReport"] = Value::Object(previous);
    }
    format!("{report:#}\n")
}

/// Whether a report is that of a boot.
pub fn is_of_boot(report: &[u8], boot_id: &str) -> bool {
    serde_json::from_slice::<Value>(report)
        .is_ok_and(|report| report["provisioningBootID"] == boot_id.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_report_is_kept_one_deep() {
        let run = |id: &str, warnings: &[&str]| Provisioned {
            boot_id: format!("{id}\n"),
            warnings: warnings.iter().map(ToString::to_string).collect(),
            ..Provisioned::default()
        };
        let first = contents(&run("a", &[]), None);
        let second = contents(&run("b", &[]), Some(&first));
        let third = contents(&run("c", &["w"]), Some(&second));
        let third: Value = serde_json::from_str(&third).unwrap();
        assert_eq!(third["provisioningBootID"], "c");
        assert_eq!(third["warnings"], json!(["w"]));
        assert_eq!(third["previousReport"]["provisioningBootID"], "b");
        assert_eq!(third["previousReport"].get("previousReport"), None);
        assert!(!contents(&run("d", &[]), Some("{broken")).contains("previous"));
        let is_of = |boot: &str| is_of_boot(second.as_bytes(), boot);
        assert!(is_of("b\n") && !is_of("a\n") && !is_of(""));
        assert!(!is_of_boot(b"{broken", "b"));
    }
}
