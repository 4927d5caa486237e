//! The variant `openshift`: what it says to a cluster, and what the cluster's operator takes of a node's config.
//!
//! The Machine Config Operator renders MachineConfigs into the Ignition config of each node and changes running
//! nodes when they change; what it cannot change, Butane refuses (config/openshift/*/translate.go).

use super::grub;
use crate::diag::{Diagnostic, Report, Span};
use crate::json::{Member, Value};
use crate::spec::At;
use crate::spec::butane as wire;
use crate::spec::v3;
use crate::translate::{Translation, at};

/// The label that says for which nodes a MachineConfig is.
const ROLE: &str = "machineconfiguration.openshift.io/role";
/// The kernel argument by which a node finds the key that a Crypto Express card has wrapped.
const CEX_KEY: &str = "rd.luks.key=/etc/luks/cex.key";

/// What a MachineConfig says besides the config of Ignition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MachineConfig {
    /// Its name in the cluster.
    pub name: String,
    /// Labels, in the order of the config.
    pub labels: Vec<(String, String)>,
    /// Kernel arguments that the operator sets.
    pub kernel_arguments: Vec<String>,
    /// Extensions of the operating system.
    pub extensions: Vec<String>,
    /// Whether the nodes are in FIPS mode.
    pub fips: Option<bool>,
    /// `default` or `realtime`.
    pub kernel_type: Option<String>,
    /// The minor version of Ignition's config in it.
    pub minor: u8,
}

/// What a config of this variant says, and of which version it is.
pub(super) struct Cluster {
    pub(super) machine: MachineConfig,
    fips: Option<Span>,
    /// Major and minor version of OpenShift.
    version: (u32, u32),
}

impl Cluster {
    /// Reads the sections for the cluster, and says what they lack.
    pub(super) fn read(
        config: &wire::Config,
        version: &str,
        minor: u8,
        cx: &mut Translation<'_>,
    ) -> Self {
        let mut parts = version.split('.').map_while(|part| part.parse().ok());
        let version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
        let openshift = &config.openshift;
        let words = |list: &[At<String>]| list.iter().map(|at| at.value.clone()).collect();
        let cluster = Self {
            machine: MachineConfig {
                name: said(&config.metadata.name).unwrap_or_default(),
                labels: labels(&config.metadata, cx.report),
                kernel_arguments: words(&openshift.kernel_arguments),
                extensions: words(&openshift.extensions),
                fips: openshift.fips.as_ref().map(|fips| fips.value),
                kernel_type: openshift
                    .kernel_type
                    .as_ref()
                    .map(|kind| kind.value.clone()),
                minor,
            },
            fips: openshift
                .fips
                .as_ref()
                .filter(|at| at.value)
                .and_then(|at| at.span),
            version,
        };
        cluster.metadata(config, cx.report);
        cluster.cex(config, cx.report);
        if let Some(kind) = &openshift.kernel_type
            && !["", "default", "realtime"].contains(&kind.value.as_str())
        {
            cx.report.push(
                Diagnostic::error(kind.span, format!("unknown kernel_type {:?}", kind.value))
                    .help("known are default and realtime"),
            );
        }
        if !cx.cluster {
            unreached(openshift, cx.report);
        }
        cluster
    }

    /// Whether the operator knows compressed contents: from 4.10 on.
    pub(super) fn knows_compression(&self) -> bool {
        self.version >= (4, 10)
    }

    fn metadata(&self, config: &wire::Config, report: &mut Report) {
        let place = config.metadata.at.or(config.at);
        if self.machine.name.is_empty() {
            report.push(
                Diagnostic::error(place, "the metadata has no name")
                    .help("add metadata: with name: and labels:"),
            );
        }
        let mut labels = self.machine.labels.iter();
        if !labels.any(|(key, value)| key == ROLE && !value.is_empty()) {
            report.push(
                Diagnostic::error(place, format!("the metadata has no label {ROLE}"))
                    .help(format!("add labels: with {ROLE}: worker")),
            );
        }
    }

    /// The key of a volume that a card opens is found by a kernel argument.
    fn cex(&self, config: &wire::Config, report: &mut Report) {
        let on = |cex: &v3::Cex| cex.enabled.as_ref().filter(|at| at.value).map(|at| at.span);
        let volumes = config.storage.luks.iter();
        let mut roots = volumes.filter(|luks| said(&luks.name).as_deref() == Some("root"));
        let asked =
            on(&config.boot_device.luks.cex).or_else(|| roots.find_map(|luks| on(&luks.cex)));
        let arguments = &self.machine.kernel_arguments;
        if let Some(place) = asked.filter(|_| !arguments.iter().any(|known| known == CEX_KEY)) {
            report.push(
                Diagnostic::error(place, "the root's key of the Crypto Express card is not found without a kernel argument")
                    .help(format!("add {CEX_KEY} to kernel_arguments below openshift:")),
            );
        }
    }

    /// Changes what is otherwise in a MachineConfig, and names what its operator does not take.
    pub(super) fn check(&self, config: &mut v3::Config, report: &mut Report) {
        self.cipher(config);
        let storage = &mut config.storage;
        if self.version >= (4, 19) {
            let mut files = storage.files.iter_mut();
            if let Some(users) = files.find(|file| is_at(file, grub::USERS))
                && let [_] = users.append.0.as_slice()
            {
                users.contents = users.append.0.pop().unwrap_or_default();
            }
        }
        let mut refuse = |place: Option<Span>, what: &str, help: &str| {
            let message = format!("the variant openshift has no {what}");
            report.push(Diagnostic::error(place, message).help(help));
        };
        for directory in &storage.directories {
            refuse(
                directory.at,
                "directories",
                "write the files that lie in it: their directories are made",
            );
        }
        for link in &storage.links {
            refuse(link.at, "links", "write a file instead");
        }
        for group in &config.passwd.groups {
            refuse(group.at, "groups", "remove it");
        }
        for format in storage
            .filesystems
            .iter()
            .filter_map(|one| one.format.as_ref())
        {
            match format.value.as_str() {
                "btrfs" => refuse(format.span, "btrfs", "use xfs or ext4"),
                "none" => refuse(format.span, "format none", "use xfs or ext4"),
                _ => {}
            }
        }
        for file in &storage.files {
            self.file(file, &mut refuse);
        }
        for user in &config.passwd.users {
            self.user(user, &mut refuse);
        }
    }

    /// FIPS 140-2 does not have the mode XTS; from 4.20 on the image's own choice holds.
    fn cipher(&self, config: &mut v3::Config) {
        let Some(place) = self.fips.filter(|_| self.version < (4, 20)) else {
            return;
        };
        for luks in &mut config.storage.luks {
            let options = &mut luks.options.0;
            let is_cipher = |option: &At<String>| {
                let option = option.value.as_str();
                option == "-c" || option == "--cipher" || option.starts_with("--cipher=")
            };
            if !options.iter().any(is_cipher) {
                options.extend(at("--cipher".to_string(), place));
                options.extend(at("aes-cbc-essiv:sha256".to_string(), place));
            }
        }
    }

    fn file(&self, file: &v3::File, refuse: &mut impl FnMut(Option<Span>, &str, &str)) {
        if let Some(append) = file.append.0.first() {
            match is_at(file, grub::USERS) {
                true => refuse(
                    append.at,
                    "users of GRUB before 4.19.0",
                    "set version to 4.19.0",
                ),
                false => refuse(append.at, "append to files", "write the whole file"),
            }
        }
        let packed = file.contents.compression.as_ref();
        if let Some(packed) = packed.filter(|at| !at.value.is_empty() && !self.knows_compression())
        {
            refuse(
                packed.span,
                "compressed files before 4.10.0",
                "set version to 4.10.0",
            );
        }
        let source = file.contents.source.as_ref();
        if let Some(source) = source.filter(|source| !source.value.is_empty())
            && !source
                .value
                .get(..5)
                .is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
        {
            refuse(source.span, "files from URLs", "use inline: or local:");
        }
        let special = file.mode.as_ref().filter(|mode| mode.value & !0o777 != 0);
        if let Some(mode) = special.filter(|_| self.version >= (4, 10)) {
            refuse(mode.span, "special bits in modes", "write it as in 0644");
        }
    }

    fn user(&self, user: &v3::User, refuse: &mut impl FnMut(Option<Span>, &str, &str)) {
        let name = user.name.as_ref();
        if name.is_none_or(|name| name.value != "core") {
            let place = name.and_then(|name| name.span).or(user.at);
            return refuse(place, "user but core", "remove it");
        }
        let hash = user.password_hash.as_ref();
        if let Some(hash) = hash.filter(|_| self.version < (4, 13)) {
            refuse(
                hash.span,
                "password_hash before 4.13.0",
                "set version to 4.13.0",
            );
        }
        let managed = v3::User {
            at: user.at,
            name: user.name.clone(),
            ssh_authorized_keys: user.ssh_authorized_keys.clone(),
            password_hash: user.password_hash.clone(),
            ..v3::User::default()
        };
        if *user != managed {
            refuse(
                user.at,
                "fields of core but password_hash and ssh_authorized_keys",
                "remove the others",
            );
        }
    }
}

fn said(text: &Option<At<String>>) -> Option<String> {
    text.as_ref().map(|text| text.value.clone())
}

fn is_at(file: &v3::File, path: &str) -> bool {
    file.path.as_ref().is_some_and(|at| at.value == path)
}

/// Labels with their values, which are texts however they are written.
fn labels(metadata: &wire::Metadata, report: &mut Report) -> Vec<(String, String)> {
    let labels = metadata.labels.as_ref().map(|raw| &raw.0);
    let members = match labels.map(|node| (&node.value, node.span)) {
        None | Some((Value::Null, _)) => return Vec::new(),
        Some((Value::Object(members), _)) => members,
        Some((other, place)) => {
            let message = format!("expected an object (labels), found {}", other.kind());
            report.error(place, message);
            return Vec::new();
        }
    };
    let text = |member: &Member| match &member.value.value {
        Value::String(text) | Value::Plain(text) => Some((member.key.clone(), text.clone())),
        Value::Null => Some((member.key.clone(), String::new())),
        other => {
            let message = format!("the value of a label is a text, this is {}", other.kind());
            report.push(Diagnostic::error(member.value.span, message).help("write it in quotes"));
            None
        }
    };
    members.iter().filter_map(text).collect()
}

/// Says what of the section for the cluster a node's own config cannot say.
fn unreached(openshift: &wire::Openshift, report: &mut Report) {
    let list = |list: &[At<String>]| list.first().map(|at| at.span);
    let sections = [
        ("kernel_arguments", list(&openshift.kernel_arguments)),
        ("extensions", list(&openshift.extensions)),
        ("fips", openshift.fips.as_ref().map(|at| at.span)),
        (
            "kernel_type",
            openshift.kernel_type.as_ref().map(|at| at.span),
        ),
    ];
    for (key, place) in sections {
        if let Some(place) = place {
            report.push(
                Diagnostic::warning(
                    place,
                    format!("openshift.{key} is for the cluster: an Ignition config cannot say it"),
                )
                .help("apply it as a MachineConfig, which pilotlight convert makes of this config"),
            );
        }
    }
}
