//! How many moves a host takes part in at one time.

use crate::status::words;

words!(
    /// As what a host takes part in a migration.
    SlotRole, "slot role", {
        /// The guest comes from here.
        Source = "source",
        /// The guest goes here.
        Destination = "destination",
    }
);

/// Most moves at one time; `None`: no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SlotLimits {
    /// Away from one host.
    pub per_source: Option<u32>,
    /// Towards one host.
    pub per_destination: Option<u32>,
}

impl SlotLimits {
    /// Is a slot free on a host that has `taken` of them in `role`?
    pub fn allow(self, role: SlotRole, taken: u32) -> bool {
        let limit = match role {
            SlotRole::Source => self.per_source,
            SlotRole::Destination => self.per_destination,
        };
        limit.is_none_or(|limit| taken < limit)
    }
}
