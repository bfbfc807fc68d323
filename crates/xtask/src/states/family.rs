//! The three tables, and what their phases are called on the page.

use godwit_core::migration::{ColdRequest, EvacuationRequest, LiveRequest, Migration, Request};
use godwit_core::server::VmState;
use godwit_core::{cold, evacuation, live};

/// A table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Family {
    Live,
    Cold,
    Evacuation,
}

impl Family {
    /// In the order of the page.
    pub(super) const ALL: [Self; 3] = [Self::Live, Self::Cold, Self::Evacuation];

    /// Every phase, in the order of the page.
    pub(super) fn phases(self) -> Vec<&'static str> {
        match self {
            Self::Live => LIVE.into_iter().map(live_name).collect(),
            Self::Cold => cold::Phase::ALL.iter().copied().map(cold_name).collect(),
            Self::Evacuation => {
                let all = evacuation::Phase::ALL.iter().copied();
                all.map(evacuation_name).collect()
            }
        }
    }

    /// The phase of a migration; `None` when it has ended.
    pub(super) fn phase(self, migration: &Migration) -> Option<&'static str> {
        match self {
            Self::Live => live::Phase::of(migration).map(live_name),
            Self::Cold => cold::Phase::of(migration).map(cold_name),
            Self::Evacuation => evacuation::Phase::of(migration).map(evacuation_name),
        }
    }

    /// A phase, or the status in which it ended.
    pub(super) fn place(self, migration: &Migration) -> &'static str {
        self.phase(migration).unwrap_or(migration.status.as_str())
    }

    /// What asks for a migration of this table.
    pub(super) fn request(self) -> Request {
        match self {
            Self::Live => Request::Live(LiveRequest::anywhere()),
            Self::Cold => Request::Cold(ColdRequest {
                host: None,
                was: VmState::Active,
            }),
            Self::Evacuation => Request::Evacuation(EvacuationRequest {
                host: None,
                forced: false,
                was: VmState::Active,
                end_stopped: false,
            }),
        }
    }
}

const LIVE: [live::Phase; 7] = [
    live::Phase::Accepted,
    live::Phase::Queued,
    live::Phase::Preparing,
    live::Phase::Running,
    live::Phase::PostCopy,
    live::Phase::Finishing,
    live::Phase::Unwinding,
];

fn live_name(phase: live::Phase) -> &'static str {
    match phase {
        live::Phase::Accepted => "accepted",
        live::Phase::Queued => "queued",
        live::Phase::Preparing => "preparing",
        live::Phase::Running => "running",
        live::Phase::PostCopy => "running (post-copy)",
        live::Phase::Finishing => "finishing",
        live::Phase::Unwinding => "unwinding",
    }
}

fn cold_name(phase: cold::Phase) -> &'static str {
    match phase {
        cold::Phase::Choosing => "choosing",
        cold::Phase::Preparing => "preparing",
        cold::Phase::Stopping => "stopping",
        cold::Phase::Booting => "booting",
        cold::Phase::Finished => "finished",
        cold::Phase::Confirming => "confirming",
        cold::Phase::Reverting => "reverting",
        cold::Phase::Withdrawing => "withdrawing",
        cold::Phase::RollingBack => "rolling back",
    }
}

fn evacuation_name(phase: evacuation::Phase) -> &'static str {
    match phase {
        evacuation::Phase::Choosing => "choosing",
        evacuation::Phase::Waiting => "waiting",
        evacuation::Phase::Booting => "booting",
        evacuation::Phase::Done => "done",
        evacuation::Phase::Cleaning => "cleaning",
    }
}
