//! What is not as it should be, told once for as long as it stands.

use std::collections::BTreeSet;

/// What was told and still stands.
#[derive(Debug, Default)]
pub struct Standing(BTreeSet<String>);

impl Standing {
    /// Tells what of this has not been told, and forgets what is not among it any more.
    pub fn tell(&mut self, now: Vec<String>) {
        let now: BTreeSet<String> = now.into_iter().collect();
        for line in now.difference(&self.0) {
            tracing::warn!("{line}");
        }
        self.0 = now;
    }
}
