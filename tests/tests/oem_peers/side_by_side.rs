//! What one program left in the kernel beside what the other did.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::SOON;

/// Who has a line that the other one has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Only {
    Peer,
    Ours,
}

/// A difference: when, whose, what, and why it is right.
pub type Named = (&'static [&'static str], Only, &'static str, &'static str);

/// What is there, one thing a line.
pub type State = BTreeSet<String>;

/// What ours has to have at a time, by what the peer had then and the differences that are named.
#[track_caller]
pub fn expected(when: &str, peer: &State, named: &[Named]) -> State {
    let mut ours = peer.clone();
    for (_, only, line, why) in named.iter().filter(|one| one.0.contains(&when)) {
        let there = peer.contains(*line);
        match only {
            Only::Peer => {
                assert!(
                    there,
                    "{when}: the peer has no {line:?} any more ({why}): {peer:#?}"
                );
                ours.remove(*line);
            }
            Only::Ours => {
                assert!(
                    !there,
                    "{when}: the peer has {line:?}, too ({why}): {peer:#?}"
                );
                ours.insert((*line).into());
            }
        }
    }
    ours
}

/// Waits until ours is as it has to be.
#[track_caller]
pub fn becomes(when: &str, look: impl Fn() -> State, expected: &State) {
    let begun = Instant::now();
    loop {
        let there = look();
        if there == *expected {
            return;
        }
        if begun.elapsed() > SOON {
            let more: Vec<_> = there.difference(expected).collect();
            let less: Vec<_> = expected.difference(&there).collect();
            panic!(
                "{when}: a difference that is not named: ours has {more:#?}, and has not {less:#?}"
            );
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// Every difference is of a time that there is.
#[track_caller]
pub fn all_of(times: &[&str], named: &[Named]) {
    for one in named {
        let of_one = one.0.iter().all(|time| times.contains(time));
        assert!(of_one && !one.0.is_empty(), "{one:?}");
    }
}

#[test]
fn a_difference_is_named_and_exists() {
    let peer: State = ["a", "b"].map(String::from).into();
    let named: [Named; 3] = [
        (&["t"], Only::Peer, "a", "it is too much"),
        (&["t", "later"], Only::Ours, "c", "it is missing"),
        (&["later"], Only::Peer, "z", ""),
    ];
    let ours: State = ["b", "c"].map(String::from).into();
    assert_eq!(expected("t", &peer, &named), ours);
    let gone: [Named; 2] = [
        (&["t"], Only::Peer, "z", "it was there once"),
        (&["t"], Only::Ours, "b", "it was missing once"),
    ];
    for gone in gone {
        let broken = std::panic::catch_unwind(|| expected("t", &peer, &[gone]));
        assert!(broken.is_err(), "{gone:?}");
    }
}
