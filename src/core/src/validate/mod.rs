//! Wire types → parsed types. Whatever is wrong is found here, all of it in one go, each finding at
//! the value that is to blame (ignition config/v3_x/types and config/validate).

mod check;
mod directives;
mod disks;
mod files;
mod filesystems;
mod logins;
mod mounts;
mod passwd;
mod password;
mod resource;
mod source;
mod ssh_key;
mod starting;
mod storage;
mod unit_needs;
mod unit_settings;
mod unit_text;
mod units;
mod url;
pub(crate) mod version_rules;
mod whole;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod unit_tests;
#[cfg(test)]
mod whole_tests;

pub(crate) use check::octal_slip;
pub(crate) use unit_text::UnitText;

use check::{Check, Seen};

use crate::cmdline::words;
use crate::diag::{Diagnostic, Report, Severity, Span};
use crate::model::{Config, FetchOptions, KernelArguments, Resource};
use crate::op::split;
use crate::redact;
use crate::spec::At;
use crate::spec::v3;

/// What is being validated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// One config as it was written, others will be merged with it: entries may not repeat.
    Part,
    /// One config as it was written, which stands for itself unless it refers to others.
    Whole,
    /// The result of merging, in which lists without keys may repeat values.
    Merged,
}

/// Makes the parsed config; reports everything that is wrong with it.
pub fn lower(wire: &v3::Config, stage: Stage, report: &mut Report) -> Option<Config> {
    let before = report.items.len();
    let mut check = Check::new(report, stage);
    let config = check.config(wire);
    // An entry that could not be parsed would be missed by the others.
    let wrong = |report: &Report| {
        let new = report.items.iter().skip(before);
        new.into_iter().any(|item| item.severity == Severity::Error)
    };
    if wrong(check.report) {
        return None;
    }
    if stage != Stage::Part && config.merge.is_empty() && config.replace.is_none() {
        check.whole(wire, &config);
    }
    Some(config)
}

impl Check<'_> {
    fn config(&mut self, wire: &v3::Config) -> Config {
        let mut config = Config {
            merge: self.resources(&wire.ignition.config.merge, "ignition.config.merge"),
            replace: self.replacement(&wire.ignition.config.replace),
            fetch: self.fetch_options(&wire.ignition),
            kernel_arguments: self.kernel_arguments(&wire.kernel_arguments),
            groups: self.groups(&wire.passwd.groups),
            users: self.users(&wire.passwd.users),
            disks: self.disks(&wire.storage.disks),
            raid: self.raid(&wire.storage.raid),
            luks: self.luks(&wire.storage.luks),
            filesystems: self.filesystems(&wire.storage.filesystems),
            shares: self.shares(&wire.storage.filesystems),
            directories: self.directories(&wire.storage.directories),
            files: self.files(&wire.storage.files),
            links: self.links(&wire.storage.links),
            units: Vec::new(),
        };
        config.units = self.units(&wire.systemd.units, &wire.storage);
        if self.paths_fit(&config) {
            self.tree_conflicts(&config);
        }
        config
    }

    /// The config to use instead. Generators write an object without a source where there is none.
    fn replacement(&mut self, wire: &Option<v3::Resource>) -> Option<Resource> {
        let wire = wire.as_ref()?;
        match &wire.source {
            Some(_) => self.required_resource(wire, "ignition.config.replace"),
            None => self.resource(wire),
        }
    }

    fn fetch_options(&mut self, wire: &v3::Ignition) -> FetchOptions {
        FetchOptions {
            response_header_timeout: self
                .natural(&wire.timeouts.http_response_headers, "a time in seconds"),
            total_timeout: self.natural(&wire.timeouts.http_total, "a time in seconds"),
            http_proxy: self.proxy(&wire.proxy.http_proxy),
            https_proxy: self.proxy(&wire.proxy.https_proxy),
            no_proxy: self.no_proxy(&wire.proxy.no_proxy),
            certificate_authorities: self.resources(
                &wire.security.tls.certificate_authorities,
                "ignition.security.tls.certificateAuthorities",
            ),
        }
    }

    fn kernel_arguments(&mut self, wire: &v3::KernelArguments) -> KernelArguments {
        let should_exist = self.words(&wire.should_exist, "kernelArguments.shouldExist");
        let should_not_exist = self.words(&wire.should_not_exist, "kernelArguments.shouldNotExist");
        let mut seen = Seen::default();
        for argument in wire.should_exist.iter().chain(&wire.should_not_exist) {
            // Its value may be a password, as that of rd.luks.key or of a program's own argument.
            let (name, value) = match argument.value.split_once('=') {
                Some((name, _)) => (name, "=…"),
                None => (argument.value.as_str(), ""),
            };
            self.unique_as(&mut seen, &argument.value, argument.span, || {
                format!("the kernel argument \"{name}{value}\"")
            });
            self.one_argument(argument);
        }
        // An entry of several arguments asks for that list, whatever is taken away before; one alone
        // cannot be there and not be there.
        let ruled_out = split(&should_not_exist);
        for argument in &wire.should_exist {
            if let [word] = words(&argument.value).as_slice()
                && ruled_out.contains(word)
                && !should_not_exist.contains(&argument.value)
            {
                self.report.push(
                    Diagnostic::error(
                        argument.span,
                        "the kernel argument is asked for and ruled out",
                    )
                    .help("remove it from one of the two lists")
                    .secret(),
                );
            }
        }
        KernelArguments {
            at: wire.at,
            should_exist,
            should_not_exist,
        }
    }
}

impl Check<'_> {
    /// A line of the boot loader's configuration holds it.
    fn one_argument(&mut self, argument: &At<String>) {
        let text = argument.value.as_str();
        if text.trim().contains(char::is_control) {
            self.report.push(
                Diagnostic::error(
                    argument.span,
                    "the kernel argument holds a line break or another control character",
                )
                .help("write each argument as an entry of its own")
                .secret(),
            );
        }
    }
}

/// Everything that makes a config need the network: where it stands and what it is.
pub fn needs_network(config: &Config) -> Vec<(Option<Span>, String)> {
    let mut list: Vec<(Option<Span>, String)> = config
        .resources()
        .filter(|resource| resource.scheme.needs_network())
        .map(|resource| (resource.at, resource.shown()))
        .collect();
    for luks in &config.luks {
        let Some(clevis) = &luks.clevis else { continue };
        let remote = clevis
            .tang
            .iter()
            .filter(|server| server.advertisement.is_none());
        let shown = |url: &str| format!("the tang server {}", redact::url(url));
        list.extend(remote.map(|server| (luks.at, shown(&server.url))));
        if let Some(pin) = clevis.custom.as_ref().filter(|pin| pin.needs_network) {
            list.push((luks.at, format!("the clevis pin {}", pin.name)));
        }
    }
    list
}
