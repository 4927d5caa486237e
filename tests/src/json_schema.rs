//! JSON schemas, judged by Debian's `python3-jsonschema`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// Reads an object of schemas and a list of [name of schema, document]; answers a list of complaints, one per
/// document, empty for none.
const JUDGE: &str = r#"
import json, sys
from jsonschema import Draft202012Validator as Validator
task = json.load(sys.stdin)
for schema in task["schemas"].values():
    Validator.check_schema(schema)
judges = {name: Validator(schema) for name, schema in task["schemas"].items()}
print(json.dumps([
    "; ".join(e.json_path + ": " + e.message for e in judges[name].iter_errors(document))
    for name, document in task["documents"]
]))
"#;

/// What schemas, which have to be valid themselves, say of documents, each beside the name of its schema: a text for
/// each, empty for nothing.
pub fn complaints(
    schemas: &BTreeMap<&str, Value>,
    documents: &[(impl AsRef<str>, Value)],
) -> Vec<String> {
    let mut judge = Command::new("/usr/bin/python3")
        .args(["-c", JUDGE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 and python3-jsonschema are needed (`make deps`)");
    let documents: Vec<Value> = documents
        .iter()
        .map(|(name, document)| json!([name.as_ref(), document]))
        .collect();
    let task = json!({ "schemas": schemas, "documents": documents });
    let mut stdin = judge.stdin.take().unwrap();
    stdin.write_all(task.to_string().as_bytes()).unwrap();
    drop(stdin);
    let output = judge.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "python3-jsonschema is missing (`make deps`) or does not take a schema"
    );
    serde_json::from_slice(&output.stdout).unwrap()
}
