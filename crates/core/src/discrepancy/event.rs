//! What is told of a discrepancy.

use crate::status::words;

words!(
    /// What happened to a discrepancy: each once, in this order.
    DiscrepancyEvent, "event of a discrepancy", {
        /// Somebody came upon it.
        Opened = "opened",
        /// It is resolved.
        Closed = "closed",
    }
);

impl DiscrepancyEvent {
    /// What it means to who reads it.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Opened => "The records and a hypervisor disagree; the detail says about what.",
            Self::Closed => "It is resolved; the detail says how.",
        }
    }
}
