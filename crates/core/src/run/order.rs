//! Which operations may begin now.
//!
//! All that may do, if there is a slot for them: an operation that has to wait holds up nobody who
//! need not wait for it.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{OperationUuid, ServerUuid};
use crate::plan::constraints::in_cycles;
use crate::plan::options::Constraint;
use crate::run::{Operation, OperationState, Rolling, Run, RunState};

/// The operations that may begin now, in the run's order. `admit` takes the slots that one needs, or
/// says that there are none; it is asked only for one that nothing else keeps.
pub fn startable(run: &Run, mut admit: impl FnMut(&Operation) -> bool) -> Vec<OperationUuid> {
    if !begins(run) {
        return Vec::new();
    }
    let mut known = Known::of(run);
    let mut startable = Vec::new();
    for operation in run.in_state(OperationState::Waiting) {
        if known.permit(run, operation) && admit(operation) {
            known.moving.insert(operation.server);
            startable.push(operation.id);
        }
    }
    startable
}

/// May this one begin now, if there is a slot?
pub fn may_start(run: &Run, operation: &Operation) -> bool {
    begins(run) && Known::of(run).permit(run, operation)
}

fn begins(run: &Run) -> bool {
    run.state == RunState::Running && !run.is_late
}

/// What is looked up for each operation.
struct Known<'a> {
    /// Operations that have not ended.
    open: BTreeSet<OperationUuid>,
    /// Their servers.
    unmoved: BTreeSet<ServerUuid>,
    /// Servers with which something is being done.
    moving: BTreeSet<ServerUuid>,
    /// Hosts of the run that servers are not to leave now.
    closed: BTreeSet<&'a str>,
    /// Hosts of the run that are not done.
    undone: BTreeSet<&'a str>,
}

impl<'a> Known<'a> {
    fn of(run: &'a Run) -> Self {
        let open = || run.operations.iter().filter(|it| !it.state.is_terminal());
        let running = run.in_state(OperationState::Running);
        let closed = run.rolling.iter().flat_map(Rolling::closed);
        let undone = run.rolling.iter().flat_map(Rolling::undone);
        Self {
            open: open().map(|it| it.id).collect(),
            unmoved: open().map(|it| it.server).collect(),
            moving: running.map(|it| it.server).collect(),
            closed: closed.collect(),
            undone: undone.collect(),
        }
    }

    fn permit(&self, run: &Run, operation: &Operation) -> bool {
        operation.state == OperationState::Waiting
            && !operation.replan
            && !self.moving.contains(&operation.server)
            && !operation.after.iter().any(|id| self.open.contains(id))
            && !self.closed.contains(operation.source.as_str())
            && !(operation.after_done.iter()).any(|it| self.undone.contains(it.as_str()))
            && run
                .constraints
                .iter()
                .all(|it| self.keeps(it, operation.server))
    }

    /// Would the constraint be kept to?
    fn keeps(&self, constraint: &Constraint, server: ServerUuid) -> bool {
        match constraint {
            Constraint::Before(first, second) => *second != server || !self.unmoved.contains(first),
            Constraint::NotTogether(servers) => self.keeps_limit(1, servers, server),
            Constraint::AtMost(limit, servers) => self.keeps_limit(*limit, servers, server),
        }
    }

    fn keeps_limit(&self, limit: u32, servers: &[ServerUuid], server: ServerUuid) -> bool {
        let moving = || servers.iter().filter(|it| self.moving.contains(it)).count();
        !servers.contains(&server) || usize::try_from(limit).is_ok_and(|limit| moving() < limit)
    }
}

/// Which operation has to end before which other one begins.
pub(super) fn edges(run: &Run) -> Vec<(OperationUuid, OperationUuid)> {
    let ids: BTreeSet<_> = run.operations.iter().map(|it| it.id).collect();
    let mut of_server: BTreeMap<ServerUuid, Vec<OperationUuid>> = BTreeMap::new();
    let mut edges = Vec::new();
    for operation in &run.operations {
        of_server
            .entry(operation.server)
            .or_default()
            .push(operation.id);
        let known = operation.after.iter().filter(|id| ids.contains(id));
        edges.extend(known.map(|id| (*id, operation.id)));
    }
    let of = |server| of_server.get(server).map_or(&[][..], Vec::as_slice);
    for constraint in &run.constraints {
        match constraint {
            Constraint::Before(first, second) => {
                let pairs = of(first)
                    .iter()
                    .flat_map(|one| of(second).iter().map(|two| (*one, *two)));
                edges.extend(pairs);
            }
            Constraint::NotTogether(_) | Constraint::AtMost(..) => {}
        }
    }
    edges
}

/// An operation that would never begin, as it waits for itself.
pub(super) fn first_in_circle(run: &Run) -> Option<OperationUuid> {
    in_cycles(edges(run).into_iter()).into_iter().next()
}

/// An operation that would never begin, as it waits for one of a host whose turn comes later.
pub(super) fn first_out_of_turn(run: &Run) -> Option<OperationUuid> {
    let rolling = run.rolling.as_ref()?;
    let places = run
        .operations
        .iter()
        .map(|it| (it.id, rolling.place_of(&it.source)));
    let places: BTreeMap<_, _> = places.collect();
    let place = |id| places.get(&id).copied().flatten();
    let mut edges = edges(run).into_iter();
    let behind = edges.find_map(|(first, second)| match (place(first), place(second)) {
        (Some(first), Some(later)) if first > later => Some(second),
        (Some(_) | None, Some(_) | None) => None,
    });
    behind.or_else(|| first_behind_its_own_host(run, rolling))
}

/// An operation that waits until a host is done whose turn is not before its own, or is none.
fn first_behind_its_own_host(run: &Run, rolling: &Rolling) -> Option<OperationUuid> {
    let waits = run.operations.iter().find(|it| {
        let done = it.after_done.as_ref();
        let own = rolling.place_of(&it.source);
        done.is_some_and(|host| match (rolling.place_of(host.as_str()), own) {
            (Some(done), Some(own)) => done >= own,
            (Some(_), None) => false,
            (None, Some(_) | None) => true,
        })
    });
    waits.map(|it| it.id)
}

#[cfg(test)]
mod tests;
