//! Whether anything is put somewhere, and who said so.

use godwit_core::host::scope::{Because, Level, Switch};
use godwit_core::requester::Requester;
use godwit_core::time::Timestamp;
use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct AllocationView<'a> {
    /// What was said of itself.
    state: &'static str,
    /// What comes of that and of all that it is in.
    effective: &'static str,
    because: Vec<BecauseView<'a>>,
    reason: Option<&'a str>,
    by: Option<&'a Requester>,
    since: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
struct BecauseView<'a> {
    scope: Level,
    name: &'a str,
    reason: Option<&'a str>,
    by: Option<&'a Requester>,
    since: Option<Timestamp>,
}

impl<'a> AllocationView<'a> {
    pub fn new(switch: &'a Switch, because: &'a [Because]) -> Self {
        Self {
            state: word(switch.disabled),
            effective: word(!because.is_empty()),
            because: because.iter().map(BecauseView::new).collect(),
            reason: switch.reason.as_deref(),
            by: switch.by.as_ref(),
            since: switch.since,
        }
    }
}

impl<'a> BecauseView<'a> {
    fn new(because: &'a Because) -> Self {
        let switch = &because.switch;
        Self {
            scope: because.level,
            name: &because.name,
            reason: switch.reason.as_deref(),
            by: switch.by.as_ref(),
            since: switch.since,
        }
    }
}

const fn word(disabled: bool) -> &'static str {
    match disabled {
        true => "disabled",
        false => "enabled",
    }
}
