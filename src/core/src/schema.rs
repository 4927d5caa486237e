//! JSON Schema (2020-12) of the config languages, from the declarations that decode them.
//!
//! The declarations know keys, types and versions. What they do not know (keys that must be there,
//! values that are closed, numbers with bounds) is said here by tables of places in the config, such
//! as `storage/files/*/mode`.

use serde_json::{Value as Json, json};

use crate::model::format::Row;
use crate::spec::Wire as _;
use crate::spec::v3::{Config, version_name};

/// Keys that must be there, by the place of their object.
const REQUIRED: &[(&str, &[&str])] = &[
    ("", &["ignition"]),
    ("ignition", &["version"]),
    ("ignition/config/merge/*", &["source"]),
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
    ("storage/luks/*", &["name", "device"]),
    ("storage/luks/*/clevis/tang/*", &["url", "thumbprint"]),
    ("storage/raid/*", &["name", "level", "devices"]),
    ("systemd/units/*", &["name"]),
    ("systemd/units/*/dropins/*", &["name"]),
];

/// Names of file systems, and since when. An empty one says nothing.
const FORMATS: [(&str, u8); Row::ALL.len() + 1] = {
    let mut list = [("", 0); Row::ALL.len() + 1];
    let mut place = 0;
    while place < Row::ALL.len() {
        list[place + 1] = (Row::ALL[place].name, Row::ALL[place].since);
        place += 1;
    }
    list
};

/// Strings of which only these count, each since a minor version. An empty one says nothing.
const CLOSED: &[(&str, &[(&str, u8)])] = &[
    ("storage/filesystems/*/format", &FORMATS),
    (
        "storage/raid/*/level",
        &[
            ("linear", 0),
            ("raid0", 0),
            ("0", 0),
            ("stripe", 0),
            ("raid1", 0),
            ("1", 0),
            ("mirror", 0),
            ("raid4", 0),
            ("4", 0),
            ("raid5", 0),
            ("5", 0),
            ("raid6", 0),
            ("6", 0),
            ("raid10", 0),
            ("10", 0),
        ],
    ),
];

/// Numbers with bounds: the least and the greatest.
const BOUNDS: &[(&str, i64, i64)] = &[
    ("ignition/timeouts/httpResponseHeaders", 0, i64::MAX),
    ("ignition/timeouts/httpTotal", 0, i64::MAX),
    ("passwd/groups/*/gid", 0, MAX_ACCOUNT),
    ("passwd/users/*/uid", 0, MAX_ACCOUNT),
    ("storage/directories/*/group/id", 0, MAX_ACCOUNT),
    ("storage/directories/*/mode", 0, 0o7777),
    ("storage/directories/*/user/id", 0, MAX_ACCOUNT),
    ("storage/disks/*/partitions/*/number", 0, 128),
    ("storage/disks/*/partitions/*/sizeMiB", 0, i64::MAX),
    ("storage/disks/*/partitions/*/startMiB", 0, i64::MAX),
    ("storage/files/*/group/id", 0, MAX_ACCOUNT),
    ("storage/files/*/mode", 0, 0o7777),
    ("storage/files/*/user/id", 0, MAX_ACCOUNT),
    ("storage/links/*/group/id", 0, MAX_ACCOUNT),
    ("storage/links/*/user/id", 0, MAX_ACCOUNT),
    ("storage/luks/*/clevis/threshold", 0, i64::MAX),
    ("storage/raid/*/spares", 0, i64::MAX),
];

/// The greatest number of a user or group: the next one means "unchanged" to the kernel.
const MAX_ACCOUNT: i64 = u32::MAX as i64 - 1;

/// Everything that comes from a URL.
const RESOURCES: &[&str] = &[
    "ignition/config/merge/*",
    "ignition/config/replace",
    "ignition/security/tls/certificateAuthorities/*",
    "storage/files/*/contents",
    "storage/files/*/append/*",
    "storage/luks/*/keyFile",
];

/// The schema of Ignition configs of version 3.`minor`.0.
pub fn ignition(minor: u8) -> Json {
    let mut schema = Config::schema(minor);
    for (place, keys) in REQUIRED {
        require(&mut schema, place, keys);
    }
    for (place, values) in CLOSED {
        close(&mut schema, place, values, minor);
    }
    for (place, least, greatest) in BOUNDS {
        if let Some(number) = at(&mut schema, place) {
            number["minimum"] = json!(least);
            if *greatest < i64::MAX {
                number["maximum"] = json!(greatest);
            }
        }
    }
    for place in RESOURCES {
        require(&mut schema, &format!("{place}/httpHeaders/*"), &["name"]);
        let kinds = &[("", 0), ("gzip", 0)];
        close(&mut schema, &format!("{place}/compression"), kinds, minor);
    }
    if minor < 6 {
        let pins = &[("", 0), ("sss", 0), ("tang", 0), ("tpm2", 0)];
        close(&mut schema, "storage/luks/*/clevis/custom/pin", pins, minor);
    }
    if let Some(version) = at(&mut schema, "ignition/version") {
        *version = json!({ "const": version_name(minor) });
    }
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!(format!("Ignition config {}", version_name(minor)));
    schema
}

/// Says which keys of an object must be there, and be more than `null`.
fn require(schema: &mut Json, place: &str, keys: &[&str]) {
    let Some(object) = at(schema, place) else {
        return;
    };
    object["required"] = json!(keys);
    for key in keys {
        let kind = &mut object["properties"][key]["type"];
        if let Some(name) = kind.get(0) {
            *kind = name.clone();
        }
    }
}

/// Says which strings a value may be; `null` stays what it is.
fn close(schema: &mut Json, place: &str, values: &[(&str, u8)], minor: u8) {
    let Some(value) = at(schema, place) else {
        return;
    };
    let known = values.iter().filter(|(_, since)| *since <= minor);
    let mut list: Vec<Json> = known.map(|(text, _)| json!(text)).collect();
    if value["type"].is_array() {
        list.push(Json::Null);
    }
    value["enum"] = Json::Array(list);
}

/// The part of a schema that describes a place in the config, if that version has it.
fn at<'s>(schema: &'s mut Json, place: &str) -> Option<&'s mut Json> {
    let mut here = schema;
    for step in place.split('/').filter(|step| !step.is_empty()) {
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
    use crate::config;
    use crate::diag::Sources;
    use crate::spec::v3::EXPERIMENTAL_MINOR;

    /// The config with a value at a place of a config that has all that is required.
    fn with(minor: u8, place: &str, value: Json) -> Json {
        let mut config = json!({"ignition": {"version": version_name(minor)}});
        let mut here = &mut config;
        let mut path = String::new();
        for step in place.split('/') {
            let object = match step {
                "*" => {
                    *here = json!([{}]);
                    &mut here[0]
                }
                key => &mut here[key],
            };
            path = format!("{path}/{step}");
            let required = REQUIRED.iter().find(|(place, _)| *place == &path[1..]);
            for key in required.map(|(_, keys)| *keys).unwrap_or_default() {
                object[*key] = match *key {
                    "devices" => json!(["/dev/a", "/dev/b", "/dev/c", "/dev/d"]),
                    "name" => json!("a.conf"),
                    "level" => json!("raid5"),
                    "path" | "target" | "device" => json!("/dev/x"),
                    "source" => json!("data:,"),
                    "version" => json!(version_name(minor)),
                    _ => json!("http://a"),
                };
            }
            if path.ends_with("partitions/*") {
                object["label"] = json!("x");
            }
            if path.ends_with("clevis") {
                object["tpm2"] = json!(true);
            }
            here = object;
        }
        *here = value;
        config
    }

    fn accepted(config: &Json) -> bool {
        let text = config.to_string();
        let mut sources = Sources::default();
        let parsed = config::read(&mut sources, "c", text.as_bytes());
        parsed.config.is_some()
    }

    #[test]
    fn every_place_of_the_tables_is_one() {
        let mut schema = ignition(EXPERIMENTAL_MINOR);
        for (place, keys) in REQUIRED {
            let object = at(&mut schema, place).unwrap();
            for key in *keys {
                assert!(object["properties"].get(key).is_some(), "{place}: {key}");
            }
        }
        let closed = CLOSED.iter().map(|(place, _)| *place);
        let bounds = BOUNDS.iter().map(|(place, _, _)| *place);
        for place in closed.chain(bounds).chain(RESOURCES.iter().copied()) {
            assert!(at(&mut schema, place).is_some(), "{place}");
        }
    }

    /// Schema and validation say the same of the values that the tables close.
    #[test]
    fn closed_values_and_bounds_are_those_of_the_validation() {
        for minor in 0..=EXPERIMENTAL_MINOR {
            for (place, values) in CLOSED {
                let unknown = [("raid7", 99), ("EXT4", 99)];
                for (value, since) in values.iter().chain(&unknown) {
                    let config = with(minor, place, json!(value));
                    assert_eq!(accepted(&config), *since <= minor, "{config}");
                }
            }
            for (place, least, greatest) in BOUNDS {
                if at(&mut ignition(minor), place).is_none() {
                    continue;
                }
                for (number, good) in [
                    (least - 1, false),
                    (*least, true),
                    (*greatest, true),
                    (greatest.saturating_add(1), *greatest == i64::MAX),
                ] {
                    // As large as the number of devices or pins allows, which no schema can say.
                    if number > 2 && (place.ends_with("spares") || place.ends_with("threshold")) {
                        continue;
                    }
                    let config = with(minor, place, json!(number));
                    assert_eq!(accepted(&config), good, "{config}");
                }
            }
        }
    }

    #[test]
    fn what_is_required_is_missed_by_the_validation_too() {
        for (place, keys) in REQUIRED.iter().filter(|(place, _)| place.contains('*')) {
            for key in *keys {
                let mut config = with(EXPERIMENTAL_MINOR, &format!("{place}/{key}"), Json::Null);
                assert!(!accepted(&config), "{config}");
                if let Some(object) = config.pointer_mut(&format!("/{}", place.replace('*', "0"))) {
                    object.as_object_mut().map(|object| object.remove(*key));
                }
                assert!(!accepted(&config), "{config}");
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
        let properties = &file["properties"];
        assert_eq!(properties["path"]["type"], "string");
        assert_eq!(properties["mode"]["type"], json!(["integer", "null"]));
        assert_eq!(properties["contents"]["type"], json!(["object", "null"]));
        let kinds = json!(["", "gzip", null]);
        assert_eq!(
            properties["contents"]["properties"]["compression"]["enum"],
            kinds
        );
        let version = &ignition(7)["properties"]["ignition"]["properties"]["version"];
        assert_eq!(version["const"], "3.7.0-experimental");
    }
}
