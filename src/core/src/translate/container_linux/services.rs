//! The sections for services: to the files, units and drop-ins that they stand for.

use crate::dataurl;
use crate::diag::{Diagnostic, Span, nearest};
use crate::json::{Node, Value};
use crate::spec::container_linux::{Docker, Locksmith, Update};
use crate::spec::v2;
use crate::spec::v3;
use crate::spec::{At, Wire as _};
use crate::translate::{Translation, at};

/// A section whose keys are a service's own options.
#[derive(Clone, Copy)]
pub(super) struct Options<'n> {
    pub(super) place: Span,
    pub(super) value: &'n Node,
}

/// All such sections of a config.
pub(super) struct Sections<'n> {
    pub(super) update: Update,
    pub(super) locksmith: Locksmith,
    pub(super) docker: Docker,
    pub(super) etcd: Option<Options<'n>>,
    pub(super) flannel: Option<Options<'n>>,
}

impl Sections<'_> {
    pub(super) fn add_to(self, config: &mut v2::Config, cx: &mut Translation<'_>) {
        let span = self.update.said().or(self.locksmith.said()).flatten();
        let settings = update_settings(self.update, self.locksmith, cx);
        if !settings.is_empty() {
            config.storage.files.push(v2::File {
                at: span,
                filesystem: at("root".to_string(), span),
                path: at("/etc/flatcar/update.conf".to_string(), span),
                mode: at(0o644, span),
                contents: v2::Contents {
                    at: span,
                    source: at(dataurl::shortest(settings.as_bytes()), span),
                    ..v2::Contents::default()
                },
                ..v2::File::default()
            });
        }
        let units = &mut config.systemd.units;
        if let Some(first) = self.docker.flags.first() {
            let flags: Vec<&str> = self
                .docker
                .flags
                .iter()
                .map(|flag| flag.value.as_str())
                .collect();
            if let Some(flags) = quoted(&flags.join(" "), first.span, cx) {
                let text = format!("[Service]\nEnvironment=\"DOCKER_OPTS={flags}\"\n");
                units.push(unit(
                    "docker.service",
                    "20-clct-docker.conf",
                    text,
                    first.span,
                ));
            }
        }
        units.extend(self.etcd.and_then(|options| etcd(options, cx)));
        units.extend(self.flannel.and_then(|options| flannel(options, cx)));
    }
}

const STRATEGIES: &[&str] = &["reboot", "etcd-lock", "off", "best-effort"];

fn update_settings(update: Update, locksmith: Locksmith, cx: &mut Translation<'_>) -> String {
    if let Some(strategy) = &locksmith.reboot_strategy
        && !STRATEGIES.contains(&strategy.value.as_str())
    {
        // "off" is a word that YAML may take for a boolean.
        let help = match nearest(&strategy.value, STRATEGIES) {
            Some(meant) => format!("did you mean {meant:?}?"),
            None => "known are reboot, etcd-lock and off (in quotes)".into(),
        };
        let message = format!("unknown reboot_strategy {:?}", strategy.value);
        cx.report
            .push(Diagnostic::error(strategy.span, message).help(help));
    }
    if locksmith.window_start.is_some() != locksmith.window_length.is_some() {
        cx.report.error(
            locksmith.at,
            "window_start and window_length are stated together or not at all",
        );
    }
    let settings = [
        ("GROUP", update.group),
        ("SERVER", update.server),
        ("REBOOT_STRATEGY", locksmith.reboot_strategy),
        ("LOCKSMITHD_REBOOT_WINDOW_START", locksmith.window_start),
        ("LOCKSMITHD_REBOOT_WINDOW_LENGTH", locksmith.window_length),
        ("LOCKSMITHD_GROUP", locksmith.group),
        ("LOCKSMITHD_ENDPOINT", locksmith.etcd_endpoints),
        ("LOCKSMITHD_ETCD_CAFILE", locksmith.etcd_cafile),
        ("LOCKSMITHD_ETCD_CERTFILE", locksmith.etcd_certfile),
        ("LOCKSMITHD_ETCD_KEYFILE", locksmith.etcd_keyfile),
    ];
    let mut text = String::new();
    for (name, value) in settings {
        let Some(value) = value.filter(|value| !value.value.is_empty()) else {
            continue;
        };
        // The file is read by shells and by systemd: what needs more than quotes is not taken.
        if value.value.contains(['\n', '\r', '"', '\\', '$', '`']) {
            cx.report.error(
                value.span,
                format!("{name} holds a character that its file cannot hold"),
            );
            continue;
        }
        if with_variables(&value.value).1 {
            cx.report.push(
                Diagnostic::error(
                    value.span,
                    "what only the running machine knows can stand in etcd and flannel, not here",
                )
                .help("write the address itself, or localhost"),
            );
            continue;
        }
        // The update engine reads its two without quotes.
        match name {
            "GROUP" | "SERVER" => text.push_str(&format!("{name}={}\n", value.value)),
            _ => text.push_str(&format!("{name}=\"{}\"\n", value.value)),
        }
    }
    text
}

fn unit(name: &str, dropin: &str, text: String, span: Option<Span>) -> v2::Unit {
    v2::Unit {
        at: span,
        name: at(name.to_string(), span),
        enabled: at(true, span),
        dropins: vec![v3::Dropin {
            at: span,
            name: at(dropin.to_string(), span),
            contents: at(text, span),
        }],
        ..v2::Unit::default()
    }
}

/// What the machine only knows when it runs, and the variables that the metadata service has for it on
/// each platform. Of all of them only one platform's are set, so that one after the other they are the value.
const DYNAMIC: &[(&str, &[&str])] = &[
    (
        "HOSTNAME",
        &[
            "COREOS_EC2_HOSTNAME",
            "COREOS_GCE_HOSTNAME",
            "COREOS_PACKET_HOSTNAME",
            "COREOS_DIGITALOCEAN_HOSTNAME",
            "COREOS_OPENSTACK_HOSTNAME",
        ],
    ),
    (
        "PRIVATE_IPV4",
        &[
            "COREOS_EC2_IPV4_LOCAL",
            "COREOS_GCE_IP_LOCAL_0",
            "COREOS_AZURE_IPV4_DYNAMIC",
            "COREOS_PACKET_IPV4_PRIVATE_0",
            "COREOS_DIGITALOCEAN_IPV4_PRIVATE_0",
            "COREOS_OPENSTACK_IPV4_LOCAL",
        ],
    ),
    (
        "PUBLIC_IPV4",
        &[
            "COREOS_EC2_IPV4_PUBLIC",
            "COREOS_GCE_IP_EXTERNAL_0",
            "COREOS_AZURE_IPV4_VIRTUAL",
            "COREOS_PACKET_IPV4_PUBLIC_0",
            "COREOS_DIGITALOCEAN_IPV4_PUBLIC_0",
            "COREOS_OPENSTACK_IPV4_PUBLIC",
        ],
    ),
    ("PRIVATE_IPV6", &["COREOS_DIGITALOCEAN_IPV6_PRIVATE_0"]),
    (
        "PUBLIC_IPV6",
        &[
            "COREOS_PACKET_IPV6_PUBLIC_0",
            "COREOS_DIGITALOCEAN_IPV6_PUBLIC_0",
        ],
    ),
];

/// Puts variables in the place of `{PRIVATE_IPV4}` and its kin; tells whether there were any.
fn with_variables(text: &str) -> (String, bool) {
    let mut text = text.to_string();
    let mut any = false;
    for (name, variables) in DYNAMIC {
        let mark = format!("{{{name}}}");
        if text.contains(&mark) {
            let all: String = variables
                .iter()
                .map(|variable| format!("${{{variable}}}"))
                .collect();
            text = text.replace(&mark, &all);
            any = true;
        }
    }
    (text, any)
}

/// A text for the inside of double quotes in a unit (systemd.syntax(7)).
fn quoted(text: &str, span: Option<Span>, cx: &mut Translation<'_>) -> Option<String> {
    if text.contains(['\n', '\r', '\0']) {
        cx.report
            .error(span, "a line break cannot stand in an option");
        return None;
    }
    Some(text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A service's options as the arguments of its command line.
struct Arguments {
    version: Option<String>,
    network_config: Option<At<String>>,
    list: Vec<String>,
    is_dynamic: bool,
}

fn arguments(options: Options<'_>, cx: &mut Translation<'_>) -> Option<Arguments> {
    let members = match &options.value.value {
        Value::Object(members) => members.as_slice(),
        Value::Null => &[],
        other => {
            let message = format!("expected options, found {}", other.kind());
            cx.report.error(options.value.span, message);
            return None;
        }
    };
    let mut arguments = Arguments {
        version: None,
        network_config: None,
        list: Vec::new(),
        is_dynamic: false,
    };
    for member in members {
        let place = Some(member.value.span);
        let text = match &member.value.value {
            Value::String(text) | Value::Plain(text) | Value::Number(text) => text.clone(),
            Value::Bool(value) => value.to_string(),
            Value::Null => continue,
            other => {
                cx.report
                    .error(place, format!("expected a string, found {}", other.kind()));
                continue;
            }
        };
        match member.key.as_str() {
            "version" => arguments.version = quoted(&text, place, cx),
            "network_config" => {
                arguments.network_config = at(text, place);
            }
            key if key
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') =>
            {
                let (text, is_dynamic) = with_variables(&text);
                arguments.is_dynamic |= is_dynamic;
                if let Some(text) = quoted(&text, place, cx) {
                    arguments
                        .list
                        .push(format!("--{}=\"{text}\"", key.replace('_', "-")));
                }
            }
            key => {
                let message = format!("{key:?} cannot be the name of an option");
                cx.report.push(
                    Diagnostic::error(member.key_span, message)
                        .help("options are written in snake case, as in initial_cluster"),
                );
            }
        }
    }
    Some(arguments)
}

impl Arguments {
    /// A drop-in that runs the service's wrapper with these arguments.
    fn dropin(&self, image: &str, before: &str, wrapper: &str, variable: &str) -> String {
        let mut text = String::new();
        if self.is_dynamic {
            text.push_str(
                "[Unit]\nRequires=coreos-metadata.service\nAfter=coreos-metadata.service\n\n",
            );
        }
        text.push_str("[Service]\n");
        if self.is_dynamic {
            text.push_str("EnvironmentFile=/run/metadata/flatcar\n");
        }
        if let Some(version) = &self.version {
            text.push_str(&format!("Environment=\"{image}=v{version}\"\n"));
        }
        text.push_str(before);
        if !self.list.is_empty() {
            text.push_str(&format!("ExecStart=\nExecStart={wrapper} ${variable}"));
            for argument in &self.list {
                text.push_str(&format!(" \\\n  {argument}"));
            }
            text.push('\n');
        }
        text
    }
}

fn etcd(options: Options<'_>, cx: &mut Translation<'_>) -> Option<v2::Unit> {
    let arguments = arguments(options, cx)?;
    let text = arguments.dropin(
        "ETCD_IMAGE_TAG",
        "",
        "/usr/lib/flatcar/etcd-wrapper",
        "ETCD_OPTS",
    );
    let place = Some(options.place);
    Some(unit(
        "etcd-member.service",
        "20-clct-etcd-member.conf",
        text,
        place,
    ))
}

fn flannel(options: Options<'_>, cx: &mut Translation<'_>) -> Option<v2::Unit> {
    let arguments = arguments(options, cx)?;
    let mut before = String::new();
    if let Some(network) = &arguments.network_config {
        // The network is known to etcd before flannel asks for it.
        let text = network
            .value
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        let text = quoted(&text, network.span, cx)?
            .replace('%', "%%")
            .replace('$', "$$");
        before =
            format!("ExecStartPre=/usr/bin/etcdctl set /coreos.com/network/config \"{text}\"\n");
    }
    let text = arguments.dropin(
        "FLANNEL_IMAGE_TAG",
        &before,
        "/usr/lib/flatcar/flannel-wrapper",
        "FLANNEL_OPTS",
    );
    let place = Some(options.place);
    Some(unit(
        "flanneld.service",
        "20-clct-flannel.conf",
        text,
        place,
    ))
}
