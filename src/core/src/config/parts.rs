//! User data of one config, or of several: what they mean together, as cloud-init takes them.
//!
//! All cloud-configs become one tree before any of them is translated, scripts run one after the other, and other
//! configs are merged as Ignition merges them.

use super::language::{self, Start};
use super::user_data::UserData;
use super::{Language, Parsed, Reading, understand};
use crate::diag::{Diagnostic, Sources};
use crate::merge;
use crate::ordered::Arrange as _;
use crate::reveal;
use crate::spec::v3::Config;
use crate::translate::cloud_config::parts::Merging;
use crate::translate::script::{Place, Runs};
use crate::translate::{Translation, cloud_config};
use crate::yaml;

/// Reads the only config of user data.
pub(super) fn one(
    sources: &mut Sources,
    part: &UserData<'_>,
    reading: Reading<'_>,
    parsed: &mut Parsed,
) -> Result<Option<Config>, Diagnostic> {
    let place = Place {
        runs: part.stated.runs,
        ..Place::default()
    };
    read(sources, part, place, reading, parsed)
}

fn read(
    sources: &mut Sources,
    part: &UserData<'_>,
    place: Place,
    reading: Reading<'_>,
    parsed: &mut Parsed,
) -> Result<Option<Config>, Diagnostic> {
    let text = part.text.as_ref();
    let reading = Reading {
        language: reading.language.or(part.stated.language),
        ..reading
    };
    let source = sources.add(&part.name, text);
    understand(sources, (source, text), place, reading, parsed)
}

/// Whether a part is in a language, which is stated or which its text says itself.
fn is_in(language: Language, part: &UserData<'_>, reading: Reading<'_>) -> bool {
    match reading.language.or(part.stated.language) {
        Some(stated) => stated == language,
        None => language::start(&part.text) == Start::Certain(language),
    }
}

/// The places of scripts among one another, with the numbers of their parts. cloud-init runs boot hooks as they come,
/// then the scripts of every boot and those of one boot, each sorted by the names of their files; `runcmd` is one.
fn scripts(parts: &[UserData<'_>], reading: Reading<'_>) -> Vec<(usize, Place)> {
    let mut found: Vec<(u8, String, usize, Runs)> = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        if !is_in(Language::Script, part, reading) {
            continue;
        }
        let counted = format!("part-{:03}", index + 1);
        let (rank, name) = match (part.stated.runs, &part.stated.file) {
            (Runs::EarlyInEachBoot, _) => (0, counted),
            (runs, file) => (
                1 + u8::from(runs == Runs::Once),
                file.clone().unwrap_or(counted),
            ),
        };
        found.push((rank, name, index, part.stated.runs));
    }
    // Names are compared only where the kinds are the same, and parts keep their order where the names are.
    found.arrange_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
    let places = found.into_iter().enumerate();
    places
        .map(|(before, (_, name, index, runs))| {
            let place = Place {
                before,
                runs,
                is_last: runs == Runs::Once && name.as_str() > "runcmd",
            };
            (index, place)
        })
        .collect()
}

/// Reads several and answers what they mean together; `None` where the report says why not.
pub(super) fn several(
    sources: &mut Sources,
    parts: &[UserData<'_>],
    reading: Reading<'_>,
    parsed: &mut Parsed,
) -> Result<Option<Config>, Diagnostic> {
    let mut clouds = Merging::default();
    let mut configs: Vec<Option<Config>> = Vec::new();
    let mut cloud_at = None;
    let mut language = None;
    let scripts = scripts(parts, reading);
    for (index, part) in parts.iter().enumerate() {
        if is_in(Language::CloudConfig, part, reading) {
            let source = sources.add(&part.name, part.text.as_ref());
            let tree = yaml::parse_with(source, &part.text, &mut parsed.report)?;
            sources.show(source, reveal::of_tree(&part.text, &tree));
            clouds.add(tree, part.stated.merge.as_ref(), &mut parsed.report);
            if cloud_at.is_none() {
                cloud_at = Some(configs.len());
                configs.push(None);
            }
            parsed.language = Some(Language::CloudConfig);
        } else {
            let place = scripts.iter().find(|(script, _)| *script == index);
            let place = place.map_or(Place::default(), |(_, place)| *place);
            configs.push(read(sources, part, place, reading, parsed)?);
        }
        language = language.or(parsed.language);
    }
    parsed.language = language;
    if let (Some(index), Some(tree)) = (cloud_at, clouds.merged()) {
        let mut cx = Translation {
            report: &mut parsed.report,
            files: reading.files,
            cluster: reading.cluster,
        };
        configs[index] = cloud_config::translate(&tree, &mut cx);
    }
    // A part that could not be read has said why.
    let configs: Option<Vec<Config>> = configs.into_iter().collect();
    Ok(configs.and_then(|configs| configs.into_iter().reduce(merge::configs)))
}
