//! The front door: bytes → a config of the newest version, checked at the version it claims to be.

mod archive;
mod language;
mod mime;
mod part;
mod parts;
mod user_data;
mod words;

use std::borrow::Cow;
use std::ops::Range;

pub use language::Language;
use language::{Start, member, members};

use crate::diag::{Diagnostic, Report, Shown, SourceId, Sources, Span};
use crate::grub;
use crate::json::{self, Node, Value};
use crate::reveal;
use crate::spec::v3::{Config, DIALECT, EXPERIMENTAL_MINOR, NEWEST_MINOR, version_name};
use crate::spec::{Decoder, Wire as _, v2};
use crate::translate::butane::MachineConfig;
use crate::translate::{
    LocalFiles, Translation, butane, cloud_config, container_linux, ignition2, script,
};
use crate::validate::{self, version_rules};
use crate::yaml;
use user_data::UserData;

/// Largest config that is read, in bytes. Configs carry whole files in `data:` URLs, but not images.
pub const MAX_CONFIG: usize = 64 << 20;

/// What reading a config gave.
#[derive(Debug, Default)]
pub struct Parsed {
    /// The config; `None` for empty input and where the report has errors.
    pub config: Option<Config>,
    /// Findings.
    pub report: Report,
    /// The language that it was written in, as far as that was recognized.
    pub language: Option<Language>,
    /// Whether what it refers to is appended ([`crate::merge::appended`], version 2) rather than merged.
    pub appends: bool,
    /// What the config says to a cluster besides (Butane's variant `openshift`).
    pub machine: Option<MachineConfig>,
}

/// How a config is read.
#[derive(Default, Clone, Copy)]
pub struct Reading<'a> {
    /// The language; `None` recognizes it from the content.
    pub language: Option<Language>,
    /// Where `local:` files come from.
    pub files: Option<&'a dyn LocalFiles>,
    /// Whether other configs will be merged with it, so that what it lacks is not missed yet.
    pub part: bool,
    /// Whether what the config says to a cluster reaches one, as by [`crate::convert::to_machine_config`].
    pub cluster: bool,
}

/// Reads a config and adds its text to the sources. Empty input is no config and no error.
pub fn read(sources: &mut Sources, name: &str, bytes: &[u8]) -> Parsed {
    read_as(sources, name, bytes, Reading::default())
}

/// The same with the language and the local files given.
pub fn read_as(sources: &mut Sources, name: &str, bytes: &[u8], reading: Reading<'_>) -> Parsed {
    let mut parsed = Parsed::default();
    let found = match user_data::unpack(sources, name, bytes, &mut parsed.report) {
        Ok(found) => found,
        Err(diagnostic) => {
            parsed.report.push(diagnostic);
            return parsed;
        }
    };
    let has_text = |found: &UserData<'_>| !found.text.trim().is_empty();
    let found: Vec<UserData<'_>> = found.into_iter().filter(has_text).collect();
    let read = match found.as_slice() {
        [] => return parsed,
        [one] => parts::one(sources, one, reading, &mut parsed),
        several => parts::several(sources, several, reading, &mut parsed),
    };
    match read {
        Ok(Some(config)) => {
            // The operator makes a node's config of all MachineConfigs for it.
            let stage = match (reading.part || parsed.machine.is_some(), found.len()) {
                (true, _) => validate::Stage::Part,
                (false, 1) => validate::Stage::Whole,
                (false, _) => validate::Stage::Merged,
            };
            validate::lower(&config, stage, &mut parsed.report);
            if !parsed.report.has_errors() {
                parsed.config = Some(config);
            }
        }
        Ok(None) => {}
        Err(diagnostic) => parsed.report.push(diagnostic),
    }
    if parsed.language == Some(Language::CloudConfig) {
        parsed.report.count_alike();
    }
    if matches!(
        parsed.language,
        Some(Language::Butane | Language::ContainerLinux)
    ) {
        parsed.report.items.iter_mut().for_each(words::in_yaml);
    }
    parsed
}

/// Recognizes the language, makes the tree and translates it; `None` where the report says why not.
fn understand(
    sources: &mut Sources,
    (source, text): (SourceId, &str),
    place: script::Place,
    reading: Reading<'_>,
    parsed: &mut Parsed,
) -> Result<Option<Config>, Diagnostic> {
    let start = match reading.language {
        Some(Language::Ignition) => Start::Json,
        Some(language) => Start::Certain(language),
        None => language::start(text),
    };
    let (language, tree) = match start {
        Start::Json => {
            let tree = json::parse(source, uncommented(text).as_ref())?;
            let butane = language::member(&tree, "variant").is_some();
            let language = if butane {
                Language::Butane
            } else {
                Language::Ignition
            };
            (language, tree)
        }
        Start::Certain(Language::Script) => {
            parsed.language = Some(Language::Script);
            sources.show(source, Shown::part(head(text)));
            let mut cx = Translation {
                report: &mut parsed.report,
                files: reading.files,
                cluster: reading.cluster,
            };
            return Ok(script::translate(source, text, place, &mut cx));
        }
        Start::Certain(language) => (
            language,
            yaml::parse_with(source, text, &mut parsed.report)?,
        ),
        Start::Yaml => {
            let tree = yaml::parse_with(source, text, &mut parsed.report)?;
            sources.show(source, reveal::of_tree(text, &tree));
            (language::of_yaml(&tree)?, tree)
        }
        Start::Foreign(what) => {
            sources.show(source, Shown::part(head(text)));
            return Err(not_read(source, text, what));
        }
    };
    sources.show(source, reveal::of_tree(text, &tree));
    parsed.language = Some(language);
    let mut cx = Translation {
        report: &mut parsed.report,
        files: reading.files,
        cluster: reading.cluster,
    };
    match language {
        Language::Ignition => {
            let version = version(&tree)?;
            parsed.appends = matches!(version, Version::Two(_));
            Ok(match version {
                Version::Two(minor) => ignition2::translate(&tree, minor, &mut cx),
                Version::Three(minor) => ignition3(&tree, minor, cx.report),
            })
        }
        Language::Butane => {
            let translated = butane::translate(&tree, &mut cx);
            Ok(translated.map(|translated| {
                let mut config = translated.config;
                version_rules::check(&mut config, translated.minor, translated.dialect, cx.report);
                parsed.machine = translated.machine;
                config
            }))
        }
        Language::ContainerLinux => {
            parsed.appends = true;
            Ok(container_linux::translate(&tree, &mut cx))
        }
        Language::CloudConfig => Ok(cloud_config::translate(&tree, &mut cx)),
        Language::Script => Err(not_read(source, text, "a script")),
    }
}

/// An Ignition config of version 3.
fn ignition3(tree: &Node, minor: u8, report: &mut Report) -> Option<Config> {
    let mut decoder = Decoder {
        dialect: &DIALECT,
        minor,
        report,
    };
    let mut config = Config::decode(tree, &mut decoder)?;
    version_rules::check(&mut config, minor, &DIALECT, report);
    for argument in &config.kernel_arguments.should_exist {
        if let Some(what) = grub::unspeakable_entry(&argument.value) {
            let message = format!(
                "the kernel argument holds {what}, which GRUB cannot hand on: where the distribution has no ignition-kargs-helper, as on Flatcar, it is refused"
            );
            report.push(
                Diagnostic::hint(argument.span, message)
                    .help("write the argument without it")
                    .secret(),
            );
        }
    }
    if minor == EXPERIMENTAL_MINOR {
        report.push(
            Diagnostic::warning(
                config.ignition.version.as_ref().and_then(|at| at.span),
                "version 3.7.0-experimental may change its meaning until it is stable",
            )
            .help("use version 3.6.0 unless you need what is new"),
        );
    }
    Some(config)
}

/// Blanks the line `#cloud-config` that some providers put before every user data, so that places
/// stay what they are.
fn uncommented(text: &str) -> Cow<'_, str> {
    match text.find('{') {
        Some(brace) if text.get(..brace).is_some_and(|head| head.contains('#')) => {
            let mut blank: String = " ".repeat(brace);
            blank.push_str(text.get(brace..).unwrap_or_default());
            Cow::Owned(blank)
        }
        _ => Cow::Borrowed(text),
    }
}

/// What says of a text which kind it is: the mark of its first line with one word, as `#!/bin/sh`.
fn head(text: &str) -> Range<usize> {
    let start = text.len() - text.trim_start_matches('\u{feff}').trim_start().len();
    let line = text.get(start..).unwrap_or_default();
    let line = line.lines().next().unwrap_or_default();
    let mark = line.len() - line.trim_start_matches(['#', '!', ' ']).len();
    let word = line[mark..].find([' ', '\t']).unwrap_or(line.len() - mark);
    start..start + mark + word
}

fn not_read(source: SourceId, text: &str, what: &str) -> Diagnostic {
    let first_line = text.lines().next().unwrap_or_default().len();
    let span = Span {
        source,
        start: 0,
        end: u32::try_from(first_line).unwrap_or(u32::MAX),
    };
    Diagnostic::error(span, format!("this is {what}, which is not read here"))
        .help("configs are Ignition (JSON), Butane (YAML with variant: and version:) or cloud-config (YAML that begins with #cloud-config)")
}

/// Major and minor version of an Ignition config.
enum Version {
    /// 2.N.0
    Two(u8),
    /// 3.N.0
    Three(u8),
}

/// The version that the config claims.
fn version(tree: &Node) -> Result<Version, Diagnostic> {
    const HELP: &str =
        "known are \"2.0.0\" to \"2.4.0\", \"3.0.0\" to \"3.6.0\" and \"3.7.0-experimental\"";
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
    // The decoder fills one section from all that have its name.
    let Some(version) =
        members(tree, "ignition").find_map(|section| member(&section.value, "version"))
    else {
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
    if *text == version_name(EXPERIMENTAL_MINOR) {
        return Ok(Version::Three(EXPERIMENTAL_MINOR));
    }
    let parts: Option<Vec<u64>> = text.split('.').map(|part| part.parse().ok()).collect();
    match parts.as_deref() {
        Some([3, minor, 0]) if *minor <= u64::from(NEWEST_MINOR) => {
            Ok(Version::Three(u8::try_from(*minor).unwrap_or(NEWEST_MINOR)))
        }
        Some([2, minor, 0]) if *minor <= u64::from(v2::NEWEST_MINOR) => Ok(Version::Two(
            u8::try_from(*minor).unwrap_or(v2::NEWEST_MINOR),
        )),
        _ if text == EXPERIMENTAL_TWO => Err(Diagnostic::error(
            span,
            format!("version {text} was experimental and never became stable"),
        )
        .help("write \"2.4.0\"; what is not part of it is named then")),
        _ => Err(match stable_since(text) {
            Some(stable) => Diagnostic::error(
                span,
                format!("the experimental version {text} is over: it became {stable}"),
            )
            .help(format!("write {stable:?}")),
            None => Diagnostic::error(span, format!("unknown config version {text:?}")).help(HELP),
        }),
    }
}

/// The last version 2, which was given up for version 3.
const EXPERIMENTAL_TWO: &str = "2.5.0-experimental";

/// What an experimental version of the past is called now.
fn stable_since(text: &str) -> Option<String> {
    (0..=NEWEST_MINOR)
        .map(version_name)
        .chain((0..=v2::NEWEST_MINOR).map(|minor| format!("2.{minor}.0")))
        .find(|stable| text.strip_suffix("-experimental") == Some(stable))
}
