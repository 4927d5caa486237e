//! The users' SSH keys, as the platform wants them: looked at, compared, put right.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use pilotlight_core::keys::{Desired, Layout, LeftOut, State, difference};
use pilotlight_sys::keys::{self, Target, UPDATE_SSH_KEYS};
use pilotlight_sys::root::Sysroot;

use crate::standing::Standing;

/// What became of a round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Operations that were performed.
    pub done: usize,
    /// Operations that failed.
    pub failed: usize,
    /// Users whose keys cannot be as they are wanted.
    pub unmet: usize,
    /// When the next key ends, in seconds since 1970.
    pub next_expiry: Option<u64>,
}

/// Puts keys right, and tells what it does.
pub struct Keys {
    root: PathBuf,
    state: PathBuf,
    /// Where keys are kept; found out where nobody says so.
    layout: Option<Layout>,
    told: Standing,
}

impl Keys {
    /// Those below a root, with a directory of root's own for what has to be remembered.
    pub fn of(root: &Path, state: &Path) -> Self {
        Self {
            root: root.into(),
            state: state.into(),
            layout: None,
            told: Standing::default(),
        }
    }

    /// The same where it is said where keys are kept.
    #[must_use]
    pub fn laid_out(self, layout: Layout) -> Self {
        Self {
            layout: Some(layout),
            ..self
        }
    }

    /// Looks, and does what is to be done at this second since 1970. The line of each operation is logged as it is
    /// performed. One user's error does not keep the others' keys from being put right.
    ///
    /// # Errors
    ///
    /// The accounts or sshd's configuration cannot be looked at. The error is for a person.
    pub fn put_right(
        &mut self,
        desired: &Desired,
        left_out: &[LeftOut],
        now: u64,
    ) -> Result<Outcome, String> {
        let mut standing: Vec<String> = left_out.iter().map(ToString::to_string).collect();
        let remembered = match keys::read_state(&self.state) {
            Ok(state) => state,
            Err(error) => {
                standing.push(format!(
                    "what was remembered of SSH keys is not used: {error}"
                ));
                None
            }
        };
        let layout = match self.layout {
            Some(layout) => layout,
            None => {
                let (layout, doubt) = self.find_layout()?;
                standing.extend(doubt);
                layout
            }
        };
        let observed = keys::observe(&self.root, desired, layout, remembered.as_ref())
            .map_err(|error| format!("while looking at the users: {error}"))?;
        let found = difference(desired, &observed, now);
        standing.extend(found.unmet.iter().map(ToString::to_string));
        if let Some(whom) = desired.left_to() {
            standing.push(format!("SSH keys are left to {whom}"));
        }
        let mut outcome = Outcome {
            unmet: found.unmet.len(),
            next_expiry: found.next_expiry,
            ..Outcome::default()
        };
        let mut target = Target {
            root: &self.root,
            state_directory: &self.state,
            state: observed.state,
            update_ssh_keys: UPDATE_SSH_KEYS,
        };
        let mut troubled = BTreeSet::new();
        for op in &found.ops {
            // What follows for a user builds on what came before.
            let user = op.user().map(|user| user.as_str().to_string());
            if user.as_ref().is_some_and(|user| troubled.contains(user)) {
                continue;
            }
            match keys::apply(op, &mut target) {
                Ok(()) => {
                    outcome.done += 1;
                    tracing::info!("{op}");
                }
                Err(error) => {
                    outcome.failed += 1;
                    standing.push(error.to_string());
                    troubled.extend(user);
                }
            }
        }
        // From now on what is the daemon's is known by this file, even where it is nothing.
        if remembered.is_none() && desired.left_to().is_none() {
            self.remember(&target.state, &mut standing);
        }
        self.told.tell(standing);
        Ok(outcome)
    }

    fn find_layout(&self) -> Result<(Layout, Option<String>), String> {
        let facts = Sysroot::open(&self.root).and_then(|root| keys::layout_facts(&root));
        let facts =
            facts.map_err(|error| format!("while looking at sshd's configuration: {error}"))?;
        Ok(Layout::detect(&facts))
    }

    fn remember(&self, state: &State, standing: &mut Vec<String>) {
        if let Err(error) = keys::write_state(&self.state, state) {
            standing.push(format!(
                "whose SSH keys are the platform's could not be kept: {error}"
            ));
        }
    }
}
