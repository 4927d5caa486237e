//! The time of day of a machine that was moved. Its hardware's clock is a file: user-mode Linux has none.

use std::fs;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pilotlight_tests::faults::Running;
use pilotlight_tests::metadata_server::Server;
use pilotlight_tests::tool;
use pilotlight_tests::uml::Guest;

use crate::{Daemon, LINK};

const HOUR: u64 = 3600;

/// What the server says of the clock, and of something else.
fn says(token: &'static str, tags: &'static str) -> impl Fn(&str) -> Option<String> {
    move |_| {
        Some(format!(
            r#"{{"instance": {{"tags": ["{tags}"], "virtualClock": {{"driftToken": "{token}"}}}}}}"#
        ))
    }
}

impl Daemon {
    fn of(part: &[&str]) -> Self {
        Self(Running::start(Daemon::command("gcp").args(part)))
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs()
}

#[test]
fn a_machine_that_was_moved_has_its_hardwares_time() {
    Guest::new().boot(|| {
        crate::begin();
        tool("mount -t tmpfs none /sys/class");
        fs::create_dir_all("/sys/class/rtc/rtc0").unwrap();
        // An hour ahead, whatever becomes of the time of day.
        let (begun, then) = (Instant::now(), now() + HOUR);
        let tick = move || {
            let seconds = (begun.elapsed() + Duration::from_secs(then)).as_secs();
            fs::write("/sys/class/rtc/next", format!("{seconds}\n")).unwrap();
            fs::rename("/sys/class/rtc/next", "/sys/class/rtc/rtc0/since_epoch").unwrap();
            seconds
        };
        tick();
        thread::spawn(move || {
            loop {
                tick();
                thread::sleep(Duration::from_millis(10));
            }
        });
        let server = Server::start(&format!("{LINK}:80"), says("0", "a"));
        let mut daemon = Daemon::of(&["--only", "clock"]);
        // The first word is of no move, nor is one that changes something else.
        server.was_asked(2);
        server.change(says("0", "b"));
        server.was_asked(3);
        assert!(now() < then);
        server.change(says("-9", "b"));
        daemon.says(&[
            "the machine was moved: its time of day is set forward by 3",
            "to that of its hardware",
        ]);
        assert!(now() >= then, "{} is before {then}", now());
        // Moved again, and the clock was right.
        server.change(says("12", "b"));
        daemon.says(&["its time of day is that of its hardware"]);
        let said = daemon.stop();
        assert_eq!(said.matches("is set").count(), 1, "{said}");
        // Moved while nobody listened, and not moved.
        server.change(says("13", "b"));
        for moved in [true, false] {
            let mut daemon = Daemon::of(&["--only", "clock"]);
            let asked = server.count();
            server.was_asked(asked + 2);
            if moved {
                daemon.says(&["the machine was moved: its time of day is that of its hardware"]);
            }
            let said = daemon.stop();
            assert_eq!(said.contains("was moved"), moved, "{said}");
        }
    });
}
