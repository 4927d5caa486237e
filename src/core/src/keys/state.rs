//! What the daemon remembers of keys from one run to the next: whom it has given keys, and whom it has made.
//!
//! Which keys are its own, the files themselves say; so a state that is lost costs the taking back of rights from
//! users that were made, and nothing else.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::google;

/// Longest text of a state that is read, in bytes.
pub const MAX_STATE: u64 = 1 << 20;
const VERSION: u32 = 1;

/// What is remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// Users whose file was written before: lines outside of ours are theirs.
    pub known: BTreeSet<String>,
    /// Users that were made for the platform, by this daemon or by Google's guest agent.
    pub made: BTreeSet<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    version: u32,
    #[serde(default)]
    known: BTreeSet<String>,
    #[serde(default)]
    made: BTreeSet<String>,
}

impl State {
    /// Reads a text that [`State::text`] has written.
    ///
    /// Errors: it is another text, or one of a later version.
    pub fn parse(text: &str) -> Result<Self, String> {
        let written: Written =
            serde_json::from_str(text).map_err(|error| format!("it is no state: {error}"))?;
        match written.version {
            VERSION => Ok(Self {
                known: written.known,
                made: written.made,
            }),
            other => Err(format!("it is of version {other}, which is not known")),
        }
    }

    /// The state as JSON of one line.
    pub fn text(&self) -> String {
        let written = Written {
            version: VERSION,
            known: self.known.clone(),
            made: self.made.clone(),
        };
        // Names and a number have a form in JSON.
        serde_json::to_string(&written).unwrap_or_default() + "\n"
    }

    /// Takes over the users that Google's guest agent has made: its list, a name a line.
    pub fn take_over(&mut self, google_users: &str) {
        self.made.extend(google::users(google_users));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_read_as_it_was_written() {
        let mut state = State::default();
        state.known.insert("core".into());
        state.take_over("bob\nann\n");
        assert_eq!(
            state.text(),
            "{\"version\":1,\"known\":[\"core\"],\"made\":[\"ann\",\"bob\"]}\n"
        );
        assert_eq!(State::parse(&state.text()), Ok(state));
        assert_eq!(State::parse("{\"version\":1}"), Ok(State::default()));
        let later = "it is of version 2, which is not known".to_string();
        assert_eq!(State::parse("{\"version\":2}"), Err(later));
        for broken in ["", "{}", "[]", "{\"version\":1,\"made\":[1]}"] {
            assert!(State::parse(broken).is_err(), "{broken}");
        }
    }
}
