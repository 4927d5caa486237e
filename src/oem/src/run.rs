//! `pilotlight oem run`: the daemon.
//!
//! It sleeps until the platform answers, another hand changes the network, or somebody stops it. No program is
//! started and no thread that stays.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use pilotlight_host::Machine;
use pilotlight_providers::network::{Cursor, Rhythm, Said};
use pilotlight_providers::{HostError, Platform};
use pilotlight_sys::lock;
use pilotlight_sys::netlink::{Changes, Events};
use sd_notify::NotifyState;
use tokio::io::unix::AsyncFd;
use tokio::time::sleep_until;

use crate::clock;
use crate::host_keys;
use crate::kept::Kept;
use crate::keys::Keys;
use crate::metrics::Figures;
use crate::network::{Known, Network, Trust};
use crate::pace::Pace;
use crate::schedule::Schedule;
use crate::{Settings, rest, settings_of};

/// Longest time for what is asked of the platform, with all attempts: it is asked again soon, and meanwhile the
/// operator is told.
const REQUEST: Duration = Duration::from_secs(15);
/// The same for a request that waits: a little longer than the longest that a platform keeps one.
const WAITING: Duration = Duration::from_secs(80);
/// Longest answer, in bytes.
const ANSWER: u64 = 4 << 20;
/// How long another daemon is waited for that is about to end.
const OTHER: Duration = Duration::from_secs(5);
/// Where the public host keys are, below the root.
const SSH: &str = "etc/ssh";
/// Longest time between two looks at the users' keys, which are only looked at when the platform has answered.
const KEYS: Duration = Duration::from_secs(600);
/// How soon it is asked after a link came or went, where the platform does not tell by itself.
const AFTER_LINK: Duration = Duration::from_secs(1);

/// What of the machine is kept true. Each has a process of its own where a service has no more rights than it needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    #[default]
    All,
    /// Routes, addresses and rules.
    Network,
    /// Users' SSH keys.
    Keys,
    /// The time of day, after the machine was moved to another host.
    Clock,
}

impl Part {
    fn has_network(self) -> bool {
        matches!(self, Part::All | Part::Network)
    }

    fn has_keys(self) -> bool {
        matches!(self, Part::All | Part::Keys)
    }

    fn has_clock(self) -> bool {
        matches!(self, Part::All | Part::Clock)
    }
}

/// How the daemon runs.
#[derive(Debug, Clone)]
pub struct Options {
    /// What is kept true.
    pub part: Part,
    /// The platform.
    pub platform: Platform,
    /// Where the last answer is kept.
    pub state: PathBuf,
    /// Where the figures go.
    pub metrics: Option<PathBuf>,
    /// The root below which the settings are.
    pub root: PathBuf,
}

/// Runs until it is stopped. The error is for a person.
pub fn run(options: &Options) -> Result<(), String> {
    let has_keys = options.part.has_keys() && options.platform.tells_keys();
    let rhythm = options.platform.rhythm();
    let has_clock = options.part.has_clock() && options.platform.tells_clock();
    let rhythm = rhythm.filter(|_| options.part.has_network() || has_keys || has_clock);
    let Some(rhythm) = rhythm else {
        tracing::info!("{}", nothing_to_do(options.platform));
        ready("nothing to do on this platform");
        return Ok(());
    };
    let _locks = locks(options)?;
    rest();
    let signals = Signals::block().map_err(|error| format!("while taking signals: {error}"))?;
    let waiter = Machine::of_daemon(WAITING, ANSWER, options.platform.speaks_tls());
    let machines = [waiter.within(REQUEST), waiter];
    let serving = async {
        Daemon::begin(options, rhythm, signals, machines.each_ref())?
            .serve()
            .await
    };
    pilotlight_fetch::blocking(serving)
        .unwrap_or_else(|error| Err(format!("while starting the I/O runtime: {error}")))
}

fn nothing_to_do(platform: Platform) -> String {
    let name = platform.name();
    format!("on {name} there is nothing of the kind to keep true while a machine runs")
}

/// One daemon keeps each part. The lock of the network is that of the directory of states, the other one's that of a
/// directory in it for each.
fn locks(options: &Options) -> Result<Vec<lock::Lock>, String> {
    let [keys, clock] = ["keys", "clock"].map(|name| options.state.join(name));
    let parts = [
        (options.part.has_network(), &options.state, "network"),
        (options.part.has_keys(), &keys, "SSH keys"),
        (options.part.has_clock(), &clock, "time of day"),
    ];
    let mut locks = Vec::new();
    for (_, directory, what) in parts.iter().filter(|(wanted, ..)| *wanted) {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|error| format!("while making {}: {error}", directory.display()))?;
        let lock = lock::of_directory_within(directory, OTHER).map_err(|error| {
            format!("another daemon keeps the {what} of this machine true: {error}")
        })?;
        locks.push(lock);
    }
    Ok(locks)
}

/// Signals as something to wait for.
struct Signals(SignalFd);

impl Signals {
    fn block() -> nix::Result<Self> {
        let mut wanted = SigSet::empty();
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
            wanted.add(signal);
        }
        wanted.thread_block()?;
        SignalFd::with_flags(&wanted, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC).map(Self)
    }
}

impl AsRawFd for Signals {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.0.as_raw_fd()
    }
}

/// Waits for a descriptor together with everything else.
#[allow(
    deprecated,
    reason = "what takes its place is unsafe; both types that are given own their descriptor for as long as they live"
)]
fn watched<T: AsRawFd>(inner: T) -> io::Result<AsyncFd<T>> {
    AsyncFd::new(inner)
}

/// Something on its way.
type Work<'d, T> = Pin<Box<dyn Future<Output = T> + 'd>>;
/// A request on its way: what it brings, and how long that took.
type Asking<'d> = Work<'d, (Result<Option<Said>, HostError>, Duration)>;

struct Daemon<'d> {
    options: &'d Options,
    rhythm: Rhythm,
    /// Asks for what is, and waits for what will be.
    asker: &'d Machine,
    waiter: &'d Machine,
    /// Where the network is kept true.
    network: Option<(Network, AsyncFd<Events>)>,
    signals: AsyncFd<Signals>,
    kept: Kept,
    keys: Keys,
    /// Whether users get keys.
    keys_on: bool,
    /// When keys are looked at again though the platform says the same.
    keys_at: Option<Instant>,
    /// What the platform said last of its clock, where the time of day is kept true.
    clock: Option<clock::Token>,
    known: Option<Known>,
    /// Whether the last answer is another one than that before.
    is_news: bool,
    cursor: Option<Cursor>,
    schedule: Schedule,
    pace: Pace,
    figures: Figures,
    /// Why the last request failed; told once.
    trouble: Option<String>,
}

enum Event {
    Answered(Result<Option<Said>, HostError>, Duration),
    Changed(Changes),
    Published,
    ClockSet(bool),
    Due,
    Ask,
    Watchdog,
    Signal(i32),
}

impl<'d> Daemon<'d> {
    fn begin(
        options: &'d Options,
        rhythm: Rhythm,
        signals: Signals,
        [asker, waiter]: [&'d Machine; 2],
    ) -> Result<Self, String> {
        let settings = read_settings(&options.root);
        let words = |error: io::Error| format!("while waiting for events: {error}");
        let network = match options.part.has_network() {
            true => {
                let network = Network::open(options.platform, settings.switches)
                    .map_err(|error| error.to_string())?;
                let events =
                    Events::listen(network.netlink()).map_err(|error| error.to_string())?;
                Some((network, watched(events).map_err(words)?))
            }
            false => None,
        };
        let kept = Kept::of(options.state.join("network.json"));
        let has_clock = options.part.has_clock();
        let clock = has_clock.then(|| clock::Token::of(&options.state, options.platform));
        // What does not change is there at every start, and may be another one since the last boot.
        let loaded = match rhythm {
            Rhythm::Once => Ok(None),
            _ => kept.load(options.platform),
        };
        let known = match loaded {
            Ok(document) => document.map(|document| Known {
                document,
                trust: Trust::Kept,
            }),
            Err(error) => {
                tracing::warn!("what was kept of the platform's last answer is not used: {error}");
                None
            }
        };
        Ok(Self {
            options,
            rhythm,
            asker,
            waiter,
            network,
            signals: watched(signals).map_err(words)?,
            kept,
            keys: Keys::of(&options.root, &options.state),
            keys_on: settings.keys && options.part.has_keys(),
            keys_at: None,
            clock,
            known,
            is_news: false,
            cursor: None,
            schedule: Schedule::default(),
            pace: Pace::default(),
            figures: Figures::default(),
            trouble: None,
        })
    }

    async fn serve(mut self) -> Result<(), String> {
        // What the platform said before the restart is put right at once: it may be silent for long.
        self.put_right(false);
        rest();
        let watchdog = watchdog();
        let mut begun = false;
        let mut publishing: Option<Work<'d, ()>> = None;
        let mut setting: Option<Work<'d, bool>> = None;
        // One of two services does it.
        let mut published = !self.options.part.has_network();
        let mut asking: Option<Asking<'d>> = None;
        let mut ask_at = Some(Instant::now());
        let mut due: Option<Instant> = None;
        let mut pet_at = watchdog.map(|time| Instant::now() + time);
        loop {
            let event = tokio::select! {
                (answer, took) = finished(&mut asking) => Event::Answered(answer, took),
                changes = next_change(&mut self.network) => Event::Changed(changes?),
                () = until(due) => Event::Due,
                () = finished(&mut publishing) => Event::Published,
                set = finished(&mut setting) => Event::ClockSet(set),
                () = until(ask_at) => Event::Ask,
                () = until(pet_at) => Event::Watchdog,
                signal = next_signal(&mut self.signals) => Event::Signal(signal?),
            };
            match event {
                Event::Ask => {
                    ask_at = None;
                    asking = Some(self.ask());
                }
                Event::Answered(Ok(None), _) if self.rhythm == Rhythm::Once => {
                    tracing::info!("{}", nothing_to_do(self.options.platform));
                    ready("nothing to do on this machine");
                    return Ok(());
                }
                Event::Answered(answer, took) => {
                    asking = None;
                    if !begun {
                        rest();
                    }
                    let pause = self.answered(answer, took);
                    // Only what is new can have switched it on.
                    if !published && self.is_news && self.wants_host_keys() {
                        published = true;
                        publishing = Some(Box::pin(host_keys::publish(
                            self.options.platform,
                            self.asker,
                            host_keys::of_directory(&self.options.root.join(SSH)),
                        )));
                    }
                    if self.was_moved() {
                        setting = Some(Box::pin(clock::put_right()));
                    } else if let Some(clock) = &mut self.clock {
                        clock.keep();
                    }
                    ask_at = pause.map(|pause| Instant::now() + pause);
                    if !begun {
                        begun = true;
                        ready(&self.status());
                    }
                    rest();
                }
                Event::Changed(changes) => {
                    due = due.or_else(|| Some(self.pace.due(Instant::now())));
                    // A new interface is known to the platform, too.
                    if changes.links && matches!(self.rhythm, Rhythm::Every(_)) && asking.is_none()
                    {
                        let soon = Instant::now() + AFTER_LINK;
                        ask_at = Some(ask_at.map_or(soon, |at| at.min(soon)));
                    }
                }
                Event::Published => publishing = None,
                Event::ClockSet(set) => {
                    setting = None;
                    if let Some(clock) = self.clock.as_mut().filter(|_| set) {
                        clock.done();
                    }
                }
                Event::Due => {
                    due = None;
                    self.put_right(true);
                }
                Event::Watchdog => {
                    pet_at = watchdog.map(|time| Instant::now() + time);
                    notify(&[NotifyState::Watchdog]);
                }
                Event::Signal(number) if number == Signal::SIGHUP as i32 => {
                    notify(&[NotifyState::Reloading]);
                    let settings = read_settings(&self.options.root);
                    if let Some((network, _)) = &mut self.network {
                        network.switch(settings.switches);
                    }
                    self.keys_on = settings.keys && self.options.part.has_keys();
                    self.put_right(false);
                    self.put_keys_right();
                    ready(&self.status());
                }
                Event::Signal(_) => {
                    notify(&[NotifyState::Stopping]);
                    return Ok(());
                }
            }
        }
    }

    fn ask(&self) -> Asking<'d> {
        let platform = self.options.platform;
        let cursor = self.cursor.clone();
        let machine = match &cursor {
            Some(_) => self.waiter,
            None => self.asker,
        };
        Box::pin(async move {
            let begun = Instant::now();
            machine.begin_anew();
            let answer = platform.network(machine, cursor.as_ref()).await;
            (answer, begun.elapsed())
        })
    }

    /// Takes an answer, and says how long it is until the next request; `None` where there is none.
    fn answered(
        &mut self,
        answer: Result<Option<Said>, HostError>,
        took: Duration,
    ) -> Option<Duration> {
        let name = self.options.platform.name();
        let said = match answer {
            Ok(Some(said)) => said,
            other => {
                let why = match other {
                    Err(error) => error.to_string(),
                    Ok(_) => "it says nothing of the network".into(),
                };
                self.is_news = false;
                self.figures.failures += 1;
                self.cursor = None;
                let pause = self.schedule.after_failure();
                if self.trouble.as_ref() != Some(&why) {
                    tracing::warn!(
                        "{name} could not be asked: {why}; nothing is changed, and it is asked again"
                    );
                    self.trouble = Some(why);
                }
                self.write_figures();
                return Some(pause);
            }
        };
        if self.trouble.take().is_some() {
            tracing::info!("{name} answers again");
        }
        self.figures.answers += 1;
        self.figures.last_answer = seconds();
        let same = self
            .known
            .as_ref()
            .is_some_and(|known| known.trust == Trust::Fresh && known.document == said.document);
        let pause = self
            .schedule
            .after_answer(self.rhythm, said.cursor.is_some(), same, took);
        self.cursor = said.cursor;
        self.is_news = !same;
        if !same {
            self.known = Some(Known {
                document: said.document,
                trust: Trust::Fresh,
            });
        }
        let clean = self.put_right(false);
        if !same || self.keys_at.is_none_or(|at| at <= Instant::now()) {
            self.put_keys_right();
        }
        if !same && clean && self.rhythm != Rhythm::Once {
            self.keep();
        }
        self.write_figures();
        pause
    }

    /// Whether the last answer says that the machine was moved since the one before.
    fn was_moved(&mut self) -> bool {
        let Some(clock) = self.clock.as_mut().filter(|_| self.is_news) else {
            return false;
        };
        let known = self.known.as_ref();
        clock.is_new(known.and_then(|known| self.options.platform.clock_token(&known.document)))
    }

    fn wants_host_keys(&self) -> bool {
        let fresh = self
            .known
            .iter()
            .filter(|known| known.trust == Trust::Fresh);
        fresh
            .into_iter()
            .any(|known| self.options.platform.wants_host_keys(&known.document))
    }

    /// Keeps what the platform said, for the next restart.
    fn keep(&self) {
        let document = self.known.as_ref().map(|known| known.document.as_str());
        let kept = document.and_then(|document| self.options.platform.kept(document));
        let Some(kept) = kept else { return };
        if let Err(error) = self.kept.save(self.options.platform, &kept) {
            tracing::warn!("the platform's answer could not be kept for the next start: {error}");
        }
    }

    /// Does what is to be done now; whether all of the platform's answer was understood.
    fn put_right(&mut self, because_of_event: bool) -> bool {
        let (Some(known), Some((network, _))) = (&self.known, &mut self.network) else {
            return false;
        };
        match network.put_right(known) {
            Ok(outcome) => {
                self.figures.count(&outcome);
                if because_of_event && outcome.done > 0 {
                    let was = self.pace.is_contested();
                    self.pace.answered(Instant::now());
                    if self.pace.is_contested() && !was {
                        tracing::warn!(
                            "another program takes away what the platform wants, again and again; it is put back less \
                             and less often"
                        );
                    }
                }
                outcome.left_out == 0
            }
            // The next event or answer is the next try.
            Err(error) => {
                tracing::warn!("{error}");
                false
            }
        }
    }

    /// Gives users the keys that the platform names, as far as it has said so since the daemon began.
    fn put_keys_right(&mut self) {
        let fresh = self
            .known
            .as_ref()
            .filter(|known| known.trust == Trust::Fresh);
        let Some(known) = fresh.filter(|_| self.keys_on) else {
            return;
        };
        let Some((desired, left_out)) = self.options.platform.keys(&known.document) else {
            return;
        };
        let now = seconds();
        let mut pause = KEYS;
        match self.keys.put_right(&desired, &left_out, now) {
            Ok(outcome) => {
                if let Some(end) = outcome.next_expiry {
                    pause = pause.min(Duration::from_secs(end.saturating_sub(now)));
                }
            }
            Err(why) => tracing::warn!("{why}"),
        }
        self.keys_at = Some(Instant::now() + pause);
    }

    fn write_figures(&self) {
        let Some(path) = &self.options.metrics else {
            return;
        };
        if let Err(error) = self.figures.write(self.options.platform.name(), path) {
            tracing::warn!("while writing the figures to {}: {error}", path.display());
        }
    }

    fn status(&self) -> String {
        let name = self.options.platform.name();
        match (&self.known, self.schedule.is_failing()) {
            (None, _) => format!("waiting for {name}, which has not answered yet"),
            (Some(_), true) => format!("by the last answer of {name}, which does not answer now"),
            (Some(_), false) if self.options.part == Part::Keys => {
                format!("SSH keys are as {name} wants them")
            }
            (Some(_), false) if self.options.part == Part::Clock => {
                format!("the time of day is looked at when {name} moves the machine")
            }
            (Some(_), false) => format!("the network is as {name} wants it"),
        }
    }
}

/// Waits for what is on its way; for ever where nothing is.
async fn finished<T>(work: &mut Option<Work<'_, T>>) -> T {
    match work {
        Some(work) => work.await,
        None => std::future::pending().await,
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}

async fn next_change(network: &mut Option<(Network, AsyncFd<Events>)>) -> Result<Changes, String> {
    let Some((_, events)) = network else {
        return std::future::pending().await;
    };
    let words = |error: &dyn std::fmt::Display| format!("while listening for changes: {error}");
    loop {
        let mut ready = events.readable_mut().await.map_err(|error| words(&error))?;
        let changes = ready
            .get_inner_mut()
            .take()
            .map_err(|error| words(&error))?;
        ready.clear_ready();
        if changes.any() {
            return Ok(changes);
        }
    }
}

async fn next_signal(signals: &mut AsyncFd<Signals>) -> Result<i32, String> {
    let words = |error: &dyn std::fmt::Display| format!("while waiting for signals: {error}");
    loop {
        let mut ready = signals
            .readable_mut()
            .await
            .map_err(|error| words(&error))?;
        let signal = ready.get_inner_mut().0.read_signal();
        match signal.map_err(|error| words(&error))? {
            Some(signal) => return Ok(signal.ssi_signo as i32),
            None => ready.clear_ready(),
        }
    }
}

/// Reads the settings, and tells what in them has no meaning.
fn read_settings(root: &Path) -> Settings {
    let (settings, unknown) = settings_of(root);
    for line in unknown {
        tracing::warn!("{line}");
    }
    settings
}

fn seconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// Half the time after which systemd takes the daemon for stuck, where it watches.
fn watchdog() -> Option<Duration> {
    let mut microseconds = 0;
    sd_notify::watchdog_enabled(false, &mut microseconds)
        .then(|| Duration::from_micros(microseconds / 2))
}

fn ready(status: &str) {
    notify(&[NotifyState::Ready, NotifyState::Status(status)]);
}

fn notify(states: &[NotifyState<'_>]) {
    // Whoever does not listen needs no words.
    let _ = sd_notify::notify(false, states);
}
