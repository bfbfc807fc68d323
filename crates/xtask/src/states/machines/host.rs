//! The walk over the maintenance of a host, and over the management of a cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use godwit_core::host::maintenance::{
    Effect, Event, Holder, Inventory, Left, Maintenance, State, step,
};
use godwit_core::host::management::{Management, Standing};
use godwit_core::ids::{RunUuid, ServerUuid};
use godwit_core::plan::options::{Immovable, ReturnHome};
use godwit_core::requester::Requester;
use godwit_core::time::Timestamp;
use uuid::Uuid;

use super::super::walk::now;
use super::{Machine, Step, walk};

pub(super) fn machines() -> [Machine; 2] {
    [maintenance(), management()]
}

fn management() -> Machine {
    let mut steps = BTreeSet::new();
    let first = Said::of(&Management::default());
    walk([first], Said::clone, |before| {
        let is = before.management();
        let standing = is.standing();
        let unmanaged = is.said((false, Some(WHY.to_owned())), Requester::default(), at(1));
        let managed = is.said((true, None), Requester::default(), at(1));
        let reconciled = (standing == Standing::Reconciling).then(|| Management {
            reconciled_at: Some(at(2)),
            ..is.clone()
        });
        let said = [("unmanaged", unmanaged), ("managed", managed)];
        let events = said
            .into_iter()
            .chain(reconciled.map(|it| ("reconciled", it)));
        let mut next = Vec::new();
        for (event, after) in events {
            steps.insert(Step {
                from: standing.as_str(),
                event,
                to: after.standing().as_str(),
                effects: Vec::new(),
            });
            next.push(Said::of(&after));
        }
        next
    });
    Machine {
        title: "Management of a cluster",
        about: "Nothing moves in or out unless it is managed.",
        states: Standing::ALL.iter().map(|it| it.as_str()).collect(),
        ends: Vec::new(),
        steps,
    }
}

const WHY: &str = "an upgrade";

/// A cluster's management without what decides nothing.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Said {
    managed: bool,
    ever: bool,
    reconciled: bool,
}

impl Said {
    fn of(it: &Management) -> Self {
        Self {
            managed: it.managed,
            ever: it.since.is_some(),
            reconciled: it.reconciled_at.is_some(),
        }
    }

    fn management(&self) -> Management {
        Management {
            managed: self.managed,
            reason: (!self.managed).then(|| WHY.to_owned()),
            by: None,
            since: self.ever.then(|| at(0)),
            reconciled_at: self.reconciled.then(|| at(0)),
        }
    }
}

fn maintenance() -> Machine {
    let mut steps = BTreeSet::new();
    walk([Maintenance::none(at(0))], plain, |before| {
        let mut next = Vec::new();
        for event in events() {
            if let Ok(transition) = step(before, &event, run(3), at(LATE + 1)) {
                steps.insert(Step {
                    from: before.state.as_str(),
                    event: event.name(),
                    to: transition.next.state.as_str(),
                    effects: transition
                        .effects
                        .iter()
                        .map(|it| Effect::name(*it))
                        .collect(),
                });
                next.push(transition.next);
            }
        }
        next
    });
    Machine {
        title: "Maintenance of a host",
        about: "Held by one or more holders from `entering` to `in_maintenance`. What is seen, left \
                or on its way decides between these three after every event.",
        states: State::ALL.iter().map(|it| it.as_str()).collect(),
        ends: Vec::new(),
        steps,
    }
}

/// Later than everything that a maintenance of the walk has seen.
const LATE: u64 = 100;

fn at(seconds: u64) -> Timestamp {
    now().plus(Duration::from_secs(seconds))
}

/// The run under way, the next one, and one that nothing knows yet.
fn run(number: u128) -> RunUuid {
    Uuid::from_u128(number).into()
}

fn guest() -> ServerUuid {
    Uuid::from_u128(9).into()
}

fn events() -> Vec<Event> {
    let held = |holder: &str, immovable| Event::Held {
        holder: Holder {
            holder: holder.to_owned(),
            reason: None,
            by: "somebody".to_owned(),
            since: now(),
            deadline: None,
            immovable,
            return_home: ReturnHome::Never,
        },
        guests: BTreeSet::from([guest()]),
        placements_in_flight: 0,
        run: None,
    };
    let mut events = vec![
        held("a", Immovable::Wait),
        held("a", Immovable::Skip),
        held("b", Immovable::Skip),
        Event::PlacementsChanged(0),
        Event::PlacementsChanged(1),
        Event::AgentDied,
        Event::RetryDue,
        Event::NoLongerShutDown(guest()),
        Event::ServerLeft {
            server: guest(),
            by_maintenance: false,
        },
    ];
    for return_home in [ReturnHome::Never, ReturnHome::Now] {
        for holder in ["a", "b"] {
            let holder = holder.to_owned();
            events.push(Event::Released {
                holder,
                return_home,
            });
        }
    }
    for executing in [BTreeSet::new(), BTreeSet::from([guest()])] {
        let began_at = at(LATE);
        events.push(Event::Seen(Inventory {
            began_at,
            executing,
        }));
    }
    let left = Left::ALL
        .iter()
        .map(|why| BTreeMap::from([(guest(), *why)]));
    for left in left.chain([BTreeMap::new()]) {
        let planned = left.clone();
        events.push(Event::Planned {
            run: run(1),
            left: planned,
        });
        events.push(Event::RunEnded {
            run: run(1),
            left,
            cancelled_by: None,
        });
    }
    events
}

/// With instants and runs numbered anew, and without what nothing will look at before it is said
/// anew.
fn plain(maintenance: &Maintenance) -> Maintenance {
    let mut next = maintenance.clone();
    let counts_after = next.evidence.counts_after;
    let inventories = &mut next.evidence.inventories;
    inventories.retain(|it| it.began_at > counts_after);
    let last = inventories.last().map(|it| it.began_at);
    for (begun, inventory) in (3..).zip(inventories.iter_mut()) {
        inventory.began_at = at(begun);
    }
    next.evidence.counts_after = at(2);
    let ended = next.run_ended_at.filter(|_| next.work.is_none());
    let before_last = |ended| last.is_none_or(|last| ended < last);
    next.run_ended_at = ended.map(|ended| at(if before_last(ended) { 1 } else { LATE - 1 }));
    next.retry_at = next.retry_at.map(|_| now());
    next.retries = next.retries.min(1);
    next.beside.clear();
    if let Some(work) = &mut next.work {
        work.run = run(1);
    }
    if let Some(work) = &mut next.next {
        work.run = run(2);
    }
    next.holders
        .sort_by(|one, other| one.holder.cmp(&other.holder));
    next.generation = 1;
    next
}
