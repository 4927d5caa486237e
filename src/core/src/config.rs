//! The front door: bytes → a config of the newest version, checked at the version it claims to be.

use crate::diag::{Diagnostic, Report, Sources, Span};
use crate::json::{self, Member, Node, Value};
use crate::spec::v3::{Config, NEWEST_MINOR};
use crate::spec::{Decoder, Wire as _};
use crate::validate;

/// Largest config that is read, in bytes. Configs carry whole files in `data:` URLs, but not images.
pub const MAX_CONFIG: usize = 64 << 20;

/// What reading a config gave.
#[derive(Debug, Default)]
pub struct Parsed {
    /// The config; `None` for empty input and where the report has errors.
    pub config: Option<Config>,
    /// Findings.
    pub report: Report,
}

/// Reads a config and adds its text to the sources. Empty input is no config and no error.
pub fn read(sources: &mut Sources, name: &str, bytes: &[u8]) -> Parsed {
    let mut parsed = Parsed::default();
    let text = match text(bytes) {
        Ok(text) => text,
        Err(message) => {
            let start = sources.add(name, "");
            let span = Span {
                source: start,
                start: 0,
                end: 0,
            };
            parsed.report.error(span, message);
            return parsed;
        }
    };
    if text.trim().is_empty() {
        return parsed;
    }
    let source = sources.add(name, text);
    let whole = |len: usize| Span {
        source,
        start: 0,
        end: u32::try_from(len).unwrap_or(u32::MAX),
    };
    if let Some(language) = other_language(text) {
        let first_line = text.lines().next().unwrap_or_default().len();
        parsed.report.push(
            Diagnostic::error(
                whole(first_line),
                format!("this is {language}, not an Ignition config"),
            )
            .help("this version reads Ignition configs 3.0.0 to 3.6.0; Butane YAML is turned into them by butane"),
        );
        return parsed;
    }
    let tree = match json::parse(source, text) {
        Ok(tree) => tree,
        Err(diagnostic) => {
            parsed.report.push(diagnostic);
            return parsed;
        }
    };
    let minor = match version(&tree) {
        Ok(minor) => minor,
        Err(diagnostic) => {
            parsed.report.push(diagnostic);
            return parsed;
        }
    };
    let report = &mut parsed.report;
    let Some(mut config) = Config::decode(&tree, &mut Decoder { minor, report }) else {
        return parsed;
    };
    if minor < 6 {
        strip_special_bits(&mut config, report);
    }
    validate::lower(&config, validate::Stage::Single, report);
    if !report.has_errors() {
        parsed.config = Some(config);
    }
    parsed
}

fn text(bytes: &[u8]) -> Result<&str, String> {
    if bytes.len() > MAX_CONFIG {
        return Err(format!(
            "the config is larger than {} MiB, the most that is read",
            MAX_CONFIG >> 20
        ));
    }
    if bytes.starts_with(&[0x1f, 0x8b]) {
        return Err(
            "the config is compressed with gzip, which this version does not read here".into(),
        );
    }
    std::str::from_utf8(bytes).map_err(|error| {
        format!(
            "the config is not UTF-8 text: byte {} is wrong",
            error.valid_up_to() + 1
        )
    })
}

/// Recognizes what clouds hand out besides Ignition configs.
fn other_language(text: &str) -> Option<&'static str> {
    let start = text.trim_start_matches('\u{feff}').trim_start();
    let head = start.lines().next().unwrap_or_default();
    if head.starts_with("#cloud-config") {
        Some("cloud-config")
    } else if head.starts_with("#!") {
        Some("a script")
    } else if head.to_ascii_lowercase().starts_with("content-type:")
        || head.starts_with("MIME-Version:")
    {
        Some("a MIME message")
    } else if start.starts_with("variant:")
        || start.contains("\nvariant:") && !start.starts_with('{')
    {
        Some("Butane YAML")
    } else {
        None
    }
}

fn member<'n>(node: &'n Node, key: &str) -> Option<&'n Member> {
    match &node.value {
        // Of duplicates the last counts, as it does in the decoder.
        Value::Object(members) => members
            .iter()
            .rev()
            .find(|m| m.key.eq_ignore_ascii_case(key)),
        _ => None,
    }
}

/// The minor version that the config claims, of major version 3.
fn version(tree: &Node) -> Result<u8, Diagnostic> {
    const HELP: &str = "this version reads ignition.version \"3.0.0\" to \"3.6.0\"";
    if !matches!(tree.value, Value::Object(_)) {
        return Err(Diagnostic::error(
            tree.span,
            format!("a config is an object, this is {}", tree.value.kind()),
        ));
    }
    if let Some(old) = member(tree, "ignitionVersion") {
        return Err(Diagnostic::error(
            old.key_span,
            "this is a config of specification 1, which nothing reads any more",
        )
        .help(HELP));
    }
    let Some(ignition) = member(tree, "ignition") else {
        return Err(Diagnostic::error(
            Span {
                end: tree.span.start + 1,
                ..tree.span
            },
            "the config has no \"ignition\" section with a version",
        )
        .help("add \"ignition\": {\"version\": \"3.4.0\"}"));
    };
    let Some(version) = member(&ignition.value, "version") else {
        return Err(
            Diagnostic::error(ignition.key_span, "the config does not say its version")
                .help("add \"version\": \"3.4.0\" to this section"),
        );
    };
    let span = version.value.span;
    let Value::String(text) = &version.value.value else {
        return Err(Diagnostic::error(
            span,
            format!("expected a string, found {}", version.value.value.kind()),
        ));
    };
    let parts: Option<Vec<u64>> = text.split('.').map(|part| part.parse().ok()).collect();
    match parts.as_deref() {
        Some([3, minor, 0]) if *minor <= u64::from(NEWEST_MINOR) => {
            Ok(u8::try_from(*minor).unwrap_or(NEWEST_MINOR))
        }
        Some([2, _, _]) => Err(Diagnostic::error(
            span,
            format!("configs of version {text} are not read by this version"),
        )
        .help(HELP)),
        _ if text.contains("-experimental") => Err(Diagnostic::error(
            span,
            format!("the experimental version {text} is not accepted: its meaning may change"),
        )
        .help(HELP)),
        _ => Err(Diagnostic::error(span, format!("unknown config version {text:?}")).help(HELP)),
    }
}

/// Before 3.6.0 setuid, setgid and sticky bits had no effect (ignition config/v3_6/translate).
fn strip_special_bits(config: &mut Config, report: &mut Report) {
    let files = config.storage.files.iter_mut().map(|file| &mut file.mode);
    let directories = config
        .storage
        .directories
        .iter_mut()
        .map(|dir| &mut dir.mode);
    for mode in files.chain(directories).flatten() {
        if !(0o1000..=0o7777).contains(&mode.value) {
            continue;
        }
        let plain = mode.value & 0o777;
        let message = format!(
            "the special bits of mode {:04o} have no effect before version 3.6.0: {plain:04o} is used",
            mode.value
        );
        let help = match validate::octal_slip(mode.value) {
            Some(meant) => format!(
                "JSON numbers are decimal: for the octal mode {:04} write {meant}",
                mode.value
            ),
            None => {
                "set ignition.version to \"3.6.0\" to use setuid, setgid and sticky bits".into()
            }
        };
        report.push(Diagnostic::warning(mode.span, message).help(help));
        mode.value = plain;
    }
}
