//! Where log lines go: standard output, the journal, or the kernel log where there is no journal.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::sync::Mutex;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, Layered, SubscriberExt as _};
use tracing_subscriber::registry::Registry;

/// MESSAGE_ID of "a user config was found" (Ignition's catalogue).
pub const CONFIG_FOUND: &str = "57124006b5c94805b77ce473e92a8aeb";
/// MESSAGE_ID of "SSH keys were written" (Ignition's catalogue).
pub const SSH_KEYS_WRITTEN: &str = "225067b87bbd4a0cb6ab151f82fa364b";

/// Starts logging for the process; a second call changes nothing.
///
/// With `to_stdout` the caller wants lines on standard output (units do, whose output is the journal).
pub fn start(to_stdout: bool) {
    pilotlight_sys::uevents::tell_by(waiting);
    let set = |subscriber: Box<dyn FnOnce() -> bool>| subscriber();
    if to_stdout {
        let mut lines = Lines::to(Box::new(std::io::stdout()), "");
        // Lines of standard output have no fields: what has some goes to the journal itself.
        let journal = stdout_is_the_journal().then(journal).flatten();
        lines.levels = match &journal {
            Some(_) => Levels::OfJournal,
            None => Levels::Words,
        };
        set(Box::new(move || {
            let all = ours().with(lines).with(journal.map(Catalogued));
            tracing::subscriber::set_global_default(all).is_ok()
        }));
        return;
    }
    if let Some(journal) = journal() {
        set(Box::new(move || {
            tracing::subscriber::set_global_default(ours().with(journal)).is_ok()
        }));
        return;
    }
    if let Ok(kmsg) = OpenOptions::new().write(true).open("/dev/kmsg") {
        let lines = Lines::to(Box::new(kmsg), "ignition: ");
        set(Box::new(move || {
            tracing::subscriber::set_global_default(ours().with(lines)).is_ok()
        }));
    }
}

fn journal() -> Option<tracing_journald::Layer> {
    let journal = tracing_journald::layer().ok()?;
    let journal = journal.with_field_prefix(None);
    Some(journal.with_syslog_identifier("ignition".into()))
}

/// Whether what is written to standard output is read by the journal (systemd.exec(5), `$JOURNAL_STREAM`).
fn stdout_is_the_journal() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let stream = std::env::var("JOURNAL_STREAM").unwrap_or_default();
    std::fs::metadata("/proc/self/fd/1")
        .is_ok_and(|stdout| stream == format!("{}:{}", stdout.dev(), stdout.ino()))
}

/// Only the messages of Ignition's catalogue, which have fields.
struct Catalogued(tracing_journald::Layer);

fn is_catalogued(event: &Event<'_>) -> bool {
    event.metadata().fields().field("MESSAGE_ID").is_some()
}

impl<S: Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>> Layer<S> for Catalogued {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if is_catalogued(event) {
            self.0.on_event(event, context);
        }
    }
}

/// Starts logging for a program whose standard output is for others; a second call changes nothing.
pub fn start_on_stderr() {
    pilotlight_sys::uevents::tell_by(waiting);
    let lines = Lines::to(Box::new(std::io::stderr()), "");
    // Whoever was first has it.
    let _ = tracing::subscriber::set_global_default(ours().with(lines));
}

/// Only what this program itself has to say: its libraries trace every connection, by URLs that hold tokens.
struct Ours;

impl<S: Subscriber> Layer<S> for Ours {
    fn enabled(&self, event: &Metadata<'_>, _: Context<'_, S>) -> bool {
        *event.level() <= Level::INFO && event.target().starts_with("pilotlight")
    }
}

fn ours() -> Layered<Ours, Registry> {
    Registry::default().with(Ours)
}

/// A layer that writes one plain line per event.
struct Lines {
    out: Mutex<Box<dyn std::io::Write + Send>>,
    prefix: &'static str,
    levels: Levels,
}

/// How a line says what level it is of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Levels {
    /// By a word at its beginning.
    Words,
    /// By a number that the journal takes off (sd-daemon(3)), besides.
    OfJournal,
}

impl Lines {
    fn to(out: Box<dyn std::io::Write + Send>, prefix: &'static str) -> Self {
        Self {
            out: Mutex::new(out),
            prefix,
            levels: Levels::Words,
        }
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if self.levels == Levels::OfJournal && is_catalogued(event) {
            return;
        }
        let number = match (self.levels, *event.metadata().level()) {
            (Levels::Words, _) => "",
            (_, Level::ERROR) => "<3>",
            (_, Level::WARN) => "<4>",
            _ => "<6>",
        };
        let mut message = Message(String::new());
        event.record(&mut message);
        let level = match *event.metadata().level() {
            Level::ERROR => "error: ",
            Level::WARN => "warning: ",
            _ => "",
        };
        let Ok(mut out) = self.out.lock() else {
            return;
        };
        for line in message.0.lines() {
            // What findings are rendered to says it by itself where there is no place in front.
            let level = match line.starts_with(level) {
                true => "",
                false => level,
            };
            // A log that cannot be written is no reason to leave a machine half provisioned.
            let _ = writeln!(out, "{number}{}{level}{line}", self.prefix);
        }
    }
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            // Writing to a String cannot fail.
            let _ = write!(self.0, "{value:?}");
        }
    }
}

/// Says in the log and on the consoles what is waited for.
pub fn waiting(line: &str) {
    tracing::info!("{line}");
    console(&format!("pilotlight: {line}"));
}

/// Shows a text on every console of the kernel, if this is an initramfs: whoever watches a first boot
/// watches the consoles, and the kernel's `quiet` must not hide what happens.
pub fn console(text: &str) {
    if !std::path::Path::new("/etc/initrd-release").exists() {
        return;
    }
    let active = std::fs::read_to_string("/sys/class/tty/console/active").unwrap_or_default();
    for name in active.split_whitespace().filter(|name| !name.contains('/')) {
        if let Ok(mut tty) = File::options().write(true).open(format!("/dev/{name}")) {
            // A console that does not answer must not stop the boot.
            let _ = tty.write_all(format!("{}\r\n", text.replace('\n', "\r\n")).as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn said(levels: Levels, say: impl FnOnce()) -> String {
        let written = Written::default();
        let mut lines = Lines::to(Box::new(written.clone()), "");
        lines.levels = levels;
        tracing::subscriber::with_default(Registry::default().with(lines), say);
        let bytes = written.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_journal_learns_the_level_of_each_line() {
        let say = || {
            tracing::warn!("node.ign:1:2: warning: odd");
            tracing::info!("  1 | text\n  help: do this");
            tracing::error!("gone");
            tracing::info!(MESSAGE_ID = SSH_KEYS_WRITTEN, "wrote keys");
        };
        assert_eq!(
            said(Levels::OfJournal, say),
            "<4>warning: node.ign:1:2: warning: odd\n<6>  1 | text\n<6>  help: do this\n<3>error: gone\n"
        );
        assert_eq!(
            said(Levels::Words, say),
            "warning: node.ign:1:2: warning: odd\n  1 | text\n  help: do this\nerror: gone\nwrote keys\n"
        );
    }
}
