//! Azure: what waagent 2.7, which Debian 12 has, tells the platform of a machine that is up, and what ours does. Theirs is
//! called as its provisioning calls it; what the wireserver gets is compared.

use std::process::Command;

use pilotlight_tests::faults::{Asked, Web, isolated};
use pilotlight_tests::{program, services};

use crate::machine::peer;
use crate::side_by_side::{Named, Only, State, all_of, expected};

const READY: &str = "the machine is up";

const SLASH: &str =
    "the path of Afterburn and of the goal state; the platform's documents have both";
const NAME: &str = "each says who it is";

const NAMED: &[Named] = &[
    (&[READY], Only::Peer, "POST /machine?comp=health", SLASH),
    (&[READY], Only::Ours, "POST /machine/?comp=health", SLASH),
    (&[READY], Only::Peer, "x-ms-agent-name: WALinuxAgent", NAME),
    (&[READY], Only::Ours, "x-ms-agent-name: pilotlight", NAME),
];

const PYTHON: &str = "from azurelinuxagent.common.protocol.goal_state import GoalState
from azurelinuxagent.common.protocol.wire import WireClient
client = WireClient('168.63.129.16')
client._goal_state = GoalState(client)
client.report_health('Ready', None, None)
";

/// What the wireserver was told: the request, headers of its protocol, and the elements of the body.
fn told(tell: impl FnOnce() -> Command + Send) -> State {
    let wire = services::WIRESERVER;
    isolated(&[&format!("{wire}/32")], || {
        // Theirs posts to a path with one slash less.
        let web = Web::start(&format!("{wire}:80"), |asked| {
            let path = asked.path.replace("/machine?", "/machine/?");
            services::wireserver(&Asked {
                path,
                ..asked.clone()
            })
        });
        let output = tell().output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let all = web.asked();
        let mut posts = all.iter().filter(|asked| asked.method == "POST");
        let post = posts.next().unwrap();
        assert!(posts.next().is_none(), "it is told once");
        let mut state = State::from([format!("POST {}", post.path)]);
        for name in ["content-type", "x-ms-version", "x-ms-agent-name"] {
            let value = post.header(name);
            // A blank behind a semicolon says nothing.
            let value = value.map(|value| value.replace("; ", ";"));
            state.extend(value.map(|value| format!("{name}: {value}")));
        }
        state.extend(elements(&String::from_utf8_lossy(&post.body)));
        state
    })
}

/// Elements that have a text, each with those that it is in.
fn elements(xml: &str) -> Vec<String> {
    let mut open: Vec<&str> = Vec::new();
    let mut found = Vec::new();
    for part in xml.split('<').skip(1) {
        let (tag, text) = part.split_once('>').unwrap();
        if tag.starts_with('/') {
            open.pop();
        } else if !tag.starts_with('?') {
            open.push(tag.split(' ').next().unwrap());
            if !text.trim().is_empty() {
                found.push(format!("{} is {:?}", open.join("/"), text.trim()));
            }
        }
    }
    assert_eq!(open, [""; 0], "{xml}");
    found
}

#[test]
#[ignore = "needs waagent: make peers"]
fn a_machine_that_is_up() {
    all_of(&[READY], NAMED);
    let theirs = told(|| {
        let modules = peer("waagent").join("usr/lib/python3/dist-packages");
        let mut python = Command::new("/usr/bin/python3");
        python.args(["-c", PYTHON]).env("PYTHONPATH", modules);
        python
    });
    println!("{theirs:#?}");
    let ours = told(|| {
        let mut command = Command::new(program());
        command.args(["oem", "once", "--provider=azure", "--check-in"]);
        command
    });
    assert_eq!(ours, expected(READY, &theirs, NAMED));
}
