//! What ended moves have left on hosts where the guest does not belong.
//!
//! Whoever ends a move without one of its hosts, or takes over from it, leaves an open
//! discrepancy behind. Here it is acted on as soon as the host is heard, by whichever conductor
//! looks first: what two of them send is the same command, and agents join those. What may be
//! done, [`godwit_core::recovery::remedy`] says.

use std::collections::HashMap;
use std::time::Duration;

use futures::StreamExt;
use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::recovery::{Leftover, Remedy, Sighting, Witness, remedy};
use godwit_rpc::command::{Command, Rank, RollBack, Withdraw};
use godwit_store::{Discrepancy, MigrationRecord};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::context::Context;
use crate::effects::Retry;
use crate::testimony::{answers_now, witness};
use crate::ticks::Ticks;
use crate::translate;

/// How often one looks for something to clean.
const LOOK_EVERY: Duration = Duration::from_secs(1);

const AT_ONCE: usize = 8;

/// How long a host is left alone after it could not be cleaned.
const PAUSE: Duration = Duration::from_secs(10);

pub(crate) async fn run(ctx: &Context, stop: &CancellationToken) {
    let mut ticks = Ticks::every(LOOK_EVERY);
    let mut paused = HashMap::new();
    while ticks.next(stop).await {
        tokio::select! {
            () = stop.cancelled() => return,
            done = pass(ctx, &mut paused) => if let Err(Retry { reason }) = done {
                warn!(reason, "leftovers could not be looked at");
            }
        }
    }
}

async fn pass(ctx: &Context, paused: &mut HashMap<HostName, Instant>) -> Result<(), Retry> {
    let mut by_host: HashMap<HostName, Vec<Discrepancy>> = HashMap::new();
    for leftover in ctx.store.leftovers(None).await? {
        if let Some(host) = leftover.subject.host.clone() {
            by_host.entry(host).or_default().push(leftover);
        }
    }
    paused.retain(|host, until| by_host.contains_key(host) && *until > Instant::now());
    by_host.retain(|host, _| !paused.contains_key(host));
    let cleaned: Vec<(HostName, bool)> = futures::stream::iter(by_host)
        .map(|(host, leftovers)| async move {
            // One without power would be waited for at each of them.
            if !answers_now(ctx, &host).await.unwrap_or(false) {
                return (host, false);
            }
            let mut clean = true;
            for leftover in &leftovers {
                clean &= try_clean(ctx, leftover).await;
            }
            (host, clean)
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let unclean = cleaned.into_iter().filter(|(_, clean)| !clean);
    paused.extend(unclean.map(|(host, _)| (host, Instant::now() + PAUSE)));
    Ok(())
}

/// Cleans what moves have left of one server, wherever that works, before it moves again.
pub(crate) async fn clean_server(ctx: &Context, server: ServerUuid) -> Result<(), Retry> {
    for leftover in ctx.store.leftovers(Some(server)).await? {
        try_clean(ctx, &leftover).await;
    }
    Ok(())
}

/// Is it clean now?
async fn try_clean(ctx: &Context, leftover: &Discrepancy) -> bool {
    let host = leftover.subject.host.as_ref().map(tracing::field::display);
    match clean(ctx, leftover).await {
        Ok(Some(why)) => {
            info!(server = ?leftover.subject.server, host, why, "a leftover was cleaned");
            let (subjects, at) = (vec![leftover.subject.clone()], ctx.now());
            let closed = ctx.store.discrepancies_close(subjects, why.to_owned(), at);
            closed.await.is_ok()
        }
        Ok(None) => false,
        Err(Retry { reason }) => {
            debug!(server = ?leftover.subject.server, host, reason, "a leftover remains");
            false
        }
    }
}

/// Why it is clean; `None` if it has to stay for now.
async fn clean(ctx: &Context, leftover: &Discrepancy) -> Result<Option<&'static str>, Retry> {
    let subject = &leftover.subject;
    let (Some(uuid), Some(host)) = (subject.migration, &subject.host) else {
        return Ok(None);
    };
    let Some(record) = ctx.store.migration_find(uuid).await? else {
        return Ok(Some("its migration is gone"));
    };
    let Some(server) = ctx.store.server_find(record.migration.server).await? else {
        return Ok(None);
    };
    let Some(home) = &server.host else {
        return Ok(None);
    };
    if home == host {
        return Ok(Some("the server is recorded there again"));
    }
    if concerns_another(ctx, &record, host).await? {
        return Ok(None);
    }
    let Witness::Says(here) = witness(ctx, host, server.uuid).await? else {
        return Ok(None);
    };
    if here == Sighting::Unreachable {
        return Ok(None);
    }
    let Some(end) = subject.kind.leftover_at() else {
        return Ok(None);
    };
    let Some(command) = command(&record) else {
        return Ok(Some("nothing had been begun there"));
    };
    let remedy = remedy(Leftover {
        kind: record.migration.kind,
        storage: command.what.storage,
        end,
        here,
        home: witness(ctx, home, server.uuid).await?,
    });
    // A move may have begun while the hosts were asked.
    if concerns_another(ctx, &record, host).await? {
        return Ok(None);
    }
    perform(ctx, &record, host, command, remedy).await
}

/// Does an unfinished migration of the server use `host`? Then it is that one's to clean.
async fn concerns_another(
    ctx: &Context,
    record: &MigrationRecord,
    host: &HostName,
) -> Result<bool, Retry> {
    let unfinished = ctx.store.migrations_unfinished_on(host).await?;
    Ok(unfinished
        .iter()
        .any(|it| it.migration.server == record.migration.server && !it.imported))
}

async fn perform(
    ctx: &Context,
    record: &MigrationRecord,
    host: &HostName,
    command: Command,
    remedy: Remedy,
) -> Result<Option<&'static str>, Retry> {
    let agent = ctx.agent(host).await?;
    match remedy {
        Remedy::Leave => return Ok(None),
        Remedy::Clean => {}
        Remedy::Finish => agent.finish(command).await?,
        Remedy::RollBack => {
            let resume = false;
            agent.roll_back(RollBack { command, resume }).await?;
        }
        Remedy::Withdraw => {
            let began_at = record.created_at;
            agent.withdraw(Withdraw { command, began_at }).await?;
        }
    }
    Ok(Some("the host has no leftover"))
}

/// A command of an ended migration: it comes after all that the migration ever asked for. `None`:
/// it was never placed.
pub(crate) fn command(record: &MigrationRecord) -> Option<Command> {
    let rank = Rank {
        sequence: record.migration.effect_sequence.saturating_add(1),
        epoch: 1,
    };
    translate::command(record, rank)
}
