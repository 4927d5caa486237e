//! Which language a config is written in.

use crate::diag::{Diagnostic, Span, nearest};
use crate::json::{Member, Node, Value};
use crate::spec::butane::Variant;
use crate::spelling::nearest_within;

/// A config language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    /// Ignition 2.x or 3.x: JSON that says its version.
    Ignition,
    /// Butane: YAML that says its variant and version.
    Butane,
    /// Container Linux Config: YAML from before Butane, without a version.
    ContainerLinux,
    /// cloud-config: YAML that begins with the line `#cloud-config`.
    CloudConfig,
    /// A script that runs once, on the first boot.
    Script,
}

impl Language {
    /// All languages.
    pub const ALL: [Language; 5] = [
        Language::Ignition,
        Language::Butane,
        Language::ContainerLinux,
        Language::CloudConfig,
        Language::Script,
    ];

    /// The name by which a flag asks for it.
    pub fn name(self) -> &'static str {
        match self {
            Language::Ignition => "ignition",
            Language::Butane => "butane",
            Language::ContainerLinux => "container-linux",
            Language::CloudConfig => "cloud-config",
            Language::Script => "script",
        }
    }

    /// The language of a name.
    pub fn parse(name: &str) -> Option<Language> {
        Self::ALL
            .into_iter()
            .find(|language| language.name() == name)
    }
}

/// What the first characters say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// Text that is JSON or nothing.
    Json,
    /// Text that may be YAML; its keys tell which.
    Yaml,
    /// The language is certain.
    Certain(Language),
    /// Something that clouds also take as user data, and nothing here reads.
    Foreign(&'static str),
}

/// Looks at the first characters, without the byte order mark.
pub(super) fn start(text: &str) -> Start {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let head = text.lines().next().unwrap_or_default().trim_end();
    match head {
        "#cloud-config" => {
            // Some providers put this line before every user data, Ignition's included. YAML may
            // begin with a brace as well.
            let rest = text.get(head.len()..).unwrap_or_default();
            if rest.trim_start().starts_with('{') && rest.contains("\"ignition\"") {
                return Start::Json;
            }
            Start::Certain(Language::CloudConfig)
        }
        // An archive that is taken apart before.
        _ if head.starts_with("#cloud-config-archive") => Start::Certain(Language::CloudConfig),
        _ if head.starts_with("#cloud-config ") => Start::Certain(Language::CloudConfig),
        _ if head.starts_with("#!") => Start::Certain(Language::Script),
        _ if head.starts_with("#include") => Start::Foreign("a list of files to include"),
        _ if head.starts_with("#cloud-boothook") => Start::Certain(Language::Script),
        _ if head.starts_with("#part-handler") => Start::Foreign("a cloud-init part handler"),
        _ if head.starts_with("#upstart-job") => Start::Foreign("an Upstart job"),
        _ if head.starts_with("#cloud-config-jsonp") => {
            Start::Foreign("a JSON patch of cloud-config")
        }
        _ if head.starts_with("## template:") => Start::Foreign("a cloud-init template"),
        _ if text.starts_with('{') => Start::Json,
        _ => Start::Yaml,
    }
}

/// The member of an object under a key, in any case; of duplicates the last, as in the decoder.
pub(super) fn member<'n>(node: &'n Node, key: &str) -> Option<&'n Member> {
    members(node, key).next()
}

/// All members of an object under a key, in any case, the last first.
pub(super) fn members<'n>(node: &'n Node, key: &str) -> impl Iterator<Item = &'n Member> {
    let list = match &node.value {
        Value::Object(list) => list.as_slice(),
        _ => &[],
    };
    list.iter()
        .rev()
        .filter(move |member| member.key.eq_ignore_ascii_case(key))
}

/// Keys at the top of a Container Linux Config, but for those of every language.
const CONTAINER_LINUX: &[&str] = &[
    "ignition",
    "passwd",
    "storage",
    "systemd",
    "networkd",
    "update",
    "locksmith",
    "docker",
    "etcd",
    "flannel",
];

/// Keys at the top of a cloud-config that no other language has.
const CLOUD_CONFIG: &[&str] = &[
    "users",
    "ssh_authorized_keys",
    "write_files",
    "hostname",
    "coreos",
    "runcmd",
    "bootcmd",
    "packages",
    "mounts",
    "groups",
    "manage_etc_hosts",
];

/// Whether a text is certainly a config: it begins like one, or states a section at the start of a line.
pub(super) fn is_recognized(text: &str) -> bool {
    let states = |line: &str| {
        line.split_once(':')
            .is_some_and(|(key, _)| key == "variant" || CONTAINER_LINUX.contains(&key))
    };
    is_certain(text) || text.lines().any(states)
}

/// Whether the first characters say the language.
pub(super) fn is_certain(text: &str) -> bool {
    start(text) != Start::Yaml
}

/// How to say the variant of a version.
fn says_variant(version: &str) -> String {
    let has = |variant: &Variant| {
        variant
            .versions()
            .iter()
            .any(|(known, _)| *known == version)
    };
    let mut names = Variant::ALL.into_iter().filter(has).map(Variant::name);
    match (names.next(), names.next()) {
        (Some(only), None) => format!("add variant: {only}"),
        (Some(first), Some(second)) => format!("add variant: {first} (or {second})"),
        (None, _) => "add variant: flatcar (or fcos)".into(),
    }
}

/// Tells the languages that are written in YAML apart by their keys.
pub(super) fn of_yaml(tree: &Node) -> Result<Language, Diagnostic> {
    let Value::Object(members) = &tree.value else {
        return Err(Diagnostic::error(
            tree.span,
            format!("a config is a mapping, this is {}", tree.value.kind()),
        )
        .help("configs are Ignition (JSON), Butane (YAML with variant: and version:) or cloud-config (YAML that begins with #cloud-config)"));
    };
    if member(tree, "variant").is_some() {
        return Ok(Language::Butane);
    }
    if let Some(version) =
        member(tree, "ignition").and_then(|ignition| member(&ignition.value, "version"))
    {
        return Err(Diagnostic::error(
            version.key_span,
            "this is an Ignition config in YAML, Ignition configs are JSON",
        )
        .help("write it as JSON, or as Butane with variant: flatcar and version: 1.1.0"));
    }
    let first = |known: &[&str]| {
        members
            .iter()
            .find(|member| known.contains(&member.key.as_str()))
    };
    if let Some(key) = first(CLOUD_CONFIG) {
        return Err(Diagnostic::error(
            key.key_span,
            format!(
                "{:?} is a key of cloud-config, but the first line is not #cloud-config",
                key.key
            ),
        )
        .help("begin the file with the line #cloud-config"));
    }
    // A Container Linux Config has neither: where one of the two stands the other was meant.
    let misspelt = members.iter().find(|member| {
        let is_known = CONTAINER_LINUX.contains(&member.key.as_str());
        !is_known && nearest_within(&member.key, ["variant"], 2).is_some()
    });
    if let Some(key) = misspelt.or_else(|| first(&["version"])) {
        let help = match (misspelt, &key.value.value) {
            (Some(_), _) => "did you mean \"variant\"?".into(),
            (None, Value::Plain(version) | Value::String(version)) => says_variant(version),
            _ => "add variant: flatcar (or fcos)".into(),
        };
        return Err(
            Diagnostic::error(key.key_span, "the config does not say its variant").help(help),
        );
    }
    if first(CONTAINER_LINUX).is_some() {
        return Ok(Language::ContainerLinux);
    }
    let all: Vec<&str> = ["variant"]
        .iter()
        .chain(CONTAINER_LINUX)
        .chain(CLOUD_CONFIG)
        .copied()
        .collect();
    let key = members.first();
    let help = match key.and_then(|key| nearest(&key.key, &all)) {
        Some(known) => format!("did you mean {known:?}?"),
        None => {
            "Butane begins with variant: and version:, cloud-config with the line #cloud-config"
                .into()
        }
    };
    let span: Span = key.map_or(tree.span, |key| key.key_span);
    Err(Diagnostic::error(span, "this is no config language that is known here").help(help))
}

#[cfg(test)]
mod tests {
    use crate::config;
    use crate::diag::Sources;

    #[test]
    fn a_config_without_its_variant_is_none_from_before_butane() {
        for (text, place, help) in [
            (
                "varient: fcos\nversion: 1.4.0\nstorage: {}\n",
                "1:1",
                "did you mean \"variant\"?",
            ),
            (
                "Variant: fcos\nstorage: {}\n",
                "1:1",
                "did you mean \"variant\"?",
            ),
            (
                "vairant: fcos\nstorage: {}\n",
                "1:1",
                "did you mean \"variant\"?",
            ),
            (
                "version: 4.14.0\nstorage: {}\n",
                "1:1",
                "add variant: openshift",
            ),
            (
                "version: 1.0.0\nstorage: {}\n",
                "1:1",
                "add variant: flatcar (or fcos)",
            ),
            ("version: 1.7.0\nsystemd: {}\n", "1:1", "add variant: fcos"),
            (
                "version: 17\nsystemd: {}\n",
                "1:1",
                "add variant: flatcar (or fcos)",
            ),
        ] {
            let mut sources = Sources::default();
            let parsed = config::read(&mut sources, "c", text.as_bytes());
            let said = parsed.report.render(&sources);
            assert!(parsed.config.is_none(), "{said}");
            assert!(
                said.contains(&format!("c:{place}: error: the config does not say its v")),
                "{said}"
            );
            assert!(said.contains(&format!("help: {help}\n")), "{said}");
        }
        let parsed = config::read(&mut Sources::default(), "c", b"storage: {}\n");
        assert_eq!(parsed.language, Some(config::Language::ContainerLinux));
    }
}
