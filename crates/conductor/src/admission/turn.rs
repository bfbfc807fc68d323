//! Whose turn it is: what users asked for, from each host a queue, beside what runs have begun.

use std::collections::HashMap;

use godwit_core::ids::{HostName, RunUuid, ServerUuid};
use godwit_core::plan::options::Priority;
use godwit_core::run::priority::Waiting;
use godwit_core::slots::LinkShare;
use godwit_core::time::Timestamp;
use godwit_planner::schedule::{Candidate, choose};
use godwit_store::{BegunByRun, Guest, Queued, StoreError};

use crate::context::Context;
use crate::links::HostLinks;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Queue {
    /// Of a run, away from a host.
    Run(RunUuid, HostName),
    /// Of nobody's run, away from a host.
    Users(HostName),
}

/// One that waits for its slots.
pub(super) struct Waits {
    queued: Queued,
    run: Option<(RunUuid, Priority)>,
}

impl Waits {
    pub(super) fn of_user(queued: Queued) -> Self {
        Self { queued, run: None }
    }

    pub(super) fn of_run(begun: BegunByRun) -> Self {
        Self {
            queued: Queued {
                uuid: begun.uuid,
                server: begun.server,
                source: begun.source,
                destination: begun.destination,
                created_at: begun.created_at,
                id: begun.id,
            },
            run: Some((begun.run, begun.priority)),
        }
    }

    /// `moved_at`: when the queue of users of its host was served last.
    fn waiting(&self, moved_at: Option<Timestamp>) -> Waiting<Queue> {
        let Queued {
            source, created_at, ..
        } = &self.queued;
        // A queue that goes on does not grow old, however long it is.
        let (queue, priority, since) = match self.run {
            Some((run, priority)) => (Queue::Run(run, source.clone()), priority, *created_at),
            None => {
                let since = moved_at.map_or(*created_at, |at| at.max(*created_at));
                (Queue::Users(source.clone()), Priority::User, since)
            }
        };
        Waiting {
            queue,
            goes_on: false,
            priority,
            since,
            served: u64::try_from(since.as_micros()).unwrap_or_default(),
        }
    }
}

/// Those that begin, with what they take of links; `links` then counts them.
pub(super) async fn turn(
    ctx: &Context,
    links: &mut HostLinks,
    waiting: &[Waits],
) -> Result<Vec<(Queued, Option<LinkShare>)>, StoreError> {
    if waiting.is_empty() {
        return Ok(Vec::new());
    }
    let ends = waiting.iter().map(|it| &it.queued);
    let ends = ends.flat_map(|it| [&it.source, &it.destination]);
    let ends = ends.cloned().collect();
    links.know(ctx, ends).await?;
    let servers = waiting.iter().map(|it| it.queued.server).collect();
    let guests = ctx.store.guests_of(servers).await?;
    let guests: HashMap<ServerUuid, Guest> = guests.into_iter().collect();
    let candidates = waiting.iter().enumerate().filter_map(|(id, it)| {
        let Queued {
            server,
            source,
            destination,
            created_at,
            ..
        } = &it.queued;
        Some(Candidate {
            id,
            waiting: it.waiting(links.moved_at(source)),
            since: *created_at,
            stream: links.stream(source, destination, guests.get(server).copied())?,
        })
    });
    let candidates: Vec<_> = candidates.collect();
    let streams: HashMap<usize, _> = candidates.iter().map(|it| (it.id, it.stream)).collect();
    let begins = choose(&mut links.schedule(), candidates, ctx.now(), usize::MAX);
    let mut admitted = Vec::new();
    for begins in begins {
        let (Some(it), Some(stream)) = (waiting.get(begins.id), streams.get(&begins.id)) else {
            continue;
        };
        links.count(*stream);
        admitted.push((it.queued.clone(), links.share(begins.rate)));
    }
    Ok(admitted)
}
