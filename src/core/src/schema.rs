//! stub
/// stub
pub fn ignition(_: u8) -> serde_json::Value {
    serde_json::Value::Null
}
