//! stub
use crate::diag::Report;
use crate::spec::v3;
/// stub
pub fn to_version(_: &v3::Config, _: u8) -> Result<serde_json::Value, Report> {
    Ok(serde_json::Value::Null)
}
