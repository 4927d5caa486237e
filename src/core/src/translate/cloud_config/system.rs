//! Host name, time, locale, certificate authorities and the SSH server: small files.

use super::{Build, STATE, flag, said};
use crate::diag::Span;
use crate::spec::At;
use crate::spec::cloud_config::{CaCerts, Document, Ntp, SshKeys};
use crate::yaml;

impl Build<'_> {
    pub(super) fn system(&mut self, document: &Document) {
        let name = self.host_name(document);
        self.hosts(document, name.as_ref());
        self.timezone(document);
        self.locale(document);
        self.ntp(&document.ntp);
        self.ca_certs(&document.ca_certs);
        self.ssh_server(document);
    }

    /// The host name as it stands: coreos-cloudinit does not cut a domain off.
    fn host_name(&mut self, document: &Document) -> Option<At<String>> {
        let full = said(&document.fqdn);
        let prefers_full = flag(&document.prefer_fqdn_over_hostname, false);
        let name = match (said(&document.hostname), full) {
            (_, Some(full)) if prefers_full => full.clone(),
            (Some(name), _) => name.clone(),
            (None, Some(full)) => At {
                value: first_label(&full.value).to_owned(),
                span: full.span,
            },
            (None, None) => return None,
        };
        for name in [Some(&name), full].into_iter().flatten() {
            if !is_host_name(&name.value) {
                self.error(
                    name.span,
                    format!("{:?} cannot be a host name", name.value),
                    "use letters, digits, '-' and '.', at most 64 characters",
                );
                return None;
            }
        }
        if !flag(&document.preserve_hostname, false) {
            let contents = format!("{}\n", name.value);
            self.file("/etc/hostname", contents.as_bytes(), 0o644, name.span);
        }
        Some(name)
    }

    fn hosts(&mut self, document: &Document, name: Option<&At<String>>) {
        let Some(wish) = said(&document.manage_etc_hosts) else {
            return;
        };
        match (wish.value.as_str(), yaml::boolean(&wish.value)) {
            (_, Some(false)) => return,
            ("localhost" | "template", _) | (_, Some(true)) => {}
            _ => {
                self.error(
                    wish.span,
                    format!("unknown value {:?} of manage_etc_hosts", wish.value),
                    "known are localhost, true and false",
                );
                return;
            }
        }
        let Some(name) = name else {
            self.warning(
                wish.span,
                "the config has no host name to write to /etc/hosts",
                "add hostname:, or remove this key: the system knows its own name without it",
            );
            return;
        };
        let mut names = vec![name.value.as_str()];
        if let Some(full) = said(&document.fqdn)
            && full.value != name.value
        {
            names.insert(0, &full.value);
        }
        let short = first_label(&name.value);
        if !names.contains(&short) {
            names.push(short);
        }
        let contents = format!(
            "127.0.0.1 localhost\n::1 localhost\n127.0.1.1 {}\n",
            names.join(" ")
        );
        self.file("/etc/hosts", contents.as_bytes(), 0o644, wish.span);
    }

    fn timezone(&mut self, document: &Document) {
        let Some(zone) = said(&document.timezone) else {
            return;
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "+-_/".contains(c);
        let is_zone =
            zone.value.chars().all(plain) && zone.value.split('/').all(|part| !part.is_empty());
        if !is_zone {
            self.error(
                zone.span,
                format!("{:?} cannot be a time zone", zone.value),
                "write it as Europe/Berlin or UTC",
            );
            return;
        }
        let target = format!("../usr/share/zoneinfo/{}", zone.value);
        self.link("/etc/localtime", target, zone.span);
    }

    fn locale(&mut self, document: &Document) {
        let wish = said(&document.locale);
        let Some(locale) = wish.filter(|locale| yaml::boolean(&locale.value) != Some(false)) else {
            return;
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "._@-".contains(c);
        if !locale.value.chars().all(plain) {
            self.error(
                locale.span,
                format!("{:?} cannot be a locale", locale.value),
                "write it as en_US.UTF-8",
            );
            return;
        }
        let contents = format!("LANG={}\n", locale.value);
        self.file("/etc/locale.conf", contents.as_bytes(), 0o644, locale.span);
    }

    fn ntp(&mut self, ntp: &Ntp) {
        if !flag(&ntp.enabled, true) {
            return;
        }
        if let Some(client) = said(&ntp.ntp_client)
            && !["auto", "systemd-timesyncd"].contains(&client.value.as_str())
        {
            self.warning(
                client.span,
                format!("{:?} is not set up: systemd-timesyncd is", client.value),
                "write the configuration of another client with write_files",
            );
        }
        for (key, raw) in [
            ("peers", &ntp.peers),
            ("allow", &ntp.allow),
            ("config", &ntp.config),
        ] {
            if let Some(at) = super::node::span(raw) {
                self.warning(
                    Some(at),
                    format!("{key:?} of ntp is not supported: it has no effect"),
                    "write the configuration of another client with write_files",
                );
            }
        }
        let mut servers: Vec<At<String>> = Vec::new();
        for raw in [&ntp.servers, &ntp.pools].into_iter().flatten() {
            servers.extend(self.texts(&raw.0, "a time server"));
        }
        let Some(span) = servers.first().map(|server| server.span) else {
            return;
        };
        let odd = |c: char| c.is_whitespace() || c.is_control() || c == '\\' || c == '%';
        if let Some(bad) = servers
            .iter()
            .find(|server| server.value.is_empty() || server.value.contains(odd))
        {
            let message = format!("{:?} cannot be a time server", bad.value);
            self.error(bad.span, message, "write a host name or an address");
            return;
        }
        let names: Vec<&str> = servers.iter().map(|server| server.value.as_str()).collect();
        let contents = format!("[Time]\nNTP={}\n", names.join(" "));
        let path = "/etc/systemd/timesyncd.conf.d/10-pilotlight.conf";
        self.file(path, contents.as_bytes(), 0o644, span);
    }

    /// Each authority is a file where the system's program for them looks; a unit runs that program.
    fn ca_certs(&mut self, authorities: &CaCerts) {
        if flag(&authorities.remove_defaults, false) {
            let at = authorities.remove_defaults.as_ref().and_then(|at| at.span);
            self.warning(
                at,
                "\"remove_defaults\" of ca_certs is not supported: the system's authorities stay",
                "remove it",
            );
        }
        let Some(trusted) = &authorities.trusted else {
            return;
        };
        let mut first: Option<Span> = None;
        for (index, authority) in self.texts(&trusted.0, "a certificate").iter().enumerate() {
            let pem = authority.value.trim();
            if !pem.starts_with("-----BEGIN ") || !pem.contains("-----END ") {
                self.error(
                    authority.span,
                    "this is no certificate in PEM form",
                    "it begins with -----BEGIN CERTIFICATE-----, in a text that begins with |",
                );
                continue;
            }
            first = first.or(authority.span);
            let path = format!("/etc/ssl/certs/pilotlight-{}.pem", index + 1);
            self.file(&path, format!("{pem}\n").as_bytes(), 0o644, authority.span);
        }
        if first.is_none() {
            return;
        }
        let contents = format!(
            "[Unit]\n\
             Description=Trust the certificate authorities of the cloud-config\n\
             DefaultDependencies=no\n\
             ConditionPathExists=!{STATE}/ca-certificates.done\n\
             RequiresMountsFor={STATE}\n\
             After=local-fs.target systemd-tmpfiles-setup.service\n\
             Before=sysinit.target shutdown.target\n\
             Conflicts=shutdown.target\n\
             \n\
             [Service]\n\
             Type=oneshot\n\
             RemainAfterExit=yes\n\
             ExecStart=update-ca-certificates\n\
             ExecStart=mkdir -p {STATE}\n\
             ExecStart=touch {STATE}/ca-certificates.done\n\
             \n\
             [Install]\n\
             WantedBy=sysinit.target\n"
        );
        self.own_unit("pilotlight-ca-certificates.service", contents, first);
    }

    /// Host keys, and whether passwords are taken. sshd takes the first word on a setting, so the
    /// name sorts early.
    fn ssh_server(&mut self, document: &Document) {
        let mut settings = String::new();
        let mut first: Option<Span> = None;
        if let Some(wish) = said(&document.ssh_pwauth) {
            let answer = match yaml::boolean(&wish.value) {
                Some(true) => Some("yes"),
                Some(false) => Some("no"),
                None => None,
            };
            match answer {
                Some(answer) => {
                    settings.push_str(&format!("PasswordAuthentication {answer}\n"));
                    first = wish.span;
                }
                None if wish.value == "unchanged" => {}
                None => self.error(
                    wish.span,
                    format!("unknown value {:?} of ssh_pwauth", wish.value),
                    "known are true, false and unchanged",
                ),
            }
        }
        for (kind, [private, public, certificate]) in host_keys(&document.ssh_keys) {
            let path = format!("/etc/ssh/ssh_host_{kind}_key");
            let files = [
                (private, path.clone(), 0o600),
                (public, format!("{path}.pub"), 0o644),
                (certificate, format!("{path}-cert.pub"), 0o644),
            ];
            for (key, path, mode) in files {
                if let Some(key) = said(key) {
                    let contents = format!("{}\n", key.value.trim_end());
                    self.file(&path, contents.as_bytes(), mode, key.span);
                }
            }
            if let Some(certificate) = said(certificate) {
                settings.push_str(&format!("HostCertificate {path}-cert.pub\n"));
                first = first.or(certificate.span);
            }
        }
        if !settings.is_empty() {
            let path = "/etc/ssh/sshd_config.d/10-pilotlight.conf";
            self.file(path, settings.as_bytes(), 0o600, first);
        }
    }
}

type Key<'k> = &'k Option<At<String>>;

fn host_keys(keys: &SshKeys) -> [(&'static str, [Key<'_>; 3]); 3] {
    [
        (
            "rsa",
            [&keys.rsa_private, &keys.rsa_public, &keys.rsa_certificate],
        ),
        (
            "ecdsa",
            [
                &keys.ecdsa_private,
                &keys.ecdsa_public,
                &keys.ecdsa_certificate,
            ],
        ),
        (
            "ed25519",
            [
                &keys.ed25519_private,
                &keys.ed25519_public,
                &keys.ed25519_certificate,
            ],
        ),
    ]
}

fn first_label(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

/// Whether the kernel and resolvers take a name (RFC 1123; HOST_NAME_MAX).
fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    };
    name.len() <= 64 && name.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_are_labels() {
        for good in ["a", "node-1", "node1.example.com", "n_1", &"a".repeat(63)] {
            assert!(is_host_name(good), "{good}");
        }
        for bad in [
            "",
            "-a",
            "a-",
            "a..b",
            "a b",
            "a\n",
            ".a",
            &"a".repeat(64),
            &"a.".repeat(40),
        ] {
            assert!(!is_host_name(bad), "{bad:?}");
        }
    }
}
