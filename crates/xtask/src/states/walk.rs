//! Every state that can be reached, every event in it, and what came of it.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use godwit_core::event::Event;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::ids::HostName;
use godwit_core::live::Phase;
use godwit_core::migration::{
    BlockMigration, Intent, Limits, LiveRequest, Migration, Placement, Request, Settling,
    StorageMode, TimeoutAction,
};
use godwit_core::status::{MigrationKind, MigrationStatus};
use godwit_core::time::Timestamp;
use godwit_core::transition::{Transition, step};
use uuid::Uuid;

/// What an outcome may depend on besides phase and event.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Circumstances {
    pub(super) intent: Option<Intent>,
    pub(super) settling: Option<Settling>,
    pub(super) action: TimeoutAction,
    /// Is there a completion time-out at all?
    pub(super) timed: bool,
}

/// One step that applies.
pub(super) struct Step {
    pub(super) phase: Phase,
    pub(super) event: Event,
    pub(super) circumstances: Circumstances,
    pub(super) before: Migration,
    pub(super) transition: Transition,
}

/// The instant of every step, and of every deadline.
pub(super) fn now() -> Timestamp {
    Timestamp::from_micros(0).expect("zero is an instant")
}

/// The limits of the walk. Each lasts differently long, so that a deadline tells which it is.
pub(super) fn limit_name(within: Duration) -> &'static str {
    match within.as_secs() {
        1 => "accepted",
        2 => "queued",
        3 => "preparing",
        4 => "completion",
        5 => "grace",
        6 => "rollback",
        _ => "a day",
    }
}

fn limits(action: TimeoutAction, timed: bool) -> Limits {
    let seconds = Duration::from_secs;
    Limits {
        accepted: seconds(1),
        queued: seconds(2),
        preparing: seconds(3),
        completion: if timed { seconds(4) } else { Duration::ZERO },
        grace: seconds(5),
        rollback: seconds(6),
        timeout_action: action,
        ..Limits::default()
    }
}

fn host(name: &str) -> HostName {
    HostName::new(name).expect("a literal that is a host name")
}

/// A migration as it begins.
fn accepted(limits: Limits) -> Migration {
    Migration {
        uuid: Uuid::nil().into(),
        server: Uuid::nil().into(),
        kind: MigrationKind::LiveMigration,
        status: MigrationStatus::Accepted,
        intent: None,
        settling: None,
        request: Request::Live(LiveRequest {
            host: None,
            forced: false,
            block_migration: BlockMigration::Auto,
            disk_over_commit: None,
            synchronous: false,
        }),
        source_compute: host("source"),
        dest_compute: None,
        dest_node: None,
        storage: None,
        limits,
        deadline: Some(now()),
        failure: None,
        generation: 1,
        effect_sequence: 1,
    }
}

/// Every event; the reasons that some carry have a code that no table gives of itself.
fn events(limits: &Limits) -> Vec<Event> {
    let placement = Placement {
        host: host("destination"),
        node: "destination".to_owned(),
        storage: StorageMode::Shared,
        limits: limits.clone(),
    };
    vec![
        Event::AbortRequested,
        Event::ForceCompleteRequested,
        Event::Placed(placement),
        Event::NotPlaced(reported()),
        Event::Admitted,
        Event::CancelledUnstarted,
        Event::Prepared,
        Event::NotPrepared(reported()),
        Event::PostCopyStarted,
        Event::HandedOver,
        Event::MoveCancelled,
        Event::MoveFailed(reported()),
        Event::GuestLost(reported()),
        Event::Finished,
        Event::RolledBack,
        Event::DeadlinePassed,
    ]
}

/// The reason that reports carry here.
pub(super) fn reported() -> Failure {
    Failure::new(FailureCode::HypervisorError, "as reported")
}

/// Every step of the live-migration table, in the order in which it is found.
pub(super) fn live() -> Vec<Step> {
    let mut steps = Vec::new();
    for action in TimeoutAction::ALL {
        for timed in [true, false] {
            walk(*action, timed, &mut steps);
        }
    }
    steps
}

fn walk(action: TimeoutAction, timed: bool, steps: &mut Vec<Step>) {
    let limits = limits(action, timed);
    let mut seen = BTreeSet::new();
    let mut ahead = VecDeque::from([accepted(limits.clone())]);
    while let Some(mut before) = ahead.pop_front() {
        // Reasons and instants decide nothing; without them the walk ends.
        before.failure = None;
        before.deadline = Some(now());
        let Some(phase) = Phase::of(&before) else {
            continue;
        };
        if !seen.insert((before.status, before.intent, before.settling)) {
            continue;
        }
        for event in events(&limits) {
            let Ok(transition) = step(&before, &event, now()) else {
                continue;
            };
            ahead.push_back(transition.next.clone());
            let circumstances = Circumstances {
                intent: before.intent,
                settling: before.settling,
                action,
                timed,
            };
            steps.push(Step {
                phase,
                event,
                circumstances,
                before: before.clone(),
                transition,
            });
        }
    }
}
