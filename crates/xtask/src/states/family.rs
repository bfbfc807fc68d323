//! The three tables, and their phases in the order of the page.

use godwit_core::migration::{ColdRequest, EvacuationRequest, LiveRequest, Request};
use godwit_core::plan::options::Affinity;
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
            Self::Live => live::Phase::ALL.iter().map(|it| it.name()).collect(),
            Self::Cold => cold::Phase::ALL.iter().map(|it| it.name()).collect(),
            Self::Evacuation => evacuation::Phase::ALL.iter().map(|it| it.name()).collect(),
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
                affinity: Affinity::Strict,
            }),
            Self::Evacuation => Request::Evacuation(EvacuationRequest {
                host: None,
                forced: false,
                was: VmState::Active,
                end_stopped: false,
                affinity: Affinity::Strict,
            }),
        }
    }
}
