//! Waits for servers and names, by the fetch stage, each round in namespaces of its own.

use std::fs;
use std::thread;

use pilotlight_tests::faults::{Act, Names, Web, isolated, run, say};

use crate::{Ground, Round, Row, check, moment, stage};

const SERVER: &str = "192.0.2.1/32";
const NAMES: &str = "192.0.2.53/32";
const LISTEN: &str = "192.0.2.1:80";
const CONFIG: &str =
    r#"{"ignition":{"version":"3.4.0"},"storage":{"directories":[{"path":"/etc/there"}]}}"#;

/// Rounds of a row at the same time.
const AT_ONCE: usize = 3;

/// The rows of the host.
pub fn rows() -> Vec<Row> {
    let row = |name, begin| Row {
        name,
        disks: 0,
        at_once: AT_ONCE,
        begin,
    };
    vec![
        row("a server that listens late", |ground| {
            fetched(
                ground,
                &[SERVER],
                "http://192.0.2.1/node.ign",
                |_, round, fetch| {
                    fetch();
                    thread::sleep(moment(round, 800));
                    serve();
                },
            )
        }),
        row("a network that comes late", |ground| {
            fetched(
                ground,
                &[],
                "http://192.0.2.1/node.ign",
                |_, round, fetch| {
                    fetch();
                    thread::sleep(moment(round, 800));
                    run(&["ip", "address", "add", SERVER, "dev", "lo"]);
                    serve();
                },
            )
        }),
        row("a name server that fails at first", |ground| {
            let url = "http://config.example/node.ign";
            fetched(ground, &[SERVER, NAMES], url, |ground, round, fetch| {
                serve();
                let known = ["192.0.2.1"];
                let scratch = &ground.directory;
                let names = Names::start("192.0.2.53", "config.example", &known, scratch);
                fetch();
                thread::sleep(moment(round, 800));
                names.wake();
            })
        }),
        row("a server that is silent at first", silent),
    ]
}

fn serve() {
    Web::start(LISTEN, |_| say("200 OK", &[], CONFIG));
}

/// What happens in a round: the call begins the fetch.
type Meanwhile = fn(&Ground, usize, &mut dyn FnMut());

/// The config is fetched from a URL while `meanwhile` makes it something that can be fetched.
fn fetched(
    ground: Ground,
    addresses: &'static [&'static str],
    url: &'static str,
    meanwhile: Meanwhile,
) -> Round {
    Box::new(move |round| {
        let _ = fs::remove_dir_all(&ground.directory);
        let boot = &ground
            .boot("")
            .started_with(&format!("ignition.config.url={url}"));
        let said = isolated(addresses, || {
            // Threads of this one are in its namespaces.
            thread::scope(|scope| {
                let mut fetching = None;
                meanwhile(&ground, round, &mut || {
                    fetching = Some(scope.spawn(|| stage(boot, "fetch")));
                });
                fetching.unwrap().join().unwrap()
            })
        })?;
        let cached = ground.directory.join("run/ignition.json");
        let text = fs::read_to_string(cached).unwrap_or_default();
        check(text.contains("/etc/there"), || {
            format!("not this config: {text}; {said}")
        })
    })
}

/// Of the first connections nothing comes back.
fn silent(ground: Ground) -> Round {
    let config = r#"{"ignition":{"version":"3.4.0","timeouts":{"httpResponseHeaders":1}},"storage":{"files":[
        {"path":"/etc/f","contents":{"source":"http://192.0.2.1/f"}}]}}"#;
    Box::new(move |round| {
        let _ = fs::remove_dir_all(&ground.directory);
        let boot = ground.boot(config);
        isolated(&[SERVER], move || {
            let web = Web::start(LISTEN, move |asked| match asked.number {
                number if number <= round % 2 => Act::Hang,
                _ => say("200 OK", &[], "awake"),
            });
            let said = stage(&boot, "fetch")?;
            let asked = web.asked().len();
            check(asked > round % 2 + 1, || {
                format!("asked {asked} times; {said}")
            })
        })
    })
}
