//! Which operations begin now, where several wait for the same slots.
//!
//! What of one run leaves one host is a queue. Those of all runs that this conductor drives are known
//! to each of its drivers, which leaves slots to whoever comes first. Runs that another conductor
//! drives meet these in the queue of migrations only, which is in the order of their beginning.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use godwit_core::ids::{HostName, OperationUuid, RunUuid};
use godwit_core::run::priority::{Waiting, compare};
use godwit_core::slots::{SlotLimits, SlotRole};
use godwit_core::time::Timestamp;
use godwit_planner::admission::SlotsTaken;

use crate::context::Context;

/// Of a run, and the host that it empties.
pub(super) type Queue = (RunUuid, HostName);

/// An operation that only lacks slots, if it lacks anything.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Candidate {
    pub(super) operation: OperationUuid,
    pub(super) waiting: Waiting<Queue>,
    pub(super) destination: HostName,
}

impl Candidate {
    fn source(&self) -> &HostName {
        &self.waiting.queue.1
    }
}

/// What the runs that this conductor drives wait for slots with, those of each in its order.
#[derive(Default)]
pub(crate) struct Queues {
    of_runs: Mutex<BTreeMap<RunUuid, Vec<Candidate>>>,
}

impl Queues {
    fn of_runs(&self) -> MutexGuard<'_, BTreeMap<RunUuid, Vec<Candidate>>> {
        self.of_runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on a run waits with these.
    pub(super) fn publish(&self, run: RunUuid, waiting: Vec<Candidate>) {
        self.of_runs().insert(run, waiting);
    }

    /// What all other runs wait with.
    pub(super) fn of_others(&self, run: RunUuid) -> Vec<Candidate> {
        let of_runs = self.of_runs();
        let others = of_runs.iter().filter(|(other, _)| **other != run);
        others.flat_map(|(_, waiting)| waiting).cloned().collect()
    }
}

/// A run that is driven. Dropped, nobody waits for it any longer.
pub(super) struct Place<'a> {
    ctx: &'a Arc<Context>,
    run: RunUuid,
}

impl<'a> Place<'a> {
    pub(super) fn of(ctx: &'a Arc<Context>, run: RunUuid) -> Self {
        Self { ctx, run }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.ctx.queues.of_runs().remove(&self.run);
    }
}

/// Those of `own` that begin at `now`, `most` of them at most, where `others` wait as well. `taken` is
/// what moves already.
pub(super) fn choose(
    own: &[Candidate],
    others: &[Candidate],
    (mut taken, limits): (SlotsTaken, SlotLimits),
    now: Timestamp,
    most: usize,
) -> BTreeSet<OperationUuid> {
    let mut waiting: Vec<(bool, Candidate)> = Vec::new();
    waiting.extend(own.iter().cloned().map(|it| (true, it)));
    waiting.extend(others.iter().cloned().map(|it| (false, it)));
    let mut number = u64::try_from(now.as_micros()).unwrap_or_default();
    let mut chosen = BTreeSet::new();
    while chosen.len() < most {
        let Some(first) = first(&waiting, &taken, limits, now) else {
            break;
        };
        let (is_own, candidate) = waiting.remove(first);
        taken.take(SlotRole::Source, candidate.source(), 1);
        taken.take(SlotRole::Destination, &candidate.destination, 1);
        number = number.saturating_add(1);
        let queue = &candidate.waiting.queue;
        for (_, behind) in waiting
            .iter_mut()
            .filter(|(_, it)| it.waiting.queue == *queue)
        {
            behind.waiting.served = number;
        }
        if is_own {
            chosen.insert(candidate.operation);
        }
    }
    chosen
}

/// The place of the one that begins next: of each queue the first for which there are slots counts.
fn first(
    waiting: &[(bool, Candidate)],
    taken: &SlotsTaken,
    limits: SlotLimits,
    now: Timestamp,
) -> Option<usize> {
    let mut known = BTreeSet::new();
    let mut best: Option<(usize, &Candidate)> = None;
    for (place, (_, candidate)) in waiting.iter().enumerate() {
        let free = taken.has_free(candidate.source(), &candidate.destination, limits);
        if !free || !known.insert(&candidate.waiting.queue) {
            continue;
        }
        let comes_first = |(_, other): (usize, &Candidate)| {
            compare(&candidate.waiting, &other.waiting, now) == Ordering::Less
        };
        if best.is_none_or(comes_first) {
            best = Some((place, candidate));
        }
    }
    best.map(|(place, _)| place)
}

#[cfg(test)]
mod tests {
    use godwit_core::plan::options::Priority;
    use godwit_test_support::fleet::{at, named};
    use uuid::Uuid;

    use super::*;

    const ONE_EACH: SlotLimits = SlotLimits {
        per_source: Some(1),
        per_destination: Some(1),
    };

    fn operation(number: u128) -> OperationUuid {
        OperationUuid(Uuid::from_u128(number))
    }

    fn candidate(number: u128, run: u128, ends: (&str, &str)) -> Candidate {
        Candidate {
            operation: operation(number),
            waiting: Waiting {
                queue: (RunUuid(Uuid::from_u128(run)), named(ends.0)),
                goes_on: false,
                priority: Priority::Drain,
                since: at(1),
                served: 0,
            },
            destination: named(ends.1),
        }
    }

    fn chosen(own: &[Candidate], others: &[Candidate], limits: SlotLimits) -> Vec<OperationUuid> {
        let taken = SlotsTaken::default();
        let chosen = choose(own, others, (taken, limits), at(2), 9);
        chosen.into_iter().collect()
    }

    #[test]
    fn whoever_has_slots_begins_though_others_of_the_queue_wait() {
        let own = [
            candidate(1, 1, ("a", "x")),
            candidate(2, 1, ("b", "x")),
            candidate(3, 1, ("b", "y")),
        ];
        assert_eq!(chosen(&own, &[], ONE_EACH), [operation(1), operation(3)]);
    }

    #[test]
    fn slots_are_left_to_whoever_comes_first() {
        let own = [candidate(1, 1, ("a", "x"))];
        let mut other = candidate(2, 2, ("b", "x"));
        other.waiting.priority = Priority::Emergency;
        assert_eq!(chosen(&own, &[other.clone()], ONE_EACH), []);
        other.waiting.priority = Priority::User;
        assert_eq!(chosen(&own, &[other.clone()], ONE_EACH), [operation(1)]);
        // It waits for another slot, so it is in nobody's way.
        other.waiting.priority = Priority::Emergency;
        other.destination = named("y");
        assert_eq!(chosen(&own, &[other], ONE_EACH), [operation(1)]);
    }

    #[test]
    fn of_equal_queues_the_one_is_next_that_was_served_the_longest_ago() {
        let (mut own, mut other) = (candidate(1, 1, ("a", "x")), candidate(2, 2, ("b", "x")));
        (own.waiting.served, other.waiting.served) = (7, 5);
        assert_eq!(chosen(&[own.clone()], &[other.clone()], ONE_EACH), []);
        (own.waiting.served, other.waiting.served) = (5, 7);
        assert_eq!(chosen(&[own], &[other], ONE_EACH), [operation(1)]);
    }

    #[test]
    fn a_long_queue_gets_one_of_two_slots() {
        let limits = SlotLimits {
            per_source: None,
            per_destination: Some(2),
        };
        let long: Vec<Candidate> = (1..=5).map(|it| candidate(it, 1, ("a", "x"))).collect();
        let own = [candidate(9, 2, ("b", "x"))];
        assert_eq!(chosen(&own, &long, limits), [operation(9)]);
        assert_eq!(chosen(&long, &own, limits), [operation(1)]);
    }
}
