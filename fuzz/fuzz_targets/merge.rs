//! Merging: up to three configs, NUL between them.
#![no_main]

use std::collections::HashMap;

use libfuzzer_sys::fuzz_target;
use pilotlight_core::cache;
use pilotlight_core::diag::Sources;
use pilotlight_core::merge;
use pilotlight_core::spec::Concat;
use pilotlight_core::spec::v3::{Config, Resource};
use pilotlight_fuzz::{lowered, read};

fuzz_target!(|bytes: &[u8]| {
    let mut sources = Sources::default();
    let mut configs = bytes.splitn(3, |byte| *byte == 0).map(|bytes| {
        let parsed = read(&mut sources, None, bytes);
        let mut config = parsed.config.unwrap_or_default();
        without_removals(&mut config);
        config
    });
    let mut next = || configs.next().unwrap_or_default();
    let (a, b, c) = (next(), next(), next());
    let json = |config: &Config| cache::encode(config).text;

    let merged = merge::configs(a.clone(), b.clone());
    lowered(&merged, &sources);
    lowered(&merge::appended(a.clone(), b.clone()), &sources);

    let nothing = Config::default();
    assert_eq!(json(&merge::configs(a.clone(), nothing.clone())), json(&a));
    assert_eq!(json(&merge::configs(nothing, a.clone())), json(&a));

    let keyed = keyed(b.clone());
    let once = merge::configs(a.clone(), keyed.clone());
    assert_eq!(json(&merge::configs(once.clone(), keyed)), json(&once));

    if each_of_one_kind(&[&a, &b, &c]) {
        let left = merge::configs(merged, c.clone());
        let right = merge::configs(a, merge::configs(b, c));
        assert_eq!(json(&left), json(&right));
    }
});

/// The config without headers that remove a parent's: what they do depends on who comes first.
fn without_removals(config: &mut Config) {
    let certainly = |resource: &mut Resource| {
        resource
            .http_headers
            .retain(|header| header.value.is_some());
    };
    config.ignition.config.merge.iter_mut().for_each(certainly);
    config
        .ignition
        .config
        .replace
        .iter_mut()
        .for_each(certainly);
    let authorities = &mut config.ignition.security.tls.certificate_authorities;
    authorities.iter_mut().for_each(certainly);
    for file in &mut config.storage.files {
        certainly(&mut file.contents);
        file.append.0.iter_mut().for_each(certainly);
    }
    for luks in &mut config.storage.luks {
        certainly(&mut luks.key_file);
    }
}

/// The config without lists whose entries are concatenated: they grow each time.
fn keyed(mut config: Config) -> Config {
    for file in &mut config.storage.files {
        file.append = Concat::default();
    }
    for filesystem in &mut config.storage.filesystems {
        filesystem.options = Concat::default();
        filesystem.mount_options = Concat::default();
    }
    for raid in &mut config.storage.raid {
        raid.options = Concat::default();
    }
    for luks in &mut config.storage.luks {
        luks.options = Concat::default();
    }
    config
}

/// Whether no path and no kernel argument stands in lists that exclude one another: then merging is
/// associative.
fn each_of_one_kind(configs: &[&Config]) -> bool {
    let mut kinds: HashMap<(bool, &str), u8> = HashMap::new();
    let mut alike = true;
    for config in configs {
        let storage = &config.storage;
        let files = storage.files.iter().map(|file| (&file.path, 0));
        let directories = storage
            .directories
            .iter()
            .map(|directory| (&directory.path, 1));
        let links = storage.links.iter().map(|link| (&link.path, 2));
        for (path, kind) in files.chain(directories).chain(links) {
            if let Some(path) = path {
                alike &= *kinds.entry((true, &path.value)).or_insert(kind) == kind;
            }
        }
        let arguments = &config.kernel_arguments;
        let exist = arguments.should_exist.iter().map(|argument| (argument, 0));
        let not = arguments
            .should_not_exist
            .iter()
            .map(|argument| (argument, 1));
        for (argument, kind) in exist.chain(not) {
            alike &= *kinds.entry((false, &argument.value)).or_insert(kind) == kind;
        }
    }
    alike
}
