//! The SSH keys that a platform's answers want while the machine runs.

use pilotlight_core::keys::{Attributes, Desired, Heard, LeftOut, of_attributes};
use serde_json::Value;

/// Keys that are wanted, and what of them was left out.
pub type Wanted = (Desired, Vec<LeftOut>);

/// The keys that the attributes of an instance of Compute Engine and of its project name; `None` where the document is
/// none.
pub(crate) fn of_compute_engine(document: &str) -> Option<Wanted> {
    let all: Value = serde_json::from_slice(document.as_bytes()).ok()?;
    let of = |holder: &str| all.pointer(&format!("/{holder}/attributes"));
    // Both are there, empty ones too, in every whole answer.
    let (instance, project) = (of("instance"), of("project"));
    let heard = match (instance, project) {
        (Some(Value::Object(_)), Some(Value::Object(_))) => Heard::Whole,
        _ => Heard::Partly,
    };
    let [instance, project] = [instance, project].map(|found| found.unwrap_or(&Value::Null));
    let [instance, project] = [instance, project].map(Attributes::of_json);
    Some(of_attributes(&instance, &project, heard))
}

#[cfg(test)]
mod tests {
    use crate::Platform;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEnPCBDs2HUNc+M5MHZt5prp8owj1GxHdoq69AxNCzDI me";

    #[test]
    fn compute_engines_attributes_are_whole_when_both_are_there() {
        let keys = |document: String| {
            let (desired, left_out) = Platform::Gcp.keys(&document).unwrap();
            assert_eq!(left_out, []);
            let users: Vec<String> = desired.users().map(str::to_string).collect();
            (users, desired.may_remove())
        };
        let instance = format!(r#""instance": {{"attributes": {{"ssh-keys": "ann:{KEY}"}}}}"#);
        let project = r#""project": {"attributes": {}}"#;
        let ann = vec!["ann".to_string()];
        assert_eq!(
            keys(format!("{{{instance}, {project}}}")),
            (ann.clone(), true)
        );
        assert_eq!(keys(format!("{{{instance}}}")), (ann, false));
        assert_eq!(keys("{}".into()), (vec![], false));
        assert!(Platform::Gcp.keys("{").is_none());
        assert!(Platform::Aws.keys("{}").is_none());
    }
}
