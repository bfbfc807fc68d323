//! What the walks over the tables are made of.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use crate::event::Event;
use crate::failure::{Failure, FailureCode};
use crate::ids::HostName;
use crate::migration::{
    ColdRequest, EvacuationRequest, Limits, LiveRequest, Migration, Placement, Request, StorageMode,
};
use crate::phase::Phase;
use crate::plan::options::Affinity;
use crate::server::VmState;
use crate::status::MigrationKind;
use crate::time::Timestamp;
use crate::transition::{Rejected, Transition, step};

/// The instant of every step, and of every deadline.
pub(crate) fn noon() -> Timestamp {
    Timestamp::from_micros(1_000_000_000_000_000).unwrap()
}

pub(crate) fn host(name: &str) -> HostName {
    HostName::new(name).unwrap()
}

/// A migration of `source` as it begins; its deadline is now.
pub(crate) fn begun(kind: MigrationKind, request: Request, limits: &Limits) -> Migration {
    Migration {
        uuid: uuid::Uuid::from_u128(1).into(),
        server: uuid::Uuid::from_u128(2).into(),
        kind,
        phase: Phase::first(kind),
        intent: None,
        request,
        source_compute: host("source"),
        placement: None,
        limits: limits.clone(),
        deadline: Some(noon()),
        failure: None,
        generation: 1,
        effect_sequence: 1,
    }
}

/// One migration of each kind, of a server that was in this state.
pub(crate) fn each_kind(was: VmState) -> [(MigrationKind, Request); 3] {
    [
        (
            MigrationKind::LiveMigration,
            Request::Live(LiveRequest::anywhere()),
        ),
        (
            MigrationKind::Migration,
            Request::Cold(ColdRequest {
                host: None,
                was,
                affinity: Affinity::Strict,
            }),
        ),
        (
            MigrationKind::Evacuation,
            Request::Evacuation(EvacuationRequest {
                host: None,
                forced: false,
                was,
                end_stopped: false,
                affinity: Affinity::Strict,
            }),
        ),
    ]
}

pub(crate) fn placement(storage: StorageMode) -> Placement {
    Placement {
        host: host("destination"),
        node: "destination.node".to_owned(),
        storage,
    }
}

/// Every event; those that carry something carry one thing each, told apart by its code.
pub(crate) fn events(storage: StorageMode, limits: &Limits) -> Vec<Event> {
    let failure = |code| Failure::new(code, "It did not work.");
    vec![
        Event::AbortRequested,
        Event::ForceCompleteRequested,
        Event::Placed(placement(storage), limits.clone()),
        Event::NotPlaced(failure(FailureCode::NoValidHost)),
        Event::Admitted,
        Event::CancelledUnstarted,
        Event::Prepared,
        Event::NotPrepared(failure(FailureCode::PrepareFailed)),
        Event::PostCopyStarted,
        Event::HandedOver,
        Event::MoveCancelled,
        Event::MoveFailed(failure(FailureCode::HypervisorError)),
        Event::GuestLost(failure(FailureCode::GuestLost)),
        Event::Finished { clean: true },
        Event::Finished { clean: false },
        Event::RolledBack { clean: true },
        Event::RolledBack { clean: false },
        Event::FoundAtDestination,
        Event::SourceStopped,
        Event::Booted,
        Event::NotBooted(failure(FailureCode::BootFailed)),
        Event::ConfirmRequested,
        Event::RevertRequested,
        Event::Withdrawn,
        Event::SourceReturned,
        Event::SourceSilent(
            failure(FailureCode::SourceNotFenced),
            Duration::from_secs(60),
        ),
        Event::SourceDied(failure(FailureCode::SourceDead)),
        Event::DestinationDied(failure(FailureCode::DestinationDead)),
        Event::Superseded(failure(FailureCode::Superseded)),
        Event::DeadlinePassed,
    ]
}

/// One row of a walk: what `event` did to `before`.
pub(crate) struct Step {
    pub(crate) before: Migration,
    pub(crate) event: Event,
    pub(crate) outcome: Result<Transition, Rejected>,
}

/// Every step that these events can make of `first`, terminal migrations included; `key` is what
/// tells two migrations apart.
pub(crate) fn walk<K: Ord>(
    first: Migration,
    key: impl Fn(&Migration) -> K,
    events: &[Event],
) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut seen = BTreeSet::new();
    let mut ahead = VecDeque::from([first]);
    while let Some(mut before) = ahead.pop_front() {
        if !seen.insert(key(&before)) {
            continue;
        }
        before.deadline = before.deadline.map(|_| noon());
        for event in events {
            let outcome = step(&before, event, noon());
            if let Ok(transition) = &outcome {
                ahead.push_back(transition.next.clone());
            }
            steps.push(Step {
                before: before.clone(),
                event: event.clone(),
                outcome,
            });
        }
    }
    steps
}

#[test]
fn every_event_is_among_them() {
    let among: BTreeSet<_> = events(StorageMode::Shared, &Limits::default())
        .iter()
        .map(Event::name)
        .collect();
    assert_eq!(among, Event::NAMES.iter().copied().collect());
}
