//! Operations that may begin but for links, and what is taken of these.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use godwit_core::ids::{HostName, OperationUuid, ServerUuid};
use godwit_core::plan::options::Priority;
use godwit_core::run::order::startable;
use godwit_core::run::priority::Waiting;
use godwit_core::run::{Operation, OperationKind, OperationState};
use godwit_core::time::Timestamp;
use godwit_planner::order::weigh;
use godwit_planner::precopy::PREPARE_SECONDS;
use godwit_planner::schedule::CONSIDERED;
use godwit_store::{Guest, RunRecord, StoreError};

use super::queues::Candidate;
use crate::context::Context;
use crate::links::HostLinks;

/// What may begin but for links.
#[derive(Default)]
pub(super) struct Candidates {
    pub(super) all: BTreeSet<OperationUuid>,
    /// Of each queue those that are looked at, the longest first.
    pub(super) need_links: Vec<Candidate>,
    pub(super) need_none: Vec<OperationUuid>,
}

pub(super) fn candidates(record: &RunRecord, later: &BTreeSet<OperationUuid>) -> Candidates {
    let mut found = Candidates::default();
    let served = served(record);
    let moved = moved(record);
    startable(&record.run, |operation| {
        if later.contains(&operation.id) {
            return false;
        }
        found.all.insert(operation.id);
        match of_links(record, operation, &served) {
            Some(mut candidate) => {
                candidate.waiting.goes_on = moved.contains(&operation.server);
                found.need_links.push(candidate);
            }
            None => found.need_none.push(operation.id),
        }
        false
    });
    let weights = weights(record);
    let weight = |it: &Candidate| weights.get(&it.operation).copied().unwrap_or_default();
    // What goes on first; those of the same length stay in the order of the plan.
    found
        .need_links
        .sort_by_key(|it| Reverse((it.waiting.goes_on, weight(it))));
    let mut looked_at: BTreeMap<HostName, usize> = BTreeMap::new();
    found.need_links.retain(|it| {
        let of_queue = looked_at.entry(it.source().clone()).or_default();
        *of_queue += 1;
        *of_queue <= CONSIDERED
    });
    found
}

/// How long each operation is estimated to take, with what waits for it; in seconds.
fn weights(record: &RunRecord) -> HashMap<OperationUuid, u64> {
    let operations = &record.run.operations;
    let places = operations.iter().enumerate();
    let places: HashMap<OperationUuid, usize> = places.map(|(at, it)| (it.id, at)).collect();
    let after: Vec<Vec<usize>> = operations
        .iter()
        .map(|it| it.after.iter().filter_map(|id| places.get(id).copied()))
        .map(Iterator::collect)
        .collect();
    let after: Vec<&[usize]> = after.iter().map(Vec::as_slice).collect();
    let open = |it: &Operation| !it.state.is_terminal();
    let mut weights: Vec<u64> = operations
        .iter()
        .map(|it| if open(it) { it.weight.into() } else { 0 })
        .collect();
    weigh(&mut weights, &after, PREPARE_SECONDS as u64);
    let both = operations.iter().zip(weights);
    both.map(|(it, weight)| (it.id, weight)).collect()
}

/// Servers that the run has moved, if perhaps not to where they are to be.
fn moved(record: &RunRecord) -> BTreeSet<ServerUuid> {
    let operations = record.run.operations.iter();
    let moved = operations
        .filter(|it| it.state == OperationState::Completed && it.kind == OperationKind::Live);
    moved.map(|it| it.server).collect()
}

/// When the last operation of each queue began.
fn served(record: &RunRecord) -> BTreeMap<&str, Timestamp> {
    let mut served = BTreeMap::new();
    let both = record.run.operations.iter().zip(&record.operations);
    for (operation, beside) in both {
        if let Some(at) = beside.started_at {
            let last = served.entry(operation.source.as_str()).or_insert(at);
            *last = at.max(*last);
        }
    }
    served
}

/// Only live migrations take a part of links. A queue that has begun nothing came when its run began.
fn of_links(
    record: &RunRecord,
    operation: &Operation,
    served: &BTreeMap<&str, Timestamp>,
) -> Option<Candidate> {
    if operation.kind != OperationKind::Live {
        return None;
    }
    let source = HostName::new(operation.source.as_str()).ok()?;
    let destination = HostName::new(operation.destination.as_str()).ok()?;
    let came = record.run.started_at.unwrap_or(record.created_at);
    let since = served.get(operation.source.as_str()).copied();
    let since = since.unwrap_or(came);
    Some(Candidate {
        operation: operation.id,
        server: operation.server,
        waiting: Waiting {
            queue: (record.uuid, source),
            goes_on: false,
            priority: record.priority,
            since,
            // Its moment is a number as well, and every conductor knows it.
            served: u64::try_from(since.as_micros()).unwrap_or_default(),
        },
        destination,
        guest: None,
    })
}

/// Reads what is known of their servers.
pub(super) async fn read_guests(
    ctx: &Context,
    candidates: &mut [Candidate],
) -> Result<(), StoreError> {
    let servers: BTreeSet<ServerUuid> = candidates.iter().map(|it| it.server).collect();
    let guests = ctx.store.guests_of(servers.into_iter().collect()).await?;
    let guests: HashMap<ServerUuid, Guest> = guests.into_iter().collect();
    for candidate in candidates {
        candidate.guest = guests.get(&candidate.server).copied();
    }
    Ok(())
}

/// Does an operation of a run leave links to a move of that priority, or of nobody's run? Where one
/// comes before the other, it is admitted before it as well; but it has to be in the queue for that,
/// and not to wait for the other's end, when the next one of those takes its place at once.
fn leaves(own: Priority, to: Option<Priority>) -> bool {
    // The first one comes first.
    match to {
        Some(to) => to <= own,
        None => own > Priority::User,
    }
}

/// The links of those that wait, with what moves and is left them, and what runs have begun that is
/// to move next.
pub(super) async fn links(
    ctx: &Context,
    own: Priority,
    waiting: &[&[Candidate]],
) -> Result<HostLinks, StoreError> {
    // In this order, as one that is admitted meanwhile is then seen twice, and never missed.
    let mut begun = ctx.store.moves_begun_by_runs().await?;
    let mut links = HostLinks::load_some(ctx, |of| leaves(own, of)).await?;
    begun.retain(|it| leaves(own, Some(it.priority)) && !links.counts(it.uuid));
    let ends = begun.iter().flat_map(|it| [&it.source, &it.destination]);
    let all = waiting.iter().copied().flatten();
    let ends = ends.chain(all.flat_map(|it| [it.source(), &it.destination]));
    let ends = ends.cloned().collect();
    links.know(ctx, ends).await?;
    let servers = begun.iter().map(|it| it.server).collect();
    let guests = ctx.store.guests_of(servers).await?;
    let guests: HashMap<ServerUuid, Guest> = guests.into_iter().collect();
    for it in &begun {
        let guest = guests.get(&it.server).copied();
        if let Some(stream) = links.stream(&it.source, &it.destination, guest) {
            links.count(stream);
        }
    }
    Ok(links)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_for_the_end_of_what_comes_after_it() {
        use Priority::{Drain, Emergency, Rebalance, User};
        let left_to =
            |own| [Some(Emergency), Some(Drain), Some(User), None].map(|it| leaves(own, it));
        assert_eq!(left_to(Emergency), [true, false, false, false]);
        assert_eq!(left_to(Drain), [true, true, false, false]);
        assert_eq!(left_to(User), [true, true, true, false]);
        assert_eq!(left_to(Rebalance), [true; 4]);
    }
}
