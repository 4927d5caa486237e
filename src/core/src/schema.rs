//! JSON Schema (2020-12) of the config languages, from the declarations that decode them.

use serde_json::{Value as Json, json};

use crate::spec::Wire as _;
use crate::spec::v3::{Config, version_name};

/// Keys that must be there, by the path of their object in the config.
const REQUIRED: &[(&str, &[&str])] = &[
    ("", &["ignition"]),
    ("ignition", &["version"]),
    ("ignition/config/merge/*", &["source"]),
    ("ignition/config/replace", &["source"]),
    (
        "ignition/security/tls/certificateAuthorities/*",
        &["source"],
    ),
    ("passwd/groups/*", &["name"]),
    ("passwd/users/*", &["name"]),
    ("storage/directories/*", &["path"]),
    ("storage/disks/*", &["device"]),
    ("storage/files/*", &["path"]),
    ("storage/filesystems/*", &["device"]),
    ("storage/links/*", &["path", "target"]),
    ("storage/luks/*", &["name"]),
    ("storage/luks/*/clevis/tang/*", &["url"]),
    ("storage/raid/*", &["name", "level", "devices"]),
    ("systemd/units/*", &["name"]),
    ("systemd/units/*/dropins/*", &["name"]),
];

/// The schema of Ignition configs of version 3.`minor`.0.
pub fn ignition(minor: u8) -> Json {
    let mut schema = Config::schema(minor);
    for (path, keys) in REQUIRED {
        if let Some(object) = at(&mut schema, path) {
            object["required"] = json!(keys);
        }
    }
    if let Some(version) = at(&mut schema, "ignition/version") {
        *version = json!({ "const": version_name(minor) });
    }
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!(format!("Ignition config {}", version_name(minor)));
    schema
}

/// The part of a schema that describes a path in the config, if that version has it.
fn at<'s>(schema: &'s mut Json, path: &str) -> Option<&'s mut Json> {
    let mut here = schema;
    for step in path.split('/').filter(|step| !step.is_empty()) {
        here = match step {
            "*" => here.get_mut("items")?,
            key => here.get_mut("properties")?.get_mut(key)?,
        };
    }
    Some(here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_required_key_is_one_that_the_newest_version_has() {
        let mut schema = Config::schema(6);
        for (path, keys) in REQUIRED {
            let object = at(&mut schema, path).unwrap();
            for key in *keys {
                assert!(object["properties"].get(key).is_some(), "{path}: {key}");
            }
        }
    }

    #[test]
    fn versions_have_their_own_keys() {
        let keys = |minor: u8| ignition(minor)["properties"].as_object().unwrap().len();
        assert_eq!((keys(2), keys(3)), (4, 5));
        let file = ignition(3)["properties"]["storage"]["properties"]["files"]["items"].clone();
        assert_eq!(file["required"], json!(["path"]));
        assert_eq!(file["additionalProperties"], false);
        assert_eq!(
            file["properties"]["mode"]["type"],
            json!(["integer", "null"])
        );
        let version = &ignition(7)["properties"]["ignition"]["properties"]["version"];
        assert_eq!(version["const"], "3.7.0-experimental");
    }
}
