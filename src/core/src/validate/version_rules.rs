//! What a version cannot say although it has the field: one table, used to check a config at its own
//! version and to convert it to another (ignition docs/migrating-configs.md and config/v3_N/types).
//!
//! Configs hold everything that the newest version knows; what they say is theirs by this table and by
//! the versions of the fields alone.

use crate::diag::{Diagnostic, Report, Span};
use crate::spec::v3::{Config, Disk, Resource};
use crate::spec::{At, Dialect, Newer};

use super::octal_slip;

/// One thing that not every version can say.
struct Rule {
    /// What it is, for messages.
    what: &'static str,
    /// The first minor version that can say it.
    since: u8,
    /// What versions before make of it.
    before: Before,
    /// All places where a config says it.
    find: fn(&Config) -> Vec<Option<Span>>,
}

/// What a version makes of a value that it does not know.
enum Before {
    /// It refuses the config.
    Refused,
    /// Ignition refuses the config, pilotlight takes it as later versions do.
    Taken,
    /// It goes on as if nothing had been said; the function takes it out of the config and says so.
    Ignored(fn(&mut Config, u8, &Dialect, &mut Report)),
}

const RULES: &[Rule] = &[
    Rule {
        what: "sha256 hashes",
        since: 1,
        before: Before::Refused,
        find: |config| {
            let hashes = resources(config).filter_map(|resource| {
                let hash = resource.verification.hash.as_ref();
                hash.filter(|hash| hash.value.starts_with("sha256-"))
            });
            hashes.map(|hash| hash.span).collect()
        },
    },
    Rule {
        what: "compression of configs and certificate authorities",
        since: 1,
        before: Before::Ignored(forget_compression),
        find: |config| {
            // The empty word is none.
            let compressions = configs(config).filter_map(|resource| given(&resource.compression));
            compressions.map(|at| at.span).collect()
        },
    },
    Rule {
        what: "gs:// URLs",
        since: 2,
        before: Before::Refused,
        find: |config| scheme(config, "gs"),
    },
    Rule {
        what: "file system format \"none\"",
        since: 3,
        before: Before::Refused,
        find: |config| format(config, "none"),
    },
    Rule {
        what: "arn: URLs",
        since: 4,
        before: Before::Refused,
        find: |config| scheme(config, "arn"),
    },
    Rule {
        what: "clevis pins but tang, tpm2 and sss",
        since: 6,
        before: Before::Refused,
        find: |config| {
            let luks = config.storage.luks.iter();
            luks.filter_map(|luks| given(&luks.clevis.custom.pin))
                .filter(|pin| !["tang", "tpm2", "sss"].contains(&pin.value.as_str()))
                .map(|pin| pin.span)
                .collect()
        },
    },
    Rule {
        what: "setuid, setgid and sticky bits in modes",
        since: 6,
        before: Before::Ignored(forget_special_bits),
        find: |config| {
            let files = config.storage.files.iter().map(|file| &file.mode);
            let directories = config.storage.directories.iter().map(|dir| &dir.mode);
            let modes = files.chain(directories).flatten();
            modes
                .filter(|mode| is_special(mode.value))
                .map(|mode| mode.span)
                .collect()
        },
    },
    Rule {
        what: "file system format \"virtiofs\"",
        since: 7,
        before: Before::Refused,
        find: |config| format(config, "virtiofs"),
    },
    Rule {
        what: "removal of a partition beside one that takes the next free number",
        since: 7,
        // A limit of Ignition's, not of ours: the plan knows what is free after the removal.
        before: Before::Taken,
        find: |config| {
            let disks = config.storage.disks.iter();
            disks.filter_map(removed_beside_zero).collect()
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

/// Reports what the config says and its own version does not know; what that version passes over is
/// taken out.
pub(crate) fn check(config: &mut Config, minor: u8, dialect: &Dialect, report: &mut Report) {
    for rule in RULES.iter().filter(|rule| rule.since > minor) {
        match rule.before {
            Before::Refused => {
                for span in (rule.find)(config) {
                    let message = format!("{} has no {}", (dialect.version)(minor), rule.what);
                    report.push(Diagnostic::error(span, message).help((dialect.ask)(rule.since)));
                }
            }
            Before::Taken => {}
            Before::Ignored(forget) => forget(config, minor, dialect, report),
        }
    }
}

/// In 3.0.0 a reference to a config or certificate authority has no compression: the key is unknown.
fn forget_compression(config: &mut Config, minor: u8, dialect: &Dialect, report: &mut Report) {
    for resource in configs_mut(config) {
        if let Some(compression) = resource.compression.take() {
            report.push(
                Diagnostic::warning(
                    compression.span,
                    format!(
                        "configs and certificate authorities have no compression in {}: \
                         this has no effect",
                        (dialect.version)(minor)
                    ),
                )
                .help((dialect.ask)(1)),
            );
        }
    }
}

/// Leaves out what a minor version has no word for, and what says nothing.
pub(crate) fn leave_unsaid(config: &mut Config, minor: u8) {
    if minor == 0 {
        for resource in configs_mut(config) {
            resource.compression = None;
        }
    }
}

fn configs_mut(config: &mut Config) -> impl Iterator<Item = &mut Resource> {
    let references = &mut config.ignition.config;
    let authorities = &mut config.ignition.security.tls.certificate_authorities;
    let list = references.merge.iter_mut().chain(&mut references.replace);
    list.chain(authorities)
}

/// Before 3.6.0 setuid, setgid and sticky bits had no effect (ignition config/v3_6/translate).
fn forget_special_bits(config: &mut Config, minor: u8, dialect: &Dialect, report: &mut Report) {
    let files = config.storage.files.iter_mut().map(|file| &mut file.mode);
    let directories = config.storage.directories.iter_mut();
    for mode in files
        .chain(directories.map(|dir| &mut dir.mode))
        .flatten()
        .filter(|mode| is_special(mode.value))
    {
        let plain = mode.value & 0o777;
        let message = format!(
            "the special bits of mode {:04o} have no effect in {}: {plain:04o} is used",
            mode.value,
            (dialect.version)(minor)
        );
        let help = match octal_slip(mode.value) {
            Some(meant) => format!(
                "the number is decimal: for the octal mode {:04} write {meant}",
                mode.value
            ),
            None => format!("{} to use setuid, setgid and sticky bits", (dialect.ask)(6)),
        };
        report.push(Diagnostic::warning(mode.span, message).help(help));
        mode.value = plain;
    }
}

fn is_special(mode: i64) -> bool {
    (0o1000..=0o7777).contains(&mode)
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

/// Where sources of a URL scheme stand; schemes may be of either case (RFC 3986, section 3.1).
fn scheme(config: &Config, scheme: &str) -> Vec<Option<Span>> {
    let sources = resources(config).filter_map(|resource| resource.source.as_ref());
    sources
        .filter(|source| {
            let start = source.value.split_once(':').map(|(start, _)| start);
            start.is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        })
        .map(|source| source.span)
        .collect()
}

fn format(config: &Config, name: &str) -> Vec<Option<Span>> {
    let filesystems = config.storage.filesystems.iter();
    filesystems
        .filter_map(|filesystem| filesystem.format.as_ref())
        .filter(|format| format.value == name)
        .map(|format| format.span)
        .collect()
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
    use crate::config;
    use crate::diag::Sources;
    use crate::spec::v3::version_name;

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
        let file = |contents: &str| {
            format!(
                "\"storage\": {{\"files\": [{{\"path\": \"/a\", \"contents\": {{{contents}}}}}]}}"
            )
        };
        let hash = format!(
            "\"verification\": {{\"hash\": \"sha256-{}\"}}",
            "0".repeat(64)
        );
        let luks = "\"storage\": {\"luks\": [{\"name\": \"a\", \"device\": \"/dev/x\",
            \"clevis\": {\"custom\": {\"pin\": \"tang2\", \"config\": \"{}\"}}}]}";
        let filesystem = |inner: &str| format!("\"storage\": {{\"filesystems\": [{{{inner}}}]}}");
        for (field, since, section, words) in [
            (
                0,
                1,
                file(&format!("\"source\": \"data:,x\", {hash}")),
                "sha256 hashes",
            ),
            (0, 2, file("\"source\": \"GS://a/b\""), "gs:// URLs"),
            (
                0,
                3,
                filesystem("\"device\": \"/dev/x\", \"format\": \"none\""),
                "file system format \"none\"",
            ),
            (0, 4, file("\"source\": \"arn:aws:s3:::b/k\""), "arn: URLs"),
            (2, 6, luks.into(), "clevis pins but"),
            (
                0,
                7,
                filesystem("\"device\": \"home\", \"format\": \"virtiofs\""),
                "file system format \"virtiofs\"",
            ),
        ] {
            for minor in field..=7 {
                let said = format!("version {} has no {words}", version_name(minor));
                assert_eq!(refused(minor, &section, &said), minor < since, "{said}");
            }
        }
    }
}
