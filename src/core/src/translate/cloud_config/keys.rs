//! The keys at the top of a cloud-config: which have an effect, and what to do instead of the others.

use super::respelt;
use crate::diag::{self, Diagnostic, Report, Severity, Span, nearest};
use crate::json::{Member, Node, Value};

/// Keys that [`crate::spec::cloud_config::Document`] declares.
const READ: &[&str] = &[
    "bootcmd",
    "ca_certs",
    "chpasswd",
    "coreos",
    "device_aliases",
    "disable_root",
    "disk_setup",
    "fqdn",
    "fs_setup",
    "groups",
    "hostname",
    "locale",
    "manage_etc_hosts",
    "mount_default_fields",
    "mounts",
    "ntp",
    "password",
    "prefer_fqdn_over_hostname",
    "preserve_hostname",
    "runcmd",
    "ssh_authorized_keys",
    "ssh_keys",
    "ssh_pwauth",
    "swap",
    "timezone",
    "user",
    "users",
    "write_files",
];

/// Keys whose absence changes nothing that anyone could see: messages, and host keys of an image that
/// never booted.
const SILENT: &[&str] = &[
    "final_message",
    "no_ssh_fingerprints",
    "output",
    "ssh_deletekeys",
    "ssh_fp_console_blacklist",
    "ssh_key_console_blacklist",
    "ssh_quiet_keygen",
];

const PACKAGES: &str = "the system has no package manager: run the program in a container, or add it as a system extension";
const MANAGED: &str =
    "write its configuration with write_files, and start it from a unit in coreos.units";
const IMPORT: &str = "write the keys themselves into ssh_authorized_keys";
const GROWN: &str = "the root file system grows to the end of the disk by itself";
const NETWORK: &str =
    "write .network files into coreos.units or to /etc/systemd/network with write_files";
const MERGED: &str = "there is no other cloud-config to merge it with: remove it";
const NOTHING: &str = "remove it: nothing on this system answers to it";
const CLOUD_INIT: &str = "remove it: it configures cloud-init itself, which does not run here";

/// Known keys without an effect, and what to do instead.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("ansible", MANAGED),
    ("apk_repos", PACKAGES),
    ("apt", PACKAGES),
    ("apt_mirror", PACKAGES),
    ("apt_pipelining", PACKAGES),
    ("apt_preserve_sources_list", PACKAGES),
    ("apt_proxy", PACKAGES),
    ("apt_reboot_if_required", PACKAGES),
    ("apt_sources", PACKAGES),
    ("apt_update", PACKAGES),
    ("apt_upgrade", PACKAGES),
    ("autoinstall", NOTHING),
    ("byobu_by_default", NOTHING),
    ("chef", MANAGED),
    ("cloud_config_modules", CLOUD_INIT),
    ("cloud_final_modules", CLOUD_INIT),
    ("cloud_init_modules", CLOUD_INIT),
    (
        "create_hostname_file",
        "leave hostname out if no /etc/hostname is wanted",
    ),
    ("datasource", CLOUD_INIT),
    ("datasource_list", CLOUD_INIT),
    ("debconf_selections", PACKAGES),
    ("debug", CLOUD_INIT),
    ("def_log_file", CLOUD_INIT),
    (
        "disable_ec2_metadata",
        "add a route to the metadata service in bootcmd: ip route add prohibit 169.254.169.254",
    ),
    (
        "disable_root_opts",
        "root has no SSH keys here unless disable_root is false: remove it",
    ),
    ("drivers", PACKAGES),
    ("enable_ssh", NOTHING),
    ("fan", NOTHING),
    ("growpart", GROWN),
    ("grub_dpkg", NOTHING),
    ("interfaces", NETWORK),
    (
        "keyboard",
        "write KEYMAP=… to /etc/vconsole.conf with write_files",
    ),
    ("landscape", PACKAGES),
    ("launch_index", MERGED),
    (
        "locale_configfile",
        "the locale is in /etc/locale.conf: remove it",
    ),
    ("log_cfgs", CLOUD_INIT),
    ("lxd", PACKAGES),
    (
        "manage_resolv_conf",
        "write DNS= to /etc/systemd/resolved.conf.d/ with write_files",
    ),
    ("manual_cache_clean", CLOUD_INIT),
    ("mcollective", MANAGED),
    ("merge_how", MERGED),
    ("merge_type", MERGED),
    ("migrate", CLOUD_INIT),
    ("network", NETWORK),
    ("package_reboot_if_required", PACKAGES),
    (
        "package_update",
        "the system updates itself as a whole: remove it",
    ),
    (
        "package_upgrade",
        "the system updates itself as a whole: remove it",
    ),
    ("packages", PACKAGES),
    ("phone_home", "send the message with a line of runcmd"),
    (
        "power_state",
        "write systemctl reboot (or poweroff) as the last line of runcmd",
    ),
    ("puppet", MANAGED),
    (
        "random_seed",
        "the kernel and systemd seed the random numbers: remove it",
    ),
    ("reporting", CLOUD_INIT),
    ("resize_rootfs", GROWN),
    (
        "resolv_conf",
        "write DNS= to /etc/systemd/resolved.conf.d/ with write_files",
    ),
    ("rh_subscription", PACKAGES),
    ("rpi", NOTHING),
    (
        "rsyslog",
        "logs are in the journal: send them on from a unit of coreos.units",
    ),
    ("salt_minion", MANAGED),
    ("snap", PACKAGES),
    ("snappy", PACKAGES),
    ("spacewalk", PACKAGES),
    ("ssh", CLOUD_INIT),
    (
        "ssh_genkeytypes",
        "the system makes host keys of its usual types: remove it, or give ssh_keys",
    ),
    ("ssh_publish_hostkeys", CLOUD_INIT),
    ("syslog_fix_perms", CLOUD_INIT),
    ("system_info", CLOUD_INIT),
    ("ubuntu_advantage", PACKAGES),
    ("ubuntu_autoinstall", NOTHING),
    ("ubuntu_pro", PACKAGES),
    ("unverified_modules", CLOUD_INIT),
    ("updates", CLOUD_INIT),
    ("vendor_data", CLOUD_INIT),
    ("vendor_data2", CLOUD_INIT),
    ("version", "a cloud-config has no version: remove it"),
    (
        "wireguard",
        "write the .netdev and .network files of the tunnel with write_files",
    ),
    ("yum_repo_dir", PACKAGES),
    ("yum_repos", PACKAGES),
    ("zypper", PACKAGES),
];

/// The part of the document that has an effect, its keys spelt with `_`; the report names the rest.
pub(super) fn known(members: &[Member], span: Span, report: &mut Report) -> Node {
    let mut kept = Vec::new();
    for (member, respelt) in members.iter().zip(respelt(members, false)) {
        let key = respelt.key.as_str();
        let unsupported = UNSUPPORTED.iter().find(|(known, _)| *known == key);
        if key == "ssh_import_id" {
            if member.value.value != Value::Null {
                let message =
                    "SSH keys are not fetched from elsewhere: the default user could not log in";
                report.push(Diagnostic::error(member.key_span, message).help(IMPORT));
            }
        } else if READ.contains(&key) {
            kept.push(respelt);
        } else if let Some((_, help)) = unsupported {
            let message = format!("{:?} is not supported: it has no effect", member.key);
            report.push(Diagnostic::warning(member.key_span, message).help(*help));
        } else if !SILENT.contains(&key) && !report.is_full(Severity::Warning) {
            report.push(unknown(&member.key, member.key_span));
        }
    }
    Node {
        span,
        value: Value::Object(kept),
    }
}

fn unknown(key: &str, span: Span) -> Diagnostic {
    let all: Vec<&str> = READ
        .iter()
        .chain(SILENT)
        .copied()
        .chain(UNSUPPORTED.iter().map(|(key, _)| *key))
        .collect();
    let help = match nearest(key, &all) {
        Some(known) => format!("did you mean {known:?}?"),
        None => format!("keys that are read: {}", READ.join(", ")),
    };
    Diagnostic::warning(
        span,
        format!(
            "unknown key {} in cloud-config: it has no effect",
            diag::key(key)
        ),
    )
    .help(help)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::SourceId;
    use crate::spec::cloud_config::{DIALECT, Document};
    use crate::spec::{Decoder, Wire as _};

    #[test]
    fn the_tables_name_each_key_once_and_the_declaration_knows_what_is_read() {
        let mut all: Vec<&str> = READ.iter().chain(SILENT).copied().collect();
        all.extend(UNSUPPORTED.iter().map(|(key, _)| *key));
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        let span = Span {
            source: SourceId(0),
            start: 0,
            end: 0,
        };
        let members = READ.iter().map(|key| Member {
            key: (*key).to_owned(),
            key_span: span,
            value: Node {
                span,
                value: Value::Null,
            },
        });
        let tree = Node {
            span,
            value: Value::Object(members.collect()),
        };
        let mut report = Report::default();
        let mut decoder = Decoder {
            dialect: &DIALECT,
            minor: 0,
            report: &mut report,
        };
        assert!(Document::decode(&tree, &mut decoder).is_some());
        assert_eq!(report, Report::default());
    }
}
