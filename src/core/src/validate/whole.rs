//! Checks of a config as a whole: what one entry does to another, and what none of them does. They
//! say nothing of a config that others will be merged with.

use super::check::Check;
use crate::model::Config;
use crate::spec::v3;

impl Check<'_> {
    pub(super) fn whole(&mut self, wire: &v3::Config, config: &Config) {
        self.complete_units(&wire.systemd.units, config);
        self.logins(wire, config);
        self.hidden_entries(config);
        self.lost_entries(config);
    }
}
