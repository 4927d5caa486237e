//! A part of user data: whether it is a config, and what its type says of it.

use super::language::{self, Language, Start};
use crate::spec::At;
use crate::translate::script::Runs;

/// How many parts user data may have, those of the messages in it included.
pub(super) const MAX_PARTS: usize = 64;

/// A part that is a config.
#[derive(Debug)]
pub(super) struct Part {
    /// "part 2 of MIME"
    pub(super) label: String,
    pub(super) body: Vec<u8>,
    /// What is said of it around it.
    pub(super) stated: Stated,
}

/// What a wrapping says of the config in it.
#[derive(Debug, Clone, Default)]
pub(super) struct Stated {
    pub(super) language: Option<Language>,
    /// When it runs, if it is a script.
    pub(super) runs: Runs,
    /// How it is merged with those before it, if it is a cloud-config.
    pub(super) merge: Option<At<String>>,
}

/// What a part holds.
pub(super) enum Content {
    Nothing,
    /// A config, and what its type says of it.
    Config(Stated),
    Foreign(Foreign),
}

/// What is not read here.
pub(super) struct Foreign {
    pub(super) name: String,
    pub(super) help: &'static str,
}

const READ: &str = "parts that are read are text/cloud-config, text/x-shellscript and application/vnd.coreos.ignition+json";

/// Types that cloud-init gives a meaning which nothing here has, whatever the part looks like.
const FOREIGN: &[(&str, &str, &str)] = &[
    ("text/part-handler", "a cloud-init part handler", READ),
    (
        "text/x-include-url",
        "a list of files to include",
        "put the included configs into the user data itself, or into ignition.config.merge",
    ),
    (
        "text/x-include-once-url",
        "a list of files to include",
        "put the included configs into the user data itself, or into ignition.config.merge",
    ),
    (
        "text/jinja2",
        "a cloud-init template",
        "write the values into the config: nothing is substituted here",
    ),
    (
        "text/cloud-config-jsonp",
        "a JSON patch of cloud-config",
        "write the patched config",
    ),
    ("text/upstart-job", "an Upstart job", READ),
];

/// Types that say no more than the text itself.
const VAGUE: &[&str] = &[
    "text/plain",
    "text/x-not-multipart",
    "application/octet-stream",
    "application/json",
    "text/yaml",
    "text/x-yaml",
    "application/yaml",
    "application/x-yaml",
    "application/gzip",
    "application/x-gzip",
    "application/x-gunzip",
    "application/gzipped",
];

pub(super) fn judge(kind: Option<&str>, body: &[u8]) -> Content {
    if body.trim_ascii().is_empty() {
        return Content::Nothing;
    }
    let kind = kind.unwrap_or("text/plain");
    if let Some((_, name, help)) = FOREIGN.iter().find(|(known, _, _)| *known == kind) {
        return Content::Foreign(Foreign {
            name: (*name).to_owned(),
            help,
        });
    }
    let runs = match kind {
        "text/cloud-boothook" => Runs::EarlyInEachBoot,
        "text/x-shellscript-per-boot" => Runs::InEachBoot,
        _ => Runs::Once,
    };
    let language = match kind {
        "text/cloud-config" | "text/cloud-config-archive" => Some(Language::CloudConfig),
        "text/cloud-boothook" | "text/x-shellscript-per-boot" => Some(Language::Script),
        "text/x-shellscript"
        | "text/x-shellscript-per-once"
        | "text/x-shellscript-per-instance" => Some(Language::Script),
        "text/x-ignition" | "application/x-ignition" | "application/vnd.coreos.ignition+json" => {
            Some(Language::Ignition)
        }
        _ if VAGUE.contains(&kind) => None,
        _ => {
            return Content::Foreign(Foreign {
                name: format!("of the type {kind:?}, which is not read here"),
                help: READ,
            });
        }
    };
    let stated = Stated {
        language,
        runs,
        merge: None,
    };
    let Ok(text) = std::str::from_utf8(body) else {
        // gzip, or what will be refused as a config.
        return Content::Config(stated);
    };
    match language::start(text) {
        Start::Foreign(name) => Content::Foreign(Foreign {
            name: name.to_owned(),
            help: READ,
        }),
        Start::Yaml if language.is_none() && !language::is_recognized(text) => {
            Content::Foreign(Foreign {
                name: "text in no config language that is known here".to_owned(),
                help: READ,
            })
        }
        _ => Content::Config(stated),
    }
}
