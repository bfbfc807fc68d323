//! The maintenance of a host: who holds it, what keeps servers there, and what proves that it is empty.

use godwit_core::host::maintenance::{Holder, Maintenance, State};
use godwit_core::ids::{RunUuid, ServerUuid};
use godwit_core::plan::Estimate;
use godwit_core::plan::options::{Immovable, ReturnHome};
use godwit_core::run::Progress;
use godwit_core::time::Timestamp;
use godwit_store::{LeftReasons, MaintenanceProgress, MaintenanceRecord};
use serde::Serialize;

use super::message::MessageView;
use super::reason::ReasonView;
use crate::relocation::visibility::Visibility;

/// The fields, in their order.
pub const FIELDS: &[&str] = &[
    "state",
    "holders",
    "blockers",
    "safe_to_reboot",
    "evidence",
    "run",
    "percent",
    "eta_seconds",
    "messages",
];

#[derive(Debug, Serialize)]
pub struct MaintenanceView<'a> {
    state: State,
    holders: Vec<HolderView<'a>>,
    blockers: Vec<BlockerView>,
    safe_to_reboot: bool,
    evidence: EvidenceView,
    /// Absent while one is being cancelled before it is made.
    run: Option<RunUuid>,
    percent: Option<u8>,
    eta_seconds: Option<Estimate>,
    messages: Vec<MessageView<'a>>,
}

#[derive(Debug, Serialize)]
struct HolderView<'a> {
    holder: &'a str,
    reason: Option<&'a str>,
    by: &'a str,
    since: Timestamp,
    deadline: Option<Timestamp>,
    immovable: Immovable,
    return_home: ReturnHome,
}

/// A server that cannot leave, or was not started again.
#[derive(Debug, Serialize)]
struct BlockerView {
    server: ServerUuid,
    reasons: Vec<ReasonView>,
}

/// What the hypervisor said last.
#[derive(Debug, Serialize)]
struct EvidenceView {
    guests_seen: Option<usize>,
    seen_at: Option<Timestamp>,
    age_seconds: Option<u64>,
    placements_in_flight: u32,
}

impl<'a> HolderView<'a> {
    fn new(holder: &'a Holder) -> Self {
        Self {
            holder: &holder.holder,
            reason: holder.reason.as_deref(),
            by: &holder.by,
            since: holder.since,
            deadline: holder.deadline,
            immovable: holder.immovable,
            return_home: holder.return_home,
        }
    }
}

impl<'a> MaintenanceView<'a> {
    /// As it is `now`: what the hypervisor said is as old as whoever asks it, and nobody may do so any
    /// more.
    pub fn of(
        record: &'a MaintenanceRecord,
        progress: &'a MaintenanceProgress,
        sees: Visibility<'_>,
        now: Timestamp,
    ) -> Self {
        Self::new((&record.maintenance, &record.reasons), progress, sees, now)
    }

    pub fn new(
        (it, reasons): (&'a Maintenance, &LeftReasons),
        progress: &'a MaintenanceProgress,
        sees: Visibility<'_>,
        now: Timestamp,
    ) -> Self {
        let blocker = |server| {
            let reasons = reasons.get(&server).into_iter().flatten();
            BlockerView {
                server,
                reasons: reasons
                    .map(|it| ReasonView::written(it, None, sees))
                    .collect(),
            }
        };
        let last = it.evidence.inventories.last();
        Self {
            state: it.state,
            holders: it.holders.iter().map(HolderView::new).collect(),
            blockers: it.obstacles().map(blocker).collect(),
            safe_to_reboot: it.is_safe_at(now),
            evidence: EvidenceView {
                guests_seen: last.map(|last| last.executing.len()),
                seen_at: last.map(|last| last.began_at),
                age_seconds: last.map(|last| now.since(last.began_at).as_secs()),
                placements_in_flight: it.evidence.placements_in_flight,
            },
            run: it.run_at_work().map(|work| work.run),
            percent: progress.progress.map(Progress::percent),
            eta_seconds: progress.eta,
            messages: MessageView::all(&progress.messages, sees),
        }
    }
}
