//! Where an image is, and what is said of it there.

use std::sync::Arc;

use crate::error::InstallError;
use crate::image::Digest;
use crate::release::{Release, VERSION_LIMIT};
use crate::request::{Asked, AskedStream};
use crate::source::{Network, Place};
use crate::stream::{self, STREAM_LIMIT, Stream};
use crate::voice::Voice;

/// An image with everything that is known of it before it is read.
pub(crate) struct Located {
    pub(crate) place: Place,
    pub(crate) shown: String,
    pub(crate) signature: Option<Place>,
    pub(crate) digest: Option<Digest>,
}

impl Located {
    /// An image whose signature lies beside it.
    fn with_neighbour(place: Place) -> Self {
        Self {
            shown: place.shown(),
            signature: beside(&place),
            place,
            digest: None,
        }
    }
}

/// Finds out where an image is and what is said of it there.
pub(crate) fn locate(
    asked: &Asked,
    sector: Option<u64>,
    network: &Network,
    voice: &Arc<dyn Voice>,
) -> Result<Located, InstallError> {
    match asked {
        Asked::At(place) => Ok(Located::with_neighbour(place.clone())),
        Asked::Release(release) => {
            let url = release_url(release.clone(), network, voice)?;
            let place = Place::Url(url);
            Ok(Located::with_neighbour(place))
        }
        Asked::Stream(asked) => {
            let format = asked.format.clone();
            let format = format.unwrap_or_else(|| stream::format(sector.unwrap_or(512)).into());
            let chosen = stream_of(asked, network, voice)?.choose(
                &asked.architecture,
                &asked.platform,
                &format,
            )?;
            let digest = sha256(&chosen.artifact.sha256).map_err(InstallError::Asked)?;
            let place = Place::Url(chosen.artifact.location);
            Ok(Located {
                shown: place.shown(),
                signature: chosen.artifact.signature.map(Place::Url),
                place,
                digest: Some(digest),
            })
        }
    }
}

/// The URL of a release, its version asked for where it has only a name.
pub fn release_url(
    release: Release,
    network: &Network,
    voice: &Arc<dyn Voice>,
) -> Result<String, InstallError> {
    release.check()?;
    let Some(url) = release.version_url() else {
        return Ok(release.image_url());
    };
    let text = network.document(&url, VERSION_LIMIT, voice)?;
    let release = release.resolved(&String::from_utf8_lossy(&text))?;
    voice.note(&release.to_string());
    Ok(release.image_url())
}

/// The document of a stream.
pub fn stream_of(
    asked: &AskedStream,
    network: &Network,
    voice: &Arc<dyn Voice>,
) -> Result<Stream, InstallError> {
    let url = stream::url(asked.base.as_deref(), &asked.stream);
    Ok(Stream::parse(&network.document(
        &url,
        STREAM_LIMIT,
        voice,
    )?)?)
}

/// What stream metadata say a file hashes to.
pub fn sha256(digits: &str) -> Result<Digest, String> {
    Digest::parse(&format!("sha256-{digits}"))
        .map_err(|_| format!("the stream has {digits:?} for a SHA-256, which is none"))
}

/// The place of the detached signature beside a file.
fn beside(place: &Place) -> Option<Place> {
    match place {
        Place::File(path) => {
            let mut name = path.clone().into_os_string();
            name.push(".sig");
            Some(Place::File(name.into()))
        }
        Place::Url(url) => {
            let (path, query) = url.split_at(url.find(['?', '#']).unwrap_or(url.len()));
            Some(Place::Url(format!("{path}.sig{query}")))
        }
        Place::Stdin => None,
    }
}

/// The last part of a path or URL.
pub(crate) fn file_name(place: &Place) -> Option<&str> {
    match place {
        Place::Url(url) => url.split(['?', '#']).next()?.rsplit('/').next(),
        Place::File(path) => path.file_name()?.to_str(),
        Place::Stdin => None,
    }
}
