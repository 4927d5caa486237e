//! Why an installation did not take place.

use std::io;

use pilotlight_fetch::FetchError;

use crate::apply::{ApplyError, State};
use crate::card::CardError;
use crate::image::ImageError;
use crate::release::ReleaseError;
use crate::stream::StreamError;
use crate::survey::SurveyError;
use crate::target::Refusal;

/// Why an installation did not take place, or not whole.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The command line asks for what cannot be.
    #[error("{0}")]
    Asked(String),
    /// The config cannot be used.
    #[error("the config cannot be used, and nothing has been written:\n{0}")]
    Config(String),
    /// The disk could not be looked at.
    #[error(transparent)]
    Survey(#[from] SurveyError),
    /// The disk is not written to.
    #[error("nothing has been written:{}", listed(.0))]
    Refused(Vec<Refusal>),
    /// The image is none, or nobody vouches for it.
    #[error("{0}; nothing has been written")]
    Image(ImageError),
    /// There is nothing that could vouch for it.
    #[error("{0}; nothing has been written")]
    Unverified(String),
    /// No URL.
    #[error(transparent)]
    Release(#[from] ReleaseError),
    /// No such image.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// A server did not give it.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Reading failed.
    #[error("while reading {what}: {cause}")]
    Io {
        /// What.
        what: String,
        /// The reason.
        cause: io::Error,
    },
    /// The firmware of a Raspberry Pi is not taken.
    #[error("{0}; nothing has been written")]
    Card(#[from] CardError),
    /// An operation failed.
    #[error("{error}; {}", said(.state))]
    Apply {
        /// Why.
        error: ApplyError,
        /// What can be said of the disk.
        state: State,
    },
}

fn listed(refusals: &[Refusal]) -> String {
    match refusals {
        [one] => format!(" {one}"),
        many => many.iter().map(|one| format!("\n  {one}")).collect(),
    }
}

fn said(state: &State) -> &'static str {
    match state {
        State::Untouched => "the disk is as it was",
        State::NothingBoots => "the disk holds nothing that boots; run the same command again",
        State::Boots => {
            "the image is on the disk and boots, but what comes after it is not there: run the same command again"
        }
    }
}

/// What a failure to read something becomes.
pub(crate) fn reading(what: &str) -> impl FnOnce(io::Error) -> InstallError + use<> {
    let what = what.to_string();
    move |cause| InstallError::Io { what, cause }
}
