//! Whether anything is put somewhere, and who said so.

use godwit_core::host::maintenance::Holder;
use godwit_core::host::scope::{Because, Switch};
use godwit_core::ids::HostName;
use godwit_core::time::Timestamp;
use godwit_store::{HostLoad, Scope};
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
    /// A level, or `maintenance`.
    scope: &'static str,
    name: &'a str,
    reason: Option<&'a str>,
    by: Option<RequesterView<'a>>,
    since: Option<Timestamp>,
}

impl<'a> AllocationView<'a> {
    /// Of a zone, a pod or a cluster.
    pub fn of_scope(scope: &'a Scope, sees: Visibility<'_>) -> Self {
        let because = scope.because.iter().map(|it| BecauseView::new(it, sees));
        Self::new(&scope.switch, because.collect(), sees)
    }

    /// Of a host, which its maintenance disables as well.
    pub fn of_host(load: &'a HostLoad, sees: Visibility<'_>) -> Self {
        let because = load.because.iter().map(|it| BecauseView::new(it, sees));
        let name = &load.host.facts.name;
        let held = load
            .holders
            .iter()
            .map(|it| BecauseView::held(name, it, sees));
        Self::new(&load.switch, because.chain(held).collect(), sees)
    }

    fn new(switch: &'a Switch, because: Vec<BecauseView<'a>>, sees: Visibility<'_>) -> Self {
        Self {
            state: word(switch.disabled),
            effective: word(!because.is_empty()),
            because,
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
            scope: because.level.as_str(),
            name: &because.name,
            reason: switch.reason.as_deref(),
            by: by(switch, sees),
            since: switch.since,
        }
    }

    fn held(host: &'a HostName, holder: &'a Holder, sees: Visibility<'_>) -> Self {
        Self {
            scope: "maintenance",
            name: host.as_str(),
            reason: holder.reason.as_deref(),
            by: Some(RequesterView::of(Some(&holder.by), None, None, sees)),
            since: Some(holder.since),
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
