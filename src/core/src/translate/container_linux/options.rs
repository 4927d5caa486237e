//! etcd and flannel: their options by version, as arguments of a drop-in.
//!
//! Source: the types Etcd* and Flannel* of Flatcar's config transpiler.

use super::text::{quoted, unit, with_variables};
use crate::diag::{Diagnostic, Span, nearest};
use crate::json::{Member, Node, Value};
use crate::spec::At;
use crate::spec::v2;
use crate::translate::{Translation, at};

/// A section whose keys are a service's own options.
#[derive(Clone, Copy)]
pub(super) struct Options<'n> {
    pub(super) place: Span,
    pub(super) value: &'n Node,
}

/// A service in a container, whose options depend on its version.
struct Service {
    name: &'static str,
    unit: &'static str,
    dropin: &'static str,
    wrapper: &'static str,
    /// What the wrapper takes its version and its arguments from.
    variables: [&'static str; 2],
    /// The first version that is read, the one that counts where none is stated, and the last whose
    /// options are known of each first number.
    versions: [[u32; 2]; 2],
    newest: &'static [[u32; 2]],
    /// Options, separated by blanks, and the version that they came with.
    options: &'static [([u32; 2], &'static str)],
}

const ETCD: Service = Service {
    name: "etcd",
    unit: "etcd-member.service",
    dropin: "20-clct-etcd-member.conf",
    wrapper: "/usr/lib/flatcar/etcd-wrapper",
    variables: ["ETCD_IMAGE_TAG", "ETCD_OPTS"],
    versions: [[2, 3], [3, 0]],
    newest: &[[2, 3], [3, 3]],
    options: &[
        (
            [2, 3],
            "name data_dir wal_dir snapshot_count heartbeat_interval election_timeout enable_pprof \
             listen_peer_urls listen_client_urls max_snapshots max_wals cors initial_advertise_peer_urls \
             initial_cluster initial_cluster_state initial_cluster_token advertise_client_urls discovery \
             discovery_srv discovery_fallback discovery_proxy strict_reconfig_check proxy proxy_failure_wait \
             proxy_refresh_interval proxy_dial_timeout proxy_write_timeout proxy_read_timeout ca_file \
             cert_file key_file client_cert_auth trusted_ca_file peer_ca_file peer_cert_file peer_key_file \
             peer_client_cert_auth peer_trusted_ca_file debug log_package_levels force_new_cluster",
        ),
        ([3, 0], "auto_compaction_retention auto_tls peer_auto_tls"),
        ([3, 1], "metrics log_output"),
        ([3, 2], "enable_v2 auth_token"),
        (
            [3, 3],
            "quota_backend_bytes max_txn_ops max_request_bytes grpc_keepalive_min_time \
             grpc_keepalive_interval grpc_keepalive_timeout auto_compaction_mode client_crl_file \
             peer_crl_file peer_cert_allowed_cn listen_metrics_urls experimental_initial_corrupt_check \
             experimental_corrupt_check_time experimental_enable_v2v3",
        ),
    ],
};

const FLANNEL: Service = Service {
    name: "flannel",
    unit: "flanneld.service",
    dropin: "20-clct-flannel.conf",
    wrapper: "/usr/lib/flatcar/flannel-wrapper",
    variables: ["FLANNEL_IMAGE_TAG", "FLANNEL_OPTS"],
    versions: [[0, 5], [0, 6]],
    newest: &[[0, 7]],
    options: &[
        (
            [0, 5],
            "etcd_endpoints etcd_cafile etcd_certfile etcd_keyfile etcd_prefix ip_masq subnet_file \
             interface public_ip",
        ),
        ([0, 6], "etcd_username etcd_password"),
        ([0, 7], "kube_subnet_mgr"),
    ],
};

impl Service {
    /// The version whose options count: the stated one, or the newest known before it.
    fn options_of(
        &self,
        stated: Option<(&str, Span)>,
        cx: &mut Translation<'_>,
    ) -> Option<[u32; 2]> {
        let Some((text, span)) = stated else {
            return Some(self.versions[1]);
        };
        let Some(version) = numbers(text) else {
            let message = format!("{text:?} is no version");
            let help = "write it with three numbers, as in 3.3.0";
            cx.report.push(Diagnostic::error(span, message).help(help));
            return None;
        };
        let newest = self.newest.iter().find(|newest| newest[0] == version[0]);
        let Some(newest) = newest.filter(|_| version >= self.versions[0]) else {
            let age = if version < self.versions[0] {
                "old"
            } else {
                "new"
            };
            let [first, second] = self.versions[0];
            let message = format!("version {text} of {} is too {age}", self.name);
            let help = format!("known are the versions from {first}.{second}.0 on");
            cx.report.push(Diagnostic::error(span, message).help(help));
            return None;
        };
        if version > *newest {
            let [first, second] = newest;
            let message = format!(
                "the options of {} {text} are not known: those of {first}.{second} are taken",
                self.name
            );
            cx.report.warning(span, message);
        }
        Some(version)
    }

    /// Whether a version has an option; says so where it has it not.
    fn has(&self, member: &Member, version: [u32; 2], cx: &mut Translation<'_>) -> bool {
        let of = |list: &'static str| list.split_ascii_whitespace();
        let found = self
            .options
            .iter()
            .find(|(_, list)| of(list).any(|name| name == member.key));
        let (message, help) = match found {
            Some((since, _)) if *since <= version => return true,
            Some(([first, second], _)) => (
                format!(
                    "{} {}.{} has no option {}: it has no effect",
                    self.name, version[0], version[1], member.key
                ),
                format!("set version: {first}.{second}.0 (or a later one), or remove the option"),
            ),
            None => {
                let known: Vec<&str> = self.options.iter().flat_map(|(_, list)| of(list)).collect();
                (
                    format!(
                        "unknown key {} in {}: it has no effect",
                        crate::diag::key(&member.key),
                        self.name
                    ),
                    match nearest(&member.key, &known) {
                        Some(meant) => format!("did you mean {meant:?}?"),
                        None => "remove it".into(),
                    },
                )
            }
        };
        cx.report
            .push(Diagnostic::warning(member.key_span, message).help(help));
        false
    }
}

/// The first two of a version's three numbers.
fn numbers(text: &str) -> Option<[u32; 2]> {
    let mut parts = text.splitn(3, '.');
    let mut number = || parts.next()?.parse().ok();
    let found = [number()?, number()?];
    let last = parts.next()?;
    // It goes into a unit as it stands.
    let is_plain = last
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b".-+".contains(&byte));
    (is_plain && last.starts_with(|c: char| c.is_ascii_digit())).then_some(found)
}

/// A service's options as the arguments of its command line.
struct Arguments {
    version: Option<String>,
    network_config: Option<At<String>>,
    /// Option as the user writes it → its value, quoted.
    list: Vec<(String, String)>,
    is_dynamic: bool,
}

fn arguments(
    service: &Service,
    options: Options<'_>,
    cx: &mut Translation<'_>,
) -> Option<Arguments> {
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
    let stated = members.iter().find(|member| member.key == "version");
    let stated = stated.and_then(|member| Some((text(&member.value)?, member.value.span)));
    let version = service.options_of(
        stated.as_ref().map(|(text, span)| (text.as_str(), *span)),
        cx,
    )?;
    arguments.version = stated.map(|(text, _)| text);
    for member in members {
        let place = Some(member.value.span);
        let is_network = member.key == "network_config" && service.name == FLANNEL.name;
        if member.key == "version" || member.value.value == Value::Null {
            continue;
        }
        if !is_network && !service.has(member, version, cx) {
            continue;
        }
        let Some(text) = text(&member.value) else {
            let message = format!("expected a string, found {}", member.value.value.kind());
            cx.report.error(place, message);
            continue;
        };
        if is_network {
            arguments.network_config = at(text, place).filter(|text| !text.value.is_empty());
            continue;
        }
        let (text, is_dynamic) = with_variables(&text);
        arguments.is_dynamic |= is_dynamic;
        if let Some(text) = quoted(&text, place, cx) {
            arguments.list.push((member.key.clone(), text));
        }
    }
    Some(arguments)
}

fn text(node: &Node) -> Option<String> {
    match &node.value {
        Value::String(text) | Value::Plain(text) | Value::Number(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

impl Arguments {
    /// A drop-in that runs the service's wrapper with these arguments.
    fn unit(&self, service: &Service, before: &str, place: Span) -> v2::Unit {
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
        let [image, variable] = service.variables;
        if let Some(version) = &self.version {
            text.push_str(&format!("Environment=\"{image}=v{version}\"\n"));
        }
        text.push_str(before);
        if !self.list.is_empty() {
            text.push_str(&format!(
                "ExecStart=\nExecStart={} ${variable}",
                service.wrapper
            ));
            for (key, value) in &self.list {
                // The one option that the program calls otherwise.
                let name = match key.as_str() {
                    "interface" => "iface".into(),
                    key => key.replace('_', "-"),
                };
                text.push_str(&format!(" \\\n  --{name}=\"{value}\""));
            }
            text.push('\n');
        }
        unit(service.unit, service.dropin, text, Some(place))
    }
}

pub(super) fn etcd(options: Options<'_>, cx: &mut Translation<'_>) -> Option<v2::Unit> {
    let arguments = arguments(&ETCD, options, cx)?;
    Some(arguments.unit(&ETCD, "", options.place))
}

/// How etcdctl calls the options by which flannel reaches etcd.
const ETCDCTL: &[(&str, &str)] = &[
    ("etcd_endpoints", "endpoints"),
    ("etcd_cafile", "ca-file"),
    ("etcd_certfile", "cert-file"),
    ("etcd_keyfile", "key-file"),
];

pub(super) fn flannel(options: Options<'_>, cx: &mut Translation<'_>) -> Option<v2::Unit> {
    let arguments = arguments(&FLANNEL, options, cx)?;
    let mut before = String::new();
    if let Some(network) = &arguments.network_config {
        let is_object = serde_json::from_str::<serde_json::Value>(&network.value)
            .is_ok_and(|value| value.is_object());
        if !is_object {
            let found = Diagnostic::error(network.span, "the network_config is no JSON object");
            let help = "write it as in network_config: '{\"Network\": \"10.1.0.0/16\"}'";
            cx.report.push(found.help(help));
            return None;
        }
        let by_kubernetes =
            |(key, value): &(String, String)| key == "kube_subnet_mgr" && value == "true";
        if arguments.list.iter().any(by_kubernetes) {
            let message =
                "network_config is stated beside kube_subnet_mgr, which has no use for it";
            cx.report
                .push(Diagnostic::error(network.span, message).help("keep one of the two"));
            return None;
        }
        // The network is known to etcd before flannel asks for it.
        let text: Vec<&str> = network.value.split_whitespace().collect();
        let text = quoted(&text.join(" "), network.span, cx)?
            .replace('%', "%%")
            .replace('$', "$$");
        before.push_str("ExecStartPre=/usr/bin/etcdctl");
        for (key, name) in ETCDCTL {
            if let Some((_, value)) = arguments.list.iter().find(|(stated, _)| stated == key) {
                before.push_str(&format!(" --{name}=\"{value}\""));
            }
        }
        before.push_str(&format!(" set /coreos.com/network/config \"{text}\"\n"));
    }
    Some(arguments.unit(&FLANNEL, &before, options.place))
}
