//! The three tables, and what their phases are called on the page.

use godwit_core::migration::{ColdRequest, EvacuationRequest, LiveRequest, Request};
use godwit_core::phase::Phase;
use godwit_core::server::VmState;
use godwit_core::{cold, evacuation, live};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Family {
    Live,
    Cold,
    Evacuation,
}

impl Family {
    /// In the order of the page.
    pub(super) const ALL: [Self; 3] = [Self::Live, Self::Cold, Self::Evacuation];

    /// What every phase is called, in the order of the page.
    pub(super) fn phases(self) -> Vec<&'static str> {
        let mut names: Vec<_> = match self {
            Self::Live => live::Phase::ALL.iter().copied().map(live_name).collect(),
            Self::Cold => cold::Phase::ALL.iter().copied().map(cold_name).collect(),
            Self::Evacuation => {
                let all = evacuation::Phase::ALL.iter().copied();
                all.map(evacuation_name).collect()
            }
        };
        names.dedup();
        names
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

/// What a phase is called, or the status in which it ended.
pub(super) fn place(phase: Phase) -> &'static str {
    match phase {
        Phase::Live(phase) => live_name(phase),
        Phase::Cold(phase) => cold_name(phase),
        Phase::Evacuation(phase) => evacuation_name(phase),
        Phase::Ended(status) => status.as_str(),
    }
}

fn live_name(phase: live::Phase) -> &'static str {
    match phase {
        live::Phase::Accepted => "accepted",
        live::Phase::Queued => "queued",
        live::Phase::Preparing => "preparing",
        live::Phase::Running => "running",
        live::Phase::PostCopy => "running (post-copy)",
        live::Phase::Finishing { .. } => "finishing",
        live::Phase::Unwinding { .. } => "unwinding",
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
        cold::Phase::RollingBack(_) => "rolling back",
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
