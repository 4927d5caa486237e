//! What a version cannot say although it has the field: one table, used to check a config at its own
//! version and to convert it to another (ignition docs/migrating-configs.md and config/v3_N/types).

use crate::diag::{Diagnostic, Report, Span};
use crate::spec::v3::{Config, Disk, Resource, version_name};
use crate::spec::{At, Newer};

/// Finds the first place that says it.
type Find = fn(&Config) -> Vec<Option<Span>>;

/// One thing that not every version can say.
struct Rule {
    /// What it is, for messages.
    what: &'static str,
    /// The first minor version that can say it.
    since: u8,
    /// Whether an older config that says it is refused. The others have no effect there, or are a limit
    /// of Ignition's that pilotlight does not have.
    refused: bool,
    /// Where a config says it.
    find: Find,
}

const RULES: &[Rule] = &[
    Rule {
        what: "hashes of kind sha256",
        since: 1,
        refused: true,
        find: |config| {
            places(config, |resource| {
                resource
                    .verification
                    .hash
                    .as_ref()
                    .filter(|hash| hash.value.starts_with("sha256-"))
            })
        },
    },
    Rule {
        what: "compression of configs and certificate authorities",
        since: 1,
        refused: false,
        find: |config| {
            configs(config)
                .filter_map(|resource| given(&resource.compression))
                .map(|compression| compression.span)
                .collect()
        },
    },
    Rule {
        what: "gs:// URLs",
        since: 2,
        refused: true,
        find: |config| scheme(config, "gs:"),
    },
    Rule {
        what: "file system format \"none\"",
        since: 3,
        refused: true,
        find: |config| {
            let formats = config.storage.filesystems.iter();
            formats
                .filter_map(|filesystem| filesystem.format.as_ref())
                .filter(|format| format.value == "none")
                .map(|format| format.span)
                .collect()
        },
    },
    Rule {
        what: "arn: URLs",
        since: 4,
        refused: true,
        find: |config| scheme(config, "arn:"),
    },
    Rule {
        what: "setuid, setgid and sticky bits in modes",
        since: 6,
        refused: false,
        find: |config| {
            let files = config.storage.files.iter().map(|file| &file.mode);
            let directories = config.storage.directories.iter().map(|dir| &dir.mode);
            files
                .chain(directories)
                .flatten()
                .filter(|mode| mode.value & 0o7000 != 0)
                .map(|mode| mode.span)
                .collect()
        },
    },
    Rule {
        what: "removal of a partition beside one that takes the next free number",
        since: 7,
        refused: false,
        find: |config| {
            config
                .storage
                .disks
                .iter()
                .filter_map(removed_beside_zero)
                .collect()
        },
    },
];

/// Everything that the config says and a minor version cannot.
pub(crate) fn newer_than(config: &Config, minor: u8, found: &mut Vec<Newer>) {
    for rule in RULES.iter().filter(|rule| rule.since > minor) {
        found.extend((rule.find)(config).into_iter().map(|span| Newer {
            span,
            what: rule.what.into(),
            since: rule.since,
        }));
    }
}

/// Reports what the config says and its own version refuses.
pub(crate) fn check(config: &Config, minor: u8, report: &mut Report) {
    for rule in RULES
        .iter()
        .filter(|rule| rule.refused && rule.since > minor)
    {
        for span in (rule.find)(config) {
            report.push(
                Diagnostic::error(
                    span,
                    format!("version {} has no {}", version_name(minor), rule.what),
                )
                .help(format!(
                    "set ignition.version to {:?}",
                    version_name(rule.since)
                )),
            );
        }
    }
}

fn given(text: &Option<At<String>>) -> Option<&At<String>> {
    text.as_ref().filter(|at| !at.value.is_empty())
}

/// Resources that are configs or certificate authorities.
fn configs(config: &Config) -> impl Iterator<Item = &Resource> {
    let references = &config.ignition.config;
    references
        .merge
        .iter()
        .chain(&references.replace)
        .chain(&config.ignition.security.tls.certificate_authorities)
}

/// All resources of a config.
fn resources(config: &Config) -> impl Iterator<Item = &Resource> {
    let files = config.storage.files.iter();
    configs(config)
        .chain(files.flat_map(|file| std::iter::once(&file.contents).chain(&file.append.0)))
        .chain(config.storage.luks.iter().map(|luks| &luks.key_file))
}

fn places<'c>(
    config: &'c Config,
    find: impl Fn(&'c Resource) -> Option<&'c At<String>>,
) -> Vec<Option<Span>> {
    resources(config)
        .filter_map(find)
        .map(|at| at.span)
        .collect()
}

fn scheme(config: &Config, start: &str) -> Vec<Option<Span>> {
    places(config, |resource| {
        resource.source.as_ref().filter(|source| {
            source
                .value
                .get(..start.len())
                .is_some_and(|head| head.eq_ignore_ascii_case(start))
        })
    })
}

/// A removed partition of a disk on which another partition has number 0.
fn removed_beside_zero(disk: &Disk) -> Option<Option<Span>> {
    let number = |at: &Option<At<i64>>| at.as_ref().map_or(0, |at| at.value);
    disk.partitions
        .iter()
        .find(|partition| number(&partition.number) == 0)?;
    disk.partitions.iter().find_map(|partition| {
        let flag = partition.should_exist.as_ref()?;
        (!flag.value).then_some(flag.span)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::diag::Sources;

    /// Whether a config of a version that holds this section is refused with these words.
    fn refused(minor: u8, section: &str, words: &str) -> bool {
        let version = version_name(minor);
        let text = format!("{{\"ignition\": {{\"version\": \"{version}\"}},\n{section}}}");
        let mut sources = Sources::default();
        let parsed = config::read(&mut sources, "c.ign", text.as_bytes());
        let said = parsed.report.render(&sources);
        assert_eq!(said.contains(words), parsed.config.is_none(), "{said}");
        parsed.config.is_none()
    }

    #[test]
    fn each_refused_rule_begins_with_its_version() {
        let hash = "sha256-2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
        let file = |contents: &str| {
            format!("\"storage\": {{\"files\": [{{\"path\": \"/a\", \"contents\": {contents}}}]}}")
        };
        for (since, section, words) in [
            (
                1,
                file(&format!(
                    "{{\"source\": \"data:,x\", \"verification\": {{\"hash\": \"{hash}\"}}}}"
                )),
                "sha256",
            ),
            (
                3,
                "\"storage\": {\"filesystems\": [{\"device\": \"/dev/x\", \"format\": \"none\"}]}"
                    .into(),
                "format \"none\"",
            ),
        ] {
            for minor in 0..=7 {
                assert_eq!(
                    refused(minor, &section, words),
                    minor < since,
                    "{words} 3.{minor}"
                );
            }
        }
    }
}
