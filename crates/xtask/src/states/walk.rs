//! Every state that can be reached, every event in it, and what came of it.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use godwit_core::begin::{Asked, begin};
use godwit_core::event::Event;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::ids::HostName;
use godwit_core::migration::{
    Intent, Limits, Migration, Placement, Settling, StorageMode, TimeoutAction,
};
use godwit_core::server::{PowerState, ServerState, VmState};
use godwit_core::time::Timestamp;
use godwit_core::transition::{Transition, step};
use uuid::Uuid;

use super::family::Family;

/// What an outcome may depend on besides phase and event.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Circumstances {
    pub(super) intent: Option<Intent>,
    pub(super) settling: Option<Settling>,
    pub(super) action: TimeoutAction,
    /// Is there a completion time-out at all?
    pub(super) timed: bool,
    /// Does time confirm a cold move?
    pub(super) confirmed: bool,
}

/// One step that applies.
pub(super) struct Step {
    pub(super) phase: &'static str,
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
        7 => "stopping",
        8 => "booting",
        9 => "confirm",
        _ => "a day",
    }
}

fn limits(action: TimeoutAction, timed: bool, confirmed: bool) -> Limits {
    let seconds = Duration::from_secs;
    Limits {
        accepted: seconds(1),
        queued: seconds(2),
        preparing: seconds(3),
        completion: if timed { seconds(4) } else { Duration::ZERO },
        grace: seconds(5),
        rollback: seconds(6),
        timeout_action: action,
        stopping: seconds(7),
        booting: seconds(8),
        confirm: if confirmed {
            seconds(9)
        } else {
            Duration::ZERO
        },
    }
}

pub(super) fn host(name: &str) -> HostName {
    HostName::new(name).expect("a literal that is a host name")
}

/// A migration as it begins.
fn begun(family: Family, limits: Limits) -> Migration {
    let asked = Asked {
        uuid: Uuid::nil().into(),
        server: Uuid::nil().into(),
        request: family.request(),
        limits,
        at: now(),
    };
    let server = ServerState {
        host: Some(host("source")),
        node: None,
        vm_state: VmState::Active,
        task_state: None,
        power_state: PowerState::Running,
    };
    let beginning = begin(&asked, &server, None).expect("the server is free");
    beginning.migration
}

/// Every event; the reasons that some carry have a code that no table gives of itself.
fn events(family: Family, limits: &Limits) -> Vec<Event> {
    let placement = Placement {
        host: host("destination"),
        node: "destination".to_owned(),
        storage: StorageMode::Shared,
    };
    let mut events = vec![
        Event::AbortRequested,
        Event::ForceCompleteRequested,
        Event::Placed(placement, limits.clone()),
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
        Event::Finished { clean: true },
        Event::Finished { clean: false },
        Event::RolledBack { clean: true },
        Event::RolledBack { clean: false },
        Event::FoundAtDestination,
        Event::SourceStopped,
        Event::Booted,
        Event::NotBooted(reported()),
        Event::ConfirmRequested,
        Event::RevertRequested,
        Event::Withdrawn,
        Event::SourceReturned,
        Event::SourceSilent(reported(), Duration::from_secs(1)),
        Event::SourceDied(reported()),
        Event::DestinationDied(reported()),
        Event::DeadlinePassed,
    ];
    match family {
        Family::Evacuation => events.push(Event::NotBooted(alive())),
        Family::Live | Family::Cold => {}
    }
    events
}

/// The reason that reports carry here.
pub(super) fn reported() -> Failure {
    Failure::new(FailureCode::HypervisorError, "as reported")
}

/// What says that an evacuation's source is not dead; the one reason that a table looks at.
fn alive() -> Failure {
    Failure::new(FailureCode::StillInUse, "as reported")
}

/// Every step of a table, in the order in which it is found.
pub(super) fn steps(family: Family) -> Vec<Step> {
    let mut steps = Vec::new();
    match family {
        Family::Live => {
            for action in TimeoutAction::ALL {
                for timed in [true, false] {
                    walk(family, (*action, timed, false), &mut steps);
                }
            }
        }
        Family::Cold => {
            for confirmed in [true, false] {
                walk(family, (TimeoutAction::Abort, true, confirmed), &mut steps);
            }
        }
        Family::Evacuation => walk(family, (TimeoutAction::Abort, true, false), &mut steps),
    }
    steps
}

fn walk(
    family: Family,
    (action, timed, confirmed): (TimeoutAction, bool, bool),
    steps: &mut Vec<Step>,
) {
    let limits = limits(action, timed, confirmed);
    let mut seen = BTreeSet::new();
    let mut ahead = VecDeque::from([begun(family, limits.clone())]);
    while let Some(mut before) = ahead.pop_front() {
        // Reasons and instants decide nothing; without them the walk ends.
        before.failure = None;
        before.deadline = Some(now());
        if before.status().is_terminal() || !seen.insert((before.phase, before.intent)) {
            continue;
        }
        let phase = before.phase.name();
        for event in events(family, &limits) {
            let Ok(transition) = step(&before, &event, now()) else {
                continue;
            };
            ahead.push_back(transition.next.clone());
            let circumstances = Circumstances {
                intent: before.intent,
                settling: before.phase.settling(),
                action,
                timed,
                confirmed,
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
