//! `coreos`: what coreos-cloudinit added to the language.

use super::node::span;
use super::{Build, flag, said, switch};
use crate::diag::Span;
use crate::spec::At;
use crate::spec::cloud_config::{Coreos, Flannel, Locksmith, Unit, Update};
use crate::spec::v3;
use crate::translate::at;

/// The target that starts what a command asks to start.
const TARGET: &str = "pilotlight-cloud-config.target";
const UPDATE_CONF: &str = "/etc/flatcar/update.conf";

impl Build<'_> {
    pub(super) fn coreos(&mut self, coreos: &Coreos) {
        let mut started: Vec<At<String>> = Vec::new();
        for unit in &coreos.units {
            self.unit(unit, &mut started);
        }
        self.start(&started);
        self.update_conf(&coreos.update, &coreos.locksmith);
        self.flannel(&coreos.flannel);
        const SHIPPED: &str =
            "the program is not part of the system any more: run it from a unit of your own";
        for (key, raw, help) in [
            (
                "coreos.etcd",
                &coreos.etcd,
                "write a drop-in for etcd-member.service with Environment=ETCD_…",
            ),
            (
                "coreos.etcd2",
                &coreos.etcd2,
                "write a drop-in for etcd-member.service with Environment=ETCD_…",
            ),
            ("coreos.fleet", &coreos.fleet, SHIPPED),
            (
                "coreos.oem",
                &coreos.oem,
                "it describes the maker of an image: remove it",
            ),
        ] {
            if let Some(at) = span(raw) {
                let message = format!("{key:?} is not supported: it has no effect");
                self.warning(Some(at), message, help);
            }
        }
    }

    fn unit(&mut self, unit: &Unit, started: &mut Vec<At<String>>) {
        let Some(name) = said(&unit.name) else {
            self.error(unit.at, "the unit has no name", "add name:");
            return;
        };
        let suffix = name.value.rsplit('.').next().unwrap_or_default();
        if ["network", "netdev", "link"].contains(&suffix) {
            self.network_unit(unit, name);
            return;
        }
        let masked = flag(&unit.mask, false);
        let enabled = switch(&unit.enable).filter(|on| on.value);
        let enabled = enabled.or(self.unit_command(unit, name, started));
        let dropins = unit.drop_ins.iter().map(|dropin| v3::Dropin {
            at: dropin.at,
            name: dropin.name.clone(),
            contents: dropin.content.clone(),
        });
        let found = v3::Unit {
            at: unit.at,
            name: Some(name.clone()),
            contents: unit.content.clone().filter(|_| !masked),
            dropins: dropins.collect(),
            enabled,
            mask: switch(&unit.mask).filter(|on| on.value),
        };
        let units = &mut self.config.systemd.units;
        let same = |other: &v3::Unit| other.name.as_ref().is_some_and(|n| n.value == name.value);
        // Entries of one unit add up: one may bring its text, another a drop-in or a command.
        match units.iter_mut().find(|other| same(other)) {
            Some(known) => crate::spec::Wire::merge(known, found),
            None => units.push(found),
        }
    }

    /// What a command means for a machine that starts with the config already in place.
    fn unit_command(
        &mut self,
        unit: &Unit,
        name: &At<String>,
        started: &mut Vec<At<String>>,
    ) -> Option<At<bool>> {
        let command = said(&unit.command)?;
        match command.value.as_str() {
            "start" | "restart" | "reload-or-restart" => {
                if !flag(&unit.mask, false) {
                    started.push(At {
                        value: name.value.clone(),
                        span: command.span,
                    });
                }
                None
            }
            // They act on a unit that runs, and it will start with this config.
            "reload" | "try-restart" | "reload-or-try-restart" => None,
            "stop" => {
                if !flag(&unit.mask, false) {
                    self.warning(
                        command.span,
                        "the unit is disabled, what the image itself starts still starts",
                        "add mask: true if it must not run",
                    );
                }
                at(false, command.span)
            }
            other => {
                self.error(
                    command.span,
                    format!("unknown command {other:?} for a unit"),
                    "known are start, stop, restart, reload, try-restart, reload-or-restart and reload-or-try-restart",
                );
                None
            }
        }
    }

    /// A target of our own wants the units, so that they start whether or not they have an [Install]
    /// section. Without default dependencies it orders nothing: a unit that comes after
    /// multi-user.target does not wait for itself.
    fn start(&mut self, started: &[At<String>]) {
        let Some(first) = started.first() else { return };
        let mut names: Vec<&str> = Vec::new();
        for unit in started {
            // A name that cannot be one is an error of the unit itself.
            if crate::model::UnitName::parse(&unit.value).is_ok()
                && !names.contains(&unit.value.as_str())
            {
                names.push(&unit.value);
            }
        }
        let wants: String = names.iter().map(|name| format!("Wants={name}\n")).collect();
        let contents = format!(
            "[Unit]\n\
             Description=Units that the cloud-config starts\n\
             DefaultDependencies=no\n\
             Conflicts=shutdown.target\n\
             Before=shutdown.target\n\
             {wants}\n\
             [Install]\n\
             WantedBy=multi-user.target\n"
        );
        self.own_unit(TARGET, contents, first.span);
    }

    /// Files of systemd-networkd, which are no units to systemd.
    fn network_unit(&mut self, unit: &Unit, name: &At<String>) {
        let escapes = |name: &At<String>| name.value.contains(['/', '\0']);
        let all = unit
            .drop_ins
            .iter()
            .filter_map(|dropin| dropin.name.as_ref());
        if let Some(bad) = std::iter::once(name).chain(all).find(|name| escapes(name)) {
            let message = format!("{:?} cannot be the name of a file", bad.value);
            self.error(bad.span, message, "write a name without '/'");
            return;
        }
        let path = format!("/etc/systemd/network/{}", name.value);
        if flag(&unit.mask, false) {
            self.link(&path, "/dev/null".into(), name.span);
        } else if let Some(content) = said(&unit.content) {
            self.file(&path, content.value.as_bytes(), 0o644, content.span);
        }
        for dropin in &unit.drop_ins {
            if let (Some(name), Some(content)) = (said(&dropin.name), said(&dropin.content)) {
                let path = format!("{path}.d/{}", name.value);
                self.file(&path, content.value.as_bytes(), 0o644, content.span);
            }
        }
    }

    /// The settings of updates and of the reboots after them, in one file.
    fn update_conf(&mut self, update: &Update, locksmith: &Locksmith) {
        if let Some(strategy) = said(&update.reboot_strategy) {
            let known = ["reboot", "etcd-lock", "best-effort", "off", "false"];
            if !known.contains(&strategy.value.as_str()) {
                self.error(
                    strategy.span,
                    format!("unknown reboot-strategy {:?}", strategy.value),
                    "known are reboot, etcd-lock and off",
                );
            }
        }
        // Tools that know YAML 1.1 write off as false.
        let strategy = said(&update.reboot_strategy).map(|strategy| At {
            value: match strategy.value.as_str() {
                "false" => "off".to_owned(),
                other => other.to_owned(),
            },
            span: strategy.span,
        });
        let settings = [
            ("GROUP", &update.group),
            ("SERVER", &update.server),
            ("REBOOT_STRATEGY", &strategy),
            ("LOCKSMITHD_REBOOT_WINDOW_START", &locksmith.window_start),
            ("LOCKSMITHD_REBOOT_WINDOW_LENGTH", &locksmith.window_length),
            ("LOCKSMITHD_GROUP", &locksmith.group),
            ("LOCKSMITHD_ENDPOINT", &locksmith.endpoint),
            ("LOCKSMITHD_ETCD_CAFILE", &locksmith.etcd_cafile),
            ("LOCKSMITHD_ETCD_CERTFILE", &locksmith.etcd_certfile),
            ("LOCKSMITHD_ETCD_KEYFILE", &locksmith.etcd_keyfile),
            ("LOCKSMITHD_ETCD_USERNAME", &locksmith.etcd_username),
            ("LOCKSMITHD_ETCD_PASSWORD", &locksmith.etcd_password),
        ];
        let Some((text, at)) = self.settings(&settings, |key, value| format!("{key}={value}\n"))
        else {
            return;
        };
        let mode = match said(&locksmith.etcd_password) {
            Some(_) => 0o600,
            None => 0o644,
        };
        self.file(UPDATE_CONF, text.as_bytes(), mode, at);
    }

    fn flannel(&mut self, flannel: &Flannel) {
        let settings = [
            ("FLANNELD_ETCD_ENDPOINTS", &flannel.etcd_endpoints),
            ("FLANNELD_ETCD_CAFILE", &flannel.etcd_cafile),
            ("FLANNELD_ETCD_CERTFILE", &flannel.etcd_certfile),
            ("FLANNELD_ETCD_KEYFILE", &flannel.etcd_keyfile),
            ("FLANNELD_ETCD_PREFIX", &flannel.etcd_prefix),
            ("FLANNELD_ETCD_USERNAME", &flannel.etcd_username),
            ("FLANNELD_ETCD_PASSWORD", &flannel.etcd_password),
            ("FLANNELD_IFACE", &flannel.interface),
            ("FLANNELD_IP_MASQ", &flannel.ip_masq),
            ("FLANNELD_PUBLIC_IP", &flannel.public_ip),
            ("FLANNELD_SUBNET_FILE", &flannel.subnet_file),
        ];
        let line = |key: &str, value: &str| {
            format!("Environment=\"{key}={}\"\n", value.replace('%', "%%"))
        };
        if let Some((text, at)) = self.settings(&settings, line) {
            self.file(
                "/etc/systemd/system/flanneld.service.d/20-pilotlight.conf",
                format!("[Service]\n{text}").as_bytes(),
                0o644,
                at,
            );
        }
    }

    /// Lines of settings that are stated. Their files know no quoting that all readers share, so that
    /// a value is words without quotes.
    fn settings(
        &mut self,
        settings: &[(&str, &Option<At<String>>)],
        line: impl Fn(&str, &str) -> String,
    ) -> Option<(String, Option<Span>)> {
        let mut lines = String::new();
        let mut first = None;
        for (key, value) in settings {
            let Some(value) = said(value) else { continue };
            let odd = |c: char| c.is_control() || "\"'\\`$".contains(c);
            if super::addresses::without(&value.value).contains(odd)
                || value.value.trim() != value.value
            {
                self.error(
                    value.span,
                    format!("the value of {key} holds a character that its file cannot hold"),
                    "write it without quotes, backslashes, dollar signs and line breaks",
                );
                continue;
            }
            first = first.or(value.span);
            lines.push_str(&line(key, &value.value));
        }
        (!lines.is_empty()).then_some((lines, first))
    }
}
