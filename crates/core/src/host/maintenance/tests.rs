//! The table walked exhaustively, for one guest and two holders.
//!
//! Instants only matter by their order, and runs by which of them a maintenance knows; both are
//! numbered anew at each step, so the walk ends. [`fleet`] adds what the walk leaves out: a host that
//! really executes guests, and word of it that comes late, twice or not at all.

use std::collections::{HashSet, VecDeque};

use super::*;
use crate::fixtures::noon;

mod fleet;
mod progress;
mod promises;
mod stories;

fn guest() -> ServerUuid {
    uuid::Uuid::from_u128(1).into()
}

/// The run under way, the next one, and one that nothing knows yet; 20 is the one beside.
fn run(number: u128) -> RunUuid {
    uuid::Uuid::from_u128(100 + number).into()
}

fn at(seconds: u64) -> Timestamp {
    noon().plus(Duration::from_secs(seconds))
}

/// Later than everything that a maintenance of the walk has seen.
const LATE: u64 = 100;

fn holder(name: &str, immovable: Immovable) -> Holder {
    Holder {
        holder: name.to_owned(),
        reason: None,
        by: "anna".to_owned(),
        since: noon(),
        deadline: None,
        immovable,
        return_home: ReturnHome::Never,
    }
}

fn held(name: &str, immovable: Immovable) -> Event {
    Event::Held {
        holder: holder(name, immovable),
        guests: BTreeSet::from([guest()]),
        placements_in_flight: 0,
        run: None,
    }
}

fn released(name: &str, return_home: ReturnHome) -> Event {
    Event::Released {
        holder: name.to_owned(),
        return_home,
    }
}

fn seen(seconds: u64, executing: &[ServerUuid]) -> Event {
    Event::Seen(Inventory {
        began_at: at(seconds),
        executing: executing.iter().copied().collect(),
    })
}

fn lefts() -> Vec<BTreeMap<ServerUuid, Left>> {
    let each = Left::ALL
        .iter()
        .map(|why| BTreeMap::from([(guest(), *why)]));
    each.chain([BTreeMap::new()]).collect()
}

fn events() -> Vec<Event> {
    let mut events = vec![
        held("a", Immovable::Wait),
        held("a", Immovable::ShutdownRestart),
        held("b", Immovable::Skip),
        Event::Held {
            holder: holder("b", Immovable::Wait),
            guests: BTreeSet::new(),
            placements_in_flight: 1,
            run: Some(run(4)),
        },
        released("a", ReturnHome::Never),
        released("a", ReturnHome::Now),
        released("b", ReturnHome::Never),
        seen(LATE, &[]),
        seen(LATE, &[guest()]),
        seen(0, &[]),
        Event::PlacementsChanged(0),
        Event::PlacementsChanged(1),
        Event::AgentDied,
        Event::RetryDue,
        Event::NoLongerShutDown(guest()),
    ];
    for by_maintenance in [false, true] {
        events.push(Event::ServerLeft {
            server: guest(),
            by_maintenance,
        });
    }
    for left in lefts() {
        let planned = left.clone();
        for cancelled_by in [None, Some("anna".to_owned())] {
            events.push(Event::RunEnded {
                run: run(1),
                left: left.clone(),
                cancelled_by,
            });
        }
        events.push(Event::RunEnded {
            run: run(20),
            left,
            cancelled_by: None,
        });
        events.push(Event::Planned {
            run: run(1),
            left: planned,
        });
    }
    // Of one that never began nothing is known.
    events.push(Event::RunEnded {
        run: run(2),
        left: BTreeMap::new(),
        cancelled_by: None,
    });
    events
}

/// The same maintenance with instants and runs numbered anew, and without what nothing will look at
/// before it is said anew.
fn numbered(maintenance: &Maintenance) -> Maintenance {
    let mut next = maintenance.clone();
    let counts_after = next.evidence.counts_after;
    let inventories = &mut next.evidence.inventories;
    inventories.retain(|it| it.began_at > counts_after);
    let last = inventories.last().map(|it| it.began_at);
    for (place, inventory) in inventories.iter_mut().enumerate() {
        inventory.began_at = at(3 + place as u64);
    }
    next.evidence.counts_after = at(2);
    let ended = next.run_ended_at.filter(|_| next.work.is_none());
    next.run_ended_at = ended.map(|ended| match last.is_none_or(|last| ended < last) {
        true => at(1),
        false => at(LATE - 1),
    });
    next.retry_at = next.retry_at.map(|_| noon());
    next.retries = next.retries.min(1);
    match next.state {
        State::Leaving => next.evidence = Evidence::none(at(2)),
        State::None | State::Entering | State::Empty | State::InMaintenance => {
            next.return_home = ReturnHome::Never;
        }
    }
    if let Some(work) = &mut next.work {
        work.run = run(1);
        work.made = false;
    }
    if let Some(work) = &mut next.next {
        work.run = run(2);
    }
    // What is true of one beside is true of several.
    next.beside.truncate(1);
    for work in &mut next.beside {
        work.run = run(20);
        work.cancelling = false;
    }
    next.holders
        .sort_by(|one, other| one.holder.cmp(&other.holder));
    next.generation = 1;
    next
}

/// Calls `assert` with every step that can be taken. Runs beside others are walked apart from what is
/// seen, with which they have nothing to do.
fn walk(mut assert: impl FnMut(&Maintenance, &Event, &Result<Transition, Rejected>)) {
    let all = events();
    let known = walk_of(&all, |it| it.beside.clear(), &mut assert);
    assert!(known > 1_000, "{known} maintenances are few");
    let unseen = |event: &&Event| match event {
        Event::Held { .. }
        | Event::Released { .. }
        | Event::Planned { .. }
        | Event::RunEnded { .. }
        | Event::NoLongerShutDown(_)
        | Event::RetryDue => true,
        Event::Seen(_)
        | Event::PlacementsChanged(_)
        | Event::AgentDied
        | Event::ServerLeft { .. } => false,
    };
    let unseen: Vec<Event> = all.iter().filter(unseen).cloned().collect();
    let known = walk_of(&unseen, |_| {}, &mut assert);
    assert!(known > 100, "{known} maintenances are few");
}

fn walk_of(
    events: &[Event],
    without: impl Fn(&mut Maintenance),
    assert: &mut impl FnMut(&Maintenance, &Event, &Result<Transition, Rejected>),
) -> usize {
    let mut known = HashSet::new();
    let mut ahead = VecDeque::from([numbered(&Maintenance::none(noon()))]);
    while let Some(before) = ahead.pop_front() {
        for event in events {
            let outcome = step(&before, event, run(3), at(LATE + 1));
            assert(&before, event, &outcome);
            if let Ok(transition) = &outcome {
                let mut next = numbered(&transition.next);
                without(&mut next);
                if known.insert(next.clone()) {
                    ahead.push_back(next);
                    assert!(known.len() < 20_000, "the walk does not end");
                }
            }
        }
    }
    known.len()
}

/// Calls `assert` with every transition there is.
fn for_each_transition(mut assert: impl FnMut(&Maintenance, &Event, &Transition)) {
    walk(|before, event, outcome| {
        if let Ok(transition) = outcome {
            assert(before, event, transition);
        }
    });
}
