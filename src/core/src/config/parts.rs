//! User data of one config, or of several: what they mean together, as cloud-init takes them.
//!
//! All cloud-configs become one tree before any of them is translated, scripts run one after the other, and other
//! configs are merged as Ignition merges them.

use super::language::{self, Start};
use super::user_data::UserData;
use super::{Language, Parsed, Reading, understand};
use crate::diag::{Diagnostic, Sources};
use crate::merge;
use crate::reveal;
use crate::spec::v3::Config;
use crate::translate::cloud_config::parts::Merging;
use crate::translate::script::Place;
use crate::translate::{Translation, cloud_config};
use crate::yaml;

/// Reads the only config of user data.
pub(super) fn one(
    sources: &mut Sources,
    part: &UserData<'_>,
    reading: Reading<'_>,
    parsed: &mut Parsed,
) -> Result<Option<Config>, Diagnostic> {
    read(sources, part, 0, reading, parsed)
}

fn read(
    sources: &mut Sources,
    part: &UserData<'_>,
    before: usize,
    reading: Reading<'_>,
    parsed: &mut Parsed,
) -> Result<Option<Config>, Diagnostic> {
    let text = part.text.as_ref();
    let reading = Reading {
        language: reading.language.or(part.stated.language),
        ..reading
    };
    let source = sources.add(&part.name, text);
    let place = Place {
        before,
        runs: part.stated.runs,
    };
    understand(sources, (source, text), place, reading, parsed)
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
    let mut scripts = 0;
    let mut language = None;
    for part in parts {
        let stated = reading.language.or(part.stated.language);
        let is_cloud = match stated {
            Some(stated) => stated == Language::CloudConfig,
            None => language::start(&part.text) == Start::Certain(Language::CloudConfig),
        };
        if is_cloud {
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
            configs.push(read(sources, part, scripts, reading, parsed)?);
            scripts += usize::from(parsed.language == Some(Language::Script));
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
