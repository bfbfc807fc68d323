//! Whether anything is put somewhere, and who said so.

use godwit_core::host::scope::{Because, Level, Switch};
use godwit_core::time::Timestamp;
use serde::Serialize;

use super::requester::RequesterView;
use crate::relocation::visibility::Visibility;

#[derive(Debug, Serialize)]
pub struct AllocationView<'a> {
    /// What was said of itself.
    state: &'static str,
    /// What comes of that and of all that it is in.
    effective: &'static str,
    because: Vec<BecauseView<'a>>,
    reason: Option<&'a str>,
    by: Option<RequesterView<'a>>,
    since: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
struct BecauseView<'a> {
    scope: Level,
    name: &'a str,
    reason: Option<&'a str>,
    by: Option<RequesterView<'a>>,
    since: Option<Timestamp>,
}

impl<'a> AllocationView<'a> {
    pub fn new(switch: &'a Switch, because: &'a [Because], sees: Visibility<'_>) -> Self {
        Self {
            state: word(switch.disabled),
            effective: word(!because.is_empty()),
            because: because
                .iter()
                .map(|it| BecauseView::new(it, sees))
                .collect(),
            reason: switch.reason.as_deref(),
            by: by(switch, sees),
            since: switch.since,
        }
    }
}

impl<'a> BecauseView<'a> {
    fn new(because: &'a Because, sees: Visibility<'_>) -> Self {
        let switch = &because.switch;
        Self {
            scope: because.level,
            name: &because.name,
            reason: switch.reason.as_deref(),
            by: by(switch, sees),
            since: switch.since,
        }
    }
}

fn by<'a>(switch: &'a Switch, sees: Visibility<'_>) -> Option<RequesterView<'a>> {
    switch.by.as_ref().map(|by| RequesterView::new(by, sees))
}

const fn word(disabled: bool) -> &'static str {
    match disabled {
        true => "disabled",
        false => "enabled",
    }
}
