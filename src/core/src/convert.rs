//! A config as Ignition 3 JSON of a chosen version.

use std::borrow::Cow;

use serde_json::{Map, Value as Json, json};

use crate::diag::{Diagnostic, Report};
use crate::spec::v3::{Config, EXPERIMENTAL_MINOR, version_name};
use crate::spec::{self, At, Newer, Wire as _};
use crate::translate::butane::MachineConfig;
use crate::validate::version_rules;

/// Writes the config at version 3.`minor`.0, or names everything that this version cannot say.
pub fn to_version(config: &Config, minor: u8) -> Result<Json, Report> {
    let config = &sayable(config);
    let newer = everything_newer_than(config, minor);
    if !newer.is_empty() {
        let items = newer.iter().map(|found| unsayable(found, minor)).collect();
        return Err(Report { items });
    }
    let mut config = config.as_ref().clone();
    version_rules::leave_unsaid(&mut config, minor);
    config.ignition.version = Some(At::new(version_name(minor)));
    // The version is there, so there is something to write.
    Ok(spec::tree(&config).unwrap_or_default())
}

/// Writes the config as the MachineConfig that a cluster takes, at the version that the config asks for. Its keys
/// and their order are those of Butane.
pub fn to_machine_config(config: &Config, machine: &MachineConfig) -> Result<Json, Report> {
    let labels = machine.labels.iter();
    let labels = labels.map(|(key, value)| (key.clone(), Json::from(value.as_str())));
    let mut spec = Map::new();
    spec.insert("config".into(), to_version(config, machine.minor)?);
    let lists = [
        ("extensions", &machine.extensions),
        ("kernelArguments", &machine.kernel_arguments),
    ];
    for (key, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
        spec.insert(key.into(), Json::from(list.as_slice()));
    }
    spec.extend(machine.fips.map(|fips| ("fips".into(), fips.into())));
    let kernel = machine.kernel_type.as_deref();
    spec.extend(kernel.map(|kind| ("kernelType".into(), kind.into())));
    Ok(json!({
        "apiVersion": "machineconfiguration.openshift.io/v1",
        "kind": "MachineConfig",
        "metadata": {"labels": Map::from_iter(labels), "name": machine.name},
        "spec": spec,
    }))
}

/// The oldest minor version that can say all that the config says.
pub fn least_minor(config: &Config) -> u8 {
    let config = &sayable(config);
    // What is newer within a section that is too new itself shows only where the section is known.
    (0..EXPERIMENTAL_MINOR)
        .find(|minor| everything_newer_than(config, *minor).is_empty())
        .unwrap_or(EXPERIMENTAL_MINOR)
}

/// The config without what only the stages say to one another. Sectors become those of 512 bytes.
fn sayable(config: &Config) -> Cow<'_, Config> {
    let partitions = |config: &Config| {
        let disks = config.storage.disks.iter();
        disks
            .flat_map(|disk| &disk.partitions)
            .any(|partition| partition.own_sectors.is_some())
    };
    if !partitions(config) {
        return Cow::Borrowed(config);
    }
    let mut config = config.clone();
    for disk in &mut config.storage.disks {
        for partition in &mut disk.partitions {
            partition.own_sectors = None;
        }
    }
    Cow::Owned(config)
}

fn everything_newer_than(config: &Config, minor: u8) -> Vec<Newer> {
    let mut newer = Vec::new();
    config.newer_than(minor, &mut newer);
    version_rules::newer_than(config, minor, &mut newer);
    newer
}

fn unsayable(newer: &Newer, minor: u8) -> Diagnostic {
    Diagnostic::error(
        newer.span,
        format!("version {} has no {}", version_name(minor), newer.what),
    )
    .help(format!(
        "version {} is the first that has it",
        version_name(newer.since)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::diag::Sources;

    fn converted(text: &str, minor: u8) -> Result<Json, String> {
        let mut sources = Sources::default();
        let parsed = config::read(&mut sources, "c.ign", text.as_bytes());
        to_version(&parsed.config.unwrap(), minor).map_err(|report| report.render(&sources))
    }

    #[test]
    fn the_version_is_the_chosen_one_and_the_rest_stays() {
        // All fields at once are no valid config, but they are all written again.
        let text = include_str!("../tests/data/every-field-3.6.ign");
        let every =
            crate::cache::decode(&mut Sources::default(), "c.ign", text.to_string(), None).unwrap();
        let original: Json = serde_json::from_str(text).unwrap();
        assert_eq!(to_version(&every, 6), Ok(original));
        let plain = r#"{"ignition": {"version": "3.5.0"}}"#;
        let json = converted(plain, 0).unwrap();
        assert_eq!(json, serde_json::json!({"ignition": {"version": "3.0.0"}}));
    }

    #[test]
    fn a_plain_merge_has_no_compression_to_lose() {
        let text = "variant: fcos\nversion: 1.1.0\nignition: {config: {merge: [{inline: a}]}}\n";
        let merge = serde_json::json!([{"source": "data:,a"}]);
        let json = converted(text, 0).unwrap();
        assert_eq!(json["ignition"]["config"]["merge"], merge);
    }

    #[test]
    fn what_an_older_version_lacks_is_named_where_it_stands() {
        let text = r#"{"ignition": {"version": "3.4.0"},
"kernelArguments": {"shouldExist": ["quiet"]},
"storage": {"luks": [{"name": "d", "device": "/dev/vdb",
  "discard": true,
  "keyFile": {"source": "data:,k"}}]}}"#;
        let said = converted(text, 3).unwrap_err();
        insta::assert_snapshot!(said, @r#"
        c.ign:4:14: error: version 3.3.0 has no "discard"
          4 |   "discard": true,
            |              ^^^^
          help: version 3.4.0 is the first that has it
        "#);
        let said = converted(text, 2).unwrap_err();
        assert_eq!(said.matches("error:").count(), 2, "{said}");
        assert!(said.contains("c.ign:2:20: error: version 3.2.0 has no \"kernelArguments\""));
        let said = converted(text, 1).unwrap_err();
        assert!(
            said.contains("c.ign:3:22: error: version 3.1.0 has no \"luks\""),
            "{said}"
        );
    }

    #[test]
    fn values_that_an_older_version_lacks_are_named_too() {
        let text = r#"{"ignition": {"version": "3.6.0", "config": {"merge": [
  {"source": "gs://bucket/a", "compression": "gzip"}]}},
"storage": {"directories": [{"path": "/srv/d", "mode": 1533}],
 "filesystems": [{"device": "/dev/vdb", "format": "none"}],
 "disks": [{"device": "/dev/vda", "partitions": [
  {"number": 1, "shouldExist": false, "wipePartitionEntry": true},
  {"number": 0, "label": "x"}]}]}}"#;
        let mut sources = Sources::default();
        let config = crate::cache::decode(&mut sources, "c.ign", text.to_string(), None).unwrap();
        let said = |minor| {
            to_version(&config, minor).map_err(|report| {
                let lines: Vec<String> = report
                    .render(&sources)
                    .lines()
                    .filter(|line| line.starts_with("c.ign"))
                    .map(Into::into)
                    .collect();
                lines.join("\n")
            })
        };
        assert!(said(7).is_ok());
        insta::assert_snapshot!(said(0).unwrap_err(), @r#"
        c.ign:2:46: error: version 3.0.0 has no compression of configs and certificate authorities
        c.ign:2:14: error: version 3.0.0 has no gs:// URLs
        c.ign:4:51: error: version 3.0.0 has no file system format "none"
        c.ign:3:56: error: version 3.0.0 has no setuid, setgid and sticky bits in modes
        c.ign:6:32: error: version 3.0.0 has no removal of a partition beside one that takes the next free number
        "#);
    }
}
