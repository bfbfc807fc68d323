//! Whether the hosts of a cluster take part in moves, and who said so.

use godwit_core::host::management::{Management, Standing};
use godwit_core::time::Timestamp;
use serde::Serialize;

use super::requester::RequesterView;
use crate::relocation::visibility::Visibility;

#[derive(Debug, Serialize)]
pub struct ManagementView<'a> {
    managed: bool,
    state: Standing,
    reason: Option<&'a str>,
    by: Option<RequesterView<'a>>,
    since: Option<Timestamp>,
    reconciled_at: Option<Timestamp>,
}

impl<'a> ManagementView<'a> {
    pub fn new(management: &'a Management, sees: Visibility<'_>) -> Self {
        let by = management.by.as_ref();
        Self {
            managed: management.managed,
            state: management.standing(),
            reason: management.reason.as_deref(),
            by: by.map(|by| RequesterView::new(by, sees)),
            since: management.since,
            reconciled_at: management.reconciled_at,
        }
    }
}
