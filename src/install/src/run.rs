//! An installation from the first look to the last byte.

use std::path::Path;
use std::sync::Arc;

use crate::apply::{self, Incoming};
use crate::error::{InstallError, reading};
use crate::image::{Verified, Written};
use crate::located::locate;
use crate::peek::peeked;
use crate::plan;
use crate::record::{is_there, record};
use crate::request::{Consent, Request, To};
use crate::shown::Shown;
use crate::source;
use crate::survey;
use crate::target::{self, Target};
use crate::voice::Voice;
use crate::vouched::vouched;
use crate::wanted::wanted;

/// How an installation ended.
#[derive(Debug)]
pub enum Outcome {
    /// All of it is done.
    Done(Box<Written>),
    /// The disk has it already.
    Already,
    /// Only the plan was asked for.
    Planned,
    /// The person said no.
    Declined,
}

/// Who answers for the terminal.
pub trait Terminal {
    /// Shows a plan.
    fn show(&self, shown: &Shown);
    /// Asks whether to go on; `None` where nobody can be asked.
    fn ask(&self, question: &str) -> Option<bool>;
}

/// Installs.
pub fn install(
    request: &Request,
    voice: &Arc<dyn Voice>,
    terminal: &dyn Terminal,
) -> Result<Outcome, InstallError> {
    if let Some(fault) = request.arguments.fault() {
        return Err(InstallError::Asked(fault));
    }
    let mut wanted = wanted(request, voice)?;
    let target = chosen(&request.to, voice)?;
    let refusals = target.refusals(request.release);
    if !refusals.is_empty() {
        return Err(InstallError::Refused(refusals));
    }
    let located = locate(
        &request.image,
        target.block().map(|block| block.sector),
        &request.network,
        voice,
    )?;
    let vouched = vouched(&located, &request.trust, &request.network, voice)?;
    voice.note(&vouched.words);
    wanted.record = (vouched.identity.as_ref()).map(|identity| record(identity, &wanted));
    if request.once && is_there(&target, &wanted) {
        return Ok(Outcome::Already);
    }
    let opened =
        source::open(&located.place, &request.network, voice).map_err(reading(&located.shown))?;
    if let Some(length) = opened.length {
        voice.fetched(0, Some(length));
    }
    let (image, bytes) = peeked(&located.shown, opened.bytes)?;
    let plan = plan::plan(&target, &image, &wanted).map_err(InstallError::Refused)?;
    let shown = Shown {
        plan,
        node: target.node.clone(),
        trust: vouched.words,
    };
    terminal.show(&shown);
    if request.dry_run {
        return Ok(Outcome::Planned);
    }
    if request.consent == Consent::Ask && shown.destroys() {
        let question = format!(
            "Everything on {} that is marked with ! will be lost. Go on?",
            target.node
        );
        match terminal.ask(&question) {
            Some(true) => {}
            Some(false) => return Ok(Outcome::Declined),
            None => {
                return Err(InstallError::Asked(format!(
                    "{} is not empty, and nobody can be asked: add --yes to destroy what is marked with !",
                    target.node
                )));
            }
        }
    }
    let incoming = Incoming {
        bytes,
        check: vouched.check,
    };
    match apply::apply(&shown.plan, incoming, voice) {
        Ok(written) => {
            voice.note(&verified(&written.verified));
            Ok(Outcome::Done(Box::new(written)))
        }
        Err(failed) => Err(InstallError::Apply {
            error: failed.error,
            state: failed.state,
        }),
    }
}

fn verified(verified: &Verified) -> String {
    match &verified.signer {
        Some(signer) => format!("the image is signed by {} ({})", signer.user, signer.key),
        None if verified.digest => "the image has the digest that was given".into(),
        None => "NOBODY VOUCHES FOR THE IMAGE (--insecure)".into(),
    }
}

fn chosen(to: &To, voice: &Arc<dyn Voice>) -> Result<Target, InstallError> {
    match to {
        To::Device(path) => Ok(survey::target(path)?),
        To::Smallest { include, exclude } => {
            let disks = survey::candidates();
            let node = target::smallest(&disks, include, exclude).map_err(InstallError::Asked)?;
            voice.note(&format!("{node} is the smallest unused disk"));
            Ok(survey::target(Path::new(&node))?)
        }
    }
}
