//! An installation from the first look to the last byte.

use std::io::{self, Read as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

use pilotlight_core::config::{MAX_CONFIG, Reading};
use pilotlight_core::diag::Style;
use pilotlight_core::facts::disks::{TableState, partition_node};
use pilotlight_core::hex;
use pilotlight_core::picture;
use pilotlight_core::translate::LocalFiles;
use pilotlight_fetch::FetchError;
use pilotlight_sys::LocalDirectory;
use sha2::{Digest as _, Sha256};

use crate::apply::{self, ApplyError, Incoming, State};
use crate::card::{self, CardError, Firmware};
use crate::config;
use crate::edges;
use crate::image::{
    Check, Digest, DiskImage, FLATCAR, Fingerprint, HEAD, ImageError, Keys, NoImage, Piece, Pins,
    Verified, Written, digest_of, unpack,
};
use crate::op::Partition;
use crate::plan::{self, Card, Content, Image, Plan, RECORD, Wanted};
use crate::release::{ReleaseError, VERSION_LIMIT};
use crate::request::{Asked, AskedConfig, Consent, Request, To, Trust};
use crate::source::{self, Network, Place, Rewindable};
use crate::stream::{self, STREAM_LIMIT, Stream, StreamError};
use crate::survey::{self, SurveyError};
use crate::target::{self, Refusal, Target};
use crate::voice::Voice;

/// Where keys are looked for that nobody names, the first folder that there is.
pub const KEY_FOLDERS: &[&str] = &["/etc/pilotlight/keys", "/usr/share/pilotlight/keys"];
/// Largest key, signature and DIGESTS file, in bytes; how many keys a folder may hold.
const SMALL: u64 = 1 << 20;
const KEYS: usize = 64;
/// How many files configure a network.
const NETWORK_FILES: usize = 256;

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

/// A plan as it is shown.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The plan.
    pub plan: Plan,
    /// Where to.
    pub node: String,
    /// Who vouches for the image, as far as that is known before it is there.
    pub trust: String,
}

impl Shown {
    /// For people: lines that begin with `!` destroy data.
    pub fn text(&self, style: Style) -> String {
        let mut out = String::new();
        for op in &self.plan.ops {
            let mark = if op.is_destructive() { '!' } else { ' ' };
            out.push_str(&format!("{mark} {op}\n"));
        }
        let table = picture::table(&self.plan.picture, style);
        if !table.is_empty() {
            out.push_str("disks before and after\n");
            out.push_str(&table);
        }
        for note in &self.plan.notes {
            out.push_str(&format!("note: {note}\n"));
        }
        out
    }

    /// For machines.
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "event": "plan",
            "disk": self.node,
            "trust": self.trust,
            "operations": self.plan.ops,
            "notes": self.plan.notes,
            "picture": self.plan.picture,
        })
    }

    /// Whether something is lost.
    pub fn destroys(&self) -> bool {
        self.plan
            .ops
            .iter()
            .any(crate::op::InstallOp::is_destructive)
    }
}

/// An image with everything that is known of it before it is read.
struct Located {
    place: Place,
    shown: String,
    signature: Option<Place>,
    digest: Option<Digest>,
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

fn reading(what: &str) -> impl FnOnce(io::Error) -> InstallError + use<> {
    let what = what.to_string();
    move |cause| InstallError::Io { what, cause }
}

/// Everything that is put into the installed system, read and checked.
fn wanted(request: &Request, voice: &Arc<dyn Voice>) -> Result<Wanted, InstallError> {
    let mut wanted = Wanted {
        save: request.save.clone(),
        release: request.release,
        read_back: request.read_back,
        arguments: request.arguments.clone(),
        boot_entry: request.boot_entry,
        network: network_files(&request.network_files)?,
        ..Wanted::default()
    };
    if let Some(asked) = &request.card {
        let firmware = Firmware::open(&asked.firmware).map_err(CardError::from)?;
        // What nobody could write is found out before anything is.
        let planned = card::plan(&firmware, asked.options, None)?;
        let arguments = planned.arguments.into_iter().map(String::from);
        wanted.arguments.append.extend(arguments);
        wanted.card = Some(Card {
            from: asked.firmware.display().to_string(),
            firmware: Arc::new(firmware),
            options: asked.options,
        });
    }
    if let Some(asked) = &request.config {
        wanted.config = Some(config_of(asked, &request.network, voice)?);
    }
    if let Some(place) = &request.cloud_config {
        let bytes = small(place, MAX_CONFIG as u64, &request.network, voice)?;
        let name = place.shown();
        // It is checked like any config, and installed as it is: coreos-cloudinit reads it.
        let checked =
            config::read(&name, &bytes, Reading::default(), false).map_err(InstallError::Config)?;
        warn(&checked.warnings, voice);
        wanted.cloud_config = Some(Content {
            what: format!("{name} ({} bytes)", bytes.len()),
            bytes,
        });
    }
    Ok(wanted)
}

fn warn(warnings: &str, voice: &Arc<dyn Voice>) {
    if !warnings.is_empty() {
        voice.note(warnings.trim_end());
    }
}

/// Reads and checks a config.
pub fn config_of(
    asked: &AskedConfig,
    network: &Network,
    voice: &Arc<dyn Voice>,
) -> Result<Content, InstallError> {
    let name = asked.place.shown();
    if let Place::Url(url) = &asked.place
        && url.starts_with("http:")
        && asked.digest.is_none()
        && !asked.insecure
    {
        return Err(InstallError::Asked(format!(
            "{name} comes over plain HTTP, so that anybody on the way can change it: give its --ignition-hash, use https, or say --insecure-ignition"
        )));
    }
    let bytes = small(&asked.place, MAX_CONFIG as u64, network, voice)?;
    if let Some(digest) = asked.digest.filter(|digest| !digest.fits(&bytes)) {
        return Err(InstallError::Config(format!(
            "{name} does not have the hash {digest}"
        )));
    }
    let files = match &asked.files {
        Some(path) => {
            let opened = LocalDirectory::open(path);
            Some(opened.map_err(reading(&path.display().to_string()))?)
        }
        None => None,
    };
    let how = Reading {
        language: asked.language,
        files: files.as_ref().map(|files| files as &dyn LocalFiles),
        ..Reading::default()
    };
    let checked = config::read(&name, &bytes, how, asked.strict).map_err(InstallError::Config)?;
    warn(&checked.warnings, voice);
    Ok(checked.content)
}

/// A small document from anywhere.
fn small(
    place: &Place,
    limit: u64,
    network: &Network,
    voice: &Arc<dyn Voice>,
) -> Result<Vec<u8>, InstallError> {
    let bounded = |bytes: Vec<u8>| match bytes.len() as u64 > limit {
        true => Err(io::Error::other(format!("it is larger than {limit} bytes"))),
        false => Ok(bytes),
    };
    let read = match place {
        Place::Url(url) => return Ok(network.document(url, limit, voice)?),
        // A pipe will do, as a shell makes one of a program's output.
        Place::File(path) => std::fs::File::open(path).and_then(|file| {
            let mut bytes = Vec::new();
            file.take(limit + 1).read_to_end(&mut bytes)?;
            bounded(bytes)
        }),
        Place::Stdin => {
            let mut bytes = Vec::new();
            (io::stdin().take(limit + 1).read_to_end(&mut bytes)).and_then(|_| bounded(bytes))
        }
    };
    read.map_err(reading(&place.shown()))
}

/// The files of directories; of files with one name the last directory's counts.
fn network_files(directories: &[PathBuf]) -> Result<Vec<plan::Named>, InstallError> {
    let mut files = std::collections::BTreeMap::new();
    for directory in directories {
        let fail = || reading(&directory.display().to_string());
        let entries = match std::fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(fail()(error)),
        };
        for entry in entries {
            let path = entry.map_err(fail())?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            if !path.is_file() {
                continue;
            }
            let bytes = pilotlight_sys::read_regular(&path, SMALL).map_err(fail())?;
            let content = Content {
                what: format!("{}", path.display()),
                bytes: bytes.unwrap_or_default(),
            };
            files.insert(name.to_string(), content);
            if files.len() > NETWORK_FILES {
                let cause = io::Error::other(format!("there are more than {NETWORK_FILES} files"));
                return Err(fail()(cause));
            }
        }
    }
    Ok(files.into_iter().collect())
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

/// Finds out where an image is and what is said of it there.
fn locate(
    asked: &Asked,
    sector: Option<u64>,
    network: &Network,
    voice: &Arc<dyn Voice>,
) -> Result<Located, InstallError> {
    match asked {
        Asked::At(place) => Ok(Located {
            shown: place.shown(),
            signature: beside(place),
            place: place.clone(),
            digest: None,
        }),
        Asked::Release(release) => {
            let url = release_url(release.clone(), network, voice)?;
            let place = Place::Url(url);
            Ok(Located {
                shown: place.shown(),
                signature: beside(&place),
                place,
                digest: None,
            })
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

/// An image that is not written to a disk, with what vouches for it.
pub struct Found {
    /// Where it is.
    pub place: Place,
    /// The name that its file has.
    pub name: String,
    /// What vouches for it.
    pub check: Check,
    /// Its signature.
    pub signature: Option<Vec<u8>>,
}

/// Finds an image and what vouches for it, without a disk.
pub fn located_without_disk(
    request: &Request,
    voice: &Arc<dyn Voice>,
) -> Result<Found, InstallError> {
    let located = locate(&request.image, None, &request.network, voice)?;
    let name = file_name(&located.place)
        .filter(|name| !matches!(*name, "" | "." | ".."))
        .ok_or_else(|| {
            InstallError::Asked(format!(
                "{} has no name that a file could have",
                located.shown
            ))
        })?;
    let name = name.to_string();
    let vouched = vouched(&located, &request.trust, &request.network, voice)?;
    voice.note(&vouched.words);
    Ok(Found {
        place: located.place,
        name,
        check: vouched.check,
        signature: vouched.signature,
    })
}

/// The URL of a release, its version asked for where it has only a name.
pub fn release_url(
    release: crate::release::Release,
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
    asked: &crate::request::AskedStream,
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
    let parsed = pilotlight_core::model::Digest::parse(&format!("sha256-{digits}"));
    match parsed {
        Ok(pilotlight_core::model::Digest::Sha256(sum)) => Ok(Digest::Sha256(sum)),
        _ => Err(format!(
            "the stream has {digits:?} for a SHA-256, which is none"
        )),
    }
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

/// What vouches for an image.
struct Vouched {
    check: Check,
    /// What tells the image from others.
    identity: Option<String>,
    /// Who does, in words.
    words: String,
    /// The signature, where there is one.
    signature: Option<Vec<u8>>,
}

fn vouched(
    located: &Located,
    trust: &Trust,
    network: &Network,
    voice: &Arc<dyn Voice>,
) -> Result<Vouched, InstallError> {
    let given = given_digest(located, trust)?;
    let vouched = signed(located, trust, given.as_ref(), network, voice)?;
    // The first is the stream's, which came from the same server as the image.
    let Some(digest) = given.clone().or_else(|| located.digest.clone()) else {
        return Ok(vouched);
    };
    let identity = (vouched.identity).or_else(|| given.map(|digest| format!("{digest:?}")));
    Ok(Vouched {
        check: vouched.check.and_digest(digest),
        identity,
        ..vouched
    })
}

fn signed(
    located: &Located,
    trust: &Trust,
    given: Option<&Digest>,
    network: &Network,
    voice: &Arc<dyn Voice>,
) -> Result<Vouched, InstallError> {
    let unsigned = |words: String| Vouched {
        check: Check::insecure(),
        identity: None,
        words,
        signature: None,
    };
    if trust.insecure {
        return Ok(unsigned(format!(
            "WARNING: {} IS NOT VERIFIED, because --insecure was given: whoever can change it has the machine",
            located.shown
        )));
    }
    let place = trust.signature.as_ref().or(located.signature.as_ref());
    let by_digest = |why: &str| {
        given.map(|_| {
            unsigned(format!(
                "{} has to have the digest that was given ({why})",
                located.shown
            ))
        })
    };
    let Some(place) = place else {
        let why = "it comes without a signature";
        return by_digest(why).ok_or_else(|| {
            InstallError::Unverified(format!("nobody vouches for {}: {why}; name one with --signature, a digest with --digest, or say --insecure", located.shown))
        });
    };
    let signature = match small(place, SMALL, network, voice) {
        Ok(signature) => signature,
        Err(error) => {
            return by_digest("without a signature").ok_or_else(|| {
                InstallError::Unverified(format!("nobody vouches for {}: {error}; put the signature there, name it with --signature, or say --insecure", located.shown))
            });
        }
    };
    let keys = keys(trust)?;
    let check = Check::signature(&signature, &keys, SystemTime::now()).map_err(|refusal| {
        InstallError::Unverified(format!(
            "{} does not vouch for the image: {refusal}",
            place.shown()
        ))
    })?;
    let identity = hex::encode(&Sha256::digest(&signature));
    Ok(Vouched {
        check,
        identity: Some(identity),
        words: format!("{} is checked by {}", located.shown, place.shown()),
        signature: Some(signature),
    })
}

/// The keys that count.
fn keys(trust: &Trust) -> Result<Keys, InstallError> {
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    let mut read = |path: &Path| -> Result<(), InstallError> {
        let name = path.display().to_string();
        let bytes = pilotlight_sys::read_regular(path, SMALL)
            .and_then(|bytes| bytes.ok_or_else(|| io::ErrorKind::NotFound.into()))
            .map_err(reading(&name))?;
        files.push((name, bytes));
        Ok(())
    };
    for path in &trust.keys {
        read(path)?;
    }
    if trust.keys.is_empty() {
        let folder = KEY_FOLDERS.iter().find(|folder| Path::new(folder).is_dir());
        let mut paths: Vec<PathBuf> = (folder.and_then(|folder| std::fs::read_dir(folder).ok()))
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.is_file())
            .take(KEYS)
            .collect();
        paths.sort();
        for path in paths {
            read(&path)?;
        }
        if files.is_empty() {
            return Err(InstallError::Unverified(format!(
                "there is no key that could vouch for the image: name one with --key, or put it into {}",
                KEY_FOLDERS[0]
            )));
        }
    }
    let pins = match (trust.pins.is_empty(), trust.keys.is_empty()) {
        (false, _) => Pins::Only(trust.pins.clone()),
        (true, false) => Pins::AsGiven,
        (true, true) => {
            let flatcar: Result<Fingerprint, String> = FLATCAR.parse();
            Pins::Only(vec![flatcar.map_err(InstallError::Unverified)?])
        }
    };
    let files: Vec<(&str, &[u8])> = (files.iter())
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
        .collect();
    Keys::read(&files, &pins).map_err(|refusal| InstallError::Unverified(refusal.to_string()))
}

/// The digest that a person gave, by itself or in a list.
fn given_digest(located: &Located, trust: &Trust) -> Result<Option<Digest>, InstallError> {
    use pilotlight_core::model::Digest as Given;
    match (&trust.digest, &trust.digests) {
        (Some(Given::Sha256(sum)), _) => Ok(Some(Digest::Sha256(*sum))),
        (Some(Given::Sha512(sum)), _) => Ok(Some(Digest::Sha512(*sum))),
        (None, None) => Ok(None),
        (None, Some(path)) => {
            let shown = path.display().to_string();
            let text = pilotlight_sys::read_regular(path, SMALL)
                .and_then(|text| text.ok_or_else(|| io::ErrorKind::NotFound.into()))
                .map_err(reading(&shown))?;
            let name = file_name(&located.place).unwrap_or_default();
            let found = digest_of(&String::from_utf8_lossy(&text), name);
            found.map(Some).map_err(|refusal| {
                InstallError::Unverified(format!("{shown} does not vouch for the image: {refusal}"))
            })
        }
    }
}

/// The last part of a path or URL.
fn file_name(place: &Place) -> Option<&str> {
    match place {
        Place::Url(url) => url.split(['?', '#']).next()?.rsplit('/').next(),
        Place::File(path) => path.file_name()?.to_str(),
        Place::Stdin => None,
    }
}

/// What tells a later run that all of this is done.
fn record(identity: &str, wanted: &Wanted) -> Content {
    let mut sum = Sha256::new();
    let mut add = |bytes: &[u8]| {
        sum.update((bytes.len() as u64).to_le_bytes());
        sum.update(bytes);
    };
    for content in [&wanted.config, &wanted.cloud_config] {
        add(content.as_ref().map_or(&[][..], |content| &content.bytes));
    }
    for (name, content) in &wanted.network {
        add(name.as_bytes());
        add(&content.bytes);
    }
    add(format!("{:?}", wanted.arguments).as_bytes());
    if let Some(card) = &wanted.card {
        add(format!("{:?}", card.options).as_bytes());
        for (path, file) in &card.firmware.files {
            add(path.as_bytes());
            add(&file.bytes);
        }
    }
    let text = serde_json::json!({
        "image": identity,
        "config": hex::encode(&sum.finalize()),
    });
    Content {
        what: "a record of this installation".into(),
        bytes: format!("{text}\n").into_bytes(),
    }
}

/// Whether a disk has the record of the same installation. What cannot be looked at has none.
fn is_there(target: &Target, wanted: &Wanted) -> bool {
    let (Some(record), Some(block)) = (&wanted.record, target.block()) else {
        return false;
    };
    let TableState::Gpt(table) = &block.table else {
        return false;
    };
    let home = ["OEM", "boot"]
        .into_iter()
        .find_map(|label| (table.partitions.iter()).find(|(_, entry)| entry.label == label));
    let Some((number, entry)) = home.filter(|_| table.repair.is_none()) else {
        return false;
    };
    let partition = Partition {
        disk: target.node.clone(),
        node: (target.kind == target::Kind::Disk && target.all_known)
            .then(|| partition_node(&target.node, *number)),
        number: *number,
        label: entry.label.clone(),
        start: entry.start.saturating_mul(block.sector),
        size: entry.sectors().saturating_mul(block.sector),
    };
    let found = apply::mounted(&partition, false, |mount| {
        let path = pilotlight_core::model::SysPath::parse(RECORD).ok();
        Ok(path.and_then(|path| mount.read(&path, SMALL).ok()?))
    });
    found.is_ok_and(|found| found.as_deref() == Some(&record.bytes))
}

/// Looks at an image's beginning; answers what it is, and all of its packed bytes.
pub fn peeked<R: io::Read + Send>(
    shown: &str,
    bytes: R,
) -> Result<(Image, impl io::Read + Send + use<R>), InstallError> {
    let mut source = Rewindable::new(bytes);
    let mut head = Vec::new();
    let unpacked = unpack(
        &mut source,
        Check::insecure(),
        NonZeroUsize::new(1),
        &AtomicU64::new(0),
        &mut |piece| {
            match piece {
                Piece::Bytes(bytes) => head.extend_from_slice(bytes),
                Piece::Zeros(zeros) => {
                    let room = HEAD.saturating_sub(head.len());
                    let zeros = usize::try_from(zeros).unwrap_or(room).min(room);
                    head.resize(head.len() + zeros, 0);
                }
            }
            match head.len() >= HEAD {
                // Enough is known; any error ends it.
                true => Err(ImageError::Bug),
                false => Ok(()),
            }
        },
    );
    match unpacked {
        Err(ImageError::Bug) if head.len() >= HEAD => {}
        Err(error) => return Err(InstallError::Image(error)),
        Ok(_) => {}
    }
    let wrong = |why: NoImage| InstallError::Image(ImageError::NoImage(why));
    let image = match DiskImage::of(&head).map_err(wrong)? {
        DiskImage::Gpt {
            sector,
            size,
            backup,
        } => Image {
            shown: shown.into(),
            size,
            content: backup,
            sector,
            table: edges::table_of(&head, size, sector).map_err(reading(shown))?,
        },
        DiskImage::Mbr { size } => Image {
            shown: shown.into(),
            size,
            content: size,
            sector: 512,
            table: None,
        },
    };
    Ok((image, source.rewind()))
}
