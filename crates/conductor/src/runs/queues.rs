//! Which operations begin now, where several wait for the same links.
//!
//! What of one run leaves one host is a queue. Those of all runs that this conductor drives are known
//! to each of its drivers, which leaves links to whoever comes first. Runs that another conductor
//! drives meet these where migrations are admitted, which is by the same order.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use godwit_core::ids::{HostName, OperationUuid, RunUuid, ServerUuid};
use godwit_core::run::priority::Waiting;
use godwit_core::time::Timestamp;
use godwit_planner::schedule;
use godwit_store::Guest;

use crate::context::Context;
use crate::links::HostLinks;

/// Of a run, and the host that it empties.
pub(super) type Queue = (RunUuid, HostName);

/// An operation that only lacks its part of links, if it lacks anything.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Candidate {
    pub(super) operation: OperationUuid,
    pub(super) server: ServerUuid,
    pub(super) waiting: Waiting<Queue>,
    pub(super) destination: HostName,
    /// What is known of its server; `None`: nothing, or it was not read yet.
    pub(super) guest: Option<Guest>,
}

impl Candidate {
    pub(super) fn source(&self) -> &HostName {
        &self.waiting.queue.1
    }
}

/// What the runs that this conductor drives wait for links with, those of each in its order.
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

/// Those of `own` that begin at `now`, in this order, `most` of them at most, where `others` wait as well, beside what
/// `links` know to move already.
pub(super) fn choose(
    own: &[Candidate],
    others: &[Candidate],
    links: &HostLinks,
    now: Timestamp,
    most: usize,
) -> Vec<OperationUuid> {
    let both = own.iter().map(|it| (true, it));
    let both = both.chain(others.iter().map(|it| (false, it)));
    let waiting = both.filter_map(|(is_own, it)| {
        Some(schedule::Candidate {
            id: (is_own, it.operation),
            waiting: it.waiting.clone(),
            since: it.waiting.since,
            stream: links.stream(it.source(), &it.destination, it.guest)?,
        })
    });
    let begins = schedule::choose(&mut links.schedule(), waiting.collect(), now, usize::MAX);
    let own = begins.into_iter().map(|it| it.id).filter(|id| id.0);
    own.map(|(_, operation)| operation).take(most).collect()
}
