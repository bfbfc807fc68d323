//! Watch: follow the move until it ends.
//!
//! ```text
//!   follow ── progress, post-copy ──► rows
//!     │  └─── ended ─────────────────► event, done
//!     ├ broke: pause, follow again
//!     └ unknown: hear both hypervisors ─► judge ─► event, or pause and follow again
//! ```
//!
//! This holds its lease for as long as the move lasts. When its holder dies, the next one
//! begins to follow; agents tell everything of importance again to who comes later.

use godwit_core::discrepancy::DiscrepancyKind;
use godwit_core::event::Event;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::ids::HostName;
use godwit_core::phase::Phase;
use godwit_core::status::MigrationKind;
use godwit_rpc::progress::{Ended, Progress, WatchEvent};
use godwit_rpc::refusal::CallError;
use serde_json::json;
use tracing::{debug, info};

use super::performer::{Performed, Performer, Retry};
use super::{cold, live};
use crate::context::{AskError, Context};
use crate::enrolment::event_of;
use crate::steps::Applied;
use crate::testimony::{Testimony, explain, is_dead};
use crate::translate;

/// A break this often in a row is worth a discrepancy.
const BREAKS_BEFORE_DISCREPANCY: u32 = 3;

/// How listening to the source came to an end.
enum Heard {
    /// The row knows how the move ended.
    Over,
    Broke(String),
    Unknown,
}

/// Follows the move for as long as its source tells of it, and then says whether both hosts have
/// to be judged: if not, the row knows how the move ended. `pauses` counts those in a row.
async fn follow(performer: &mut Performer<'_>, pauses: &mut u32) -> Result<bool, Retry> {
    loop {
        match listen(performer, pauses).await? {
            Heard::Over => return Ok(false),
            Heard::Broke(reason) => {
                info!(reason, "the move cannot be followed");
                if is_dead(performer.ctx, performer.source()).await? {
                    return Ok(true);
                }
                if *pauses >= BREAKS_BEFORE_DISCREPANCY {
                    let source = Some(performer.source());
                    performer
                        .open_discrepancy(DiscrepancyKind::HostSilent, source, &reason)
                        .await;
                }
            }
            Heard::Unknown => return performer.still_wanted().await,
        }
        if !pause(performer, pauses).await? {
            return Ok(false);
        }
    }
}

/// Follows the move to its end. Where its source cannot tell, both hosts are judged, as long as it
/// takes.
pub(super) async fn perform(performer: &mut Performer<'_>) -> Performed {
    let mut pauses = 0;
    while follow(performer, &mut pauses).await? {
        let is_over = match performer.record.migration.phase {
            Phase::Cold(_) => cold::watch::conclude(performer).await?,
            _ => live::watch::conclude(performer).await?,
        };
        if is_over || !pause(performer, &mut pauses).await? {
            return Ok(());
        }
    }
    Ok(())
}

/// Waits before the move is followed again; `false` when its row no longer wants that.
async fn pause(performer: &mut Performer<'_>, pauses: &mut u32) -> Result<bool, Retry> {
    *pauses = pauses.saturating_add(1);
    tokio::time::sleep(performer.ctx.pause(*pauses)).await;
    performer.still_wanted().await
}

async fn listen(performer: &Performer<'_>, pauses: &mut u32) -> Result<Heard, Retry> {
    let ctx = performer.ctx;
    let migration = &performer.record.migration;
    let opened = async {
        let call = |error| AskError::Call(performer.source().clone(), error);
        let agent = performer.source_agent().await?;
        agent
            .watch(migration.uuid, migration.server)
            .await
            .map_err(call)
    };
    let mut events = match opened.await {
        Ok(events) => events,
        Err(AskError::Store(error)) => return Err(error.into()),
        Err(AskError::Call(_, CallError::Refused(refusal))) if !refusal.is_passing() => {
            debug!(%refusal, "the agent does not follow this move");
            return Ok(Heard::Unknown);
        }
        Err(error) => return Ok(Heard::Broke(explain(&error))),
    };
    let mut heard = false;
    let died = until_dead(ctx, performer.source());
    tokio::pin!(died);
    loop {
        // A host without power closes no connection.
        let event = tokio::select! {
            event = events.next() => event,
            died = &mut died => {
                died?;
                return Ok(Heard::Broke("the source is declared dead".to_owned()));
            }
        };
        let event = match event {
            Ok(Some(event)) => event,
            Ok(None) => return Ok(Heard::Broke("the agent is being stopped".to_owned())),
            Err(error) => return Ok(Heard::Broke(explain(&error))),
        };
        if !heard && !matches!(event, WatchEvent::Unknown) {
            heard = true;
            *pauses = 0;
            performer.followed().await;
        }
        match event {
            WatchEvent::Progress(progress) => {
                ctx.progress.note(migration.uuid, &progress, ctx.now());
            }
            WatchEvent::PostCopyStarted => {
                performer.relay(Event::PostCopyStarted).await?;
            }
            WatchEvent::Ended(ended) => return self::ended(performer, ended).await,
            WatchEvent::Unknown => return Ok(Heard::Unknown),
        }
    }
}

/// Until the source is declared dead and does not answer; one that answers is followed on.
async fn until_dead(ctx: &Context, source: &HostName) -> Result<(), Retry> {
    loop {
        ctx.dead.until(source).await;
        if is_dead(ctx, source).await? {
            return Ok(());
        }
        tokio::time::sleep(ctx.config.retries.longest).await;
    }
}

/// The source says how the move ended.
async fn ended(performer: &Performer<'_>, ended: Ended) -> Result<Heard, Retry> {
    let Ended { outcome, progress } = ended;
    let migration = &performer.record.migration;
    if migration.kind == MigrationKind::LiveMigration {
        learn(performer, progress.as_ref()).await;
    }
    performer.ctx.progress.forget(migration.uuid);
    let event = event_of(migration.kind, outcome);
    match performer.relay_end(event, progress.as_ref()).await? {
        Applied::Yes => Ok(Heard::Over),
        // Somebody else was faster; or the row does not allow such an end (the source cannot
        // have the guest past the switch to post-copy), and then both sides are asked.
        Applied::No => Ok(Heard::Unknown),
    }
}

/// What the last figures say of the stream; nothing depends on that.
async fn learn(performer: &Performer<'_>, progress: Option<&Progress>) {
    let Some(progress) = progress else {
        return;
    };
    let (ctx, uuid) = (performer.ctx, performer.record.migration.uuid);
    let progress = translate::progress(progress);
    if let Err(error) = ctx.progress.learn(&ctx.store, uuid, &progress).await {
        debug!(%error, "what was seen of the stream was not written");
    }
}

/// The move did not lead anywhere, and `stayed` says how the server is at its source.
pub(super) fn interrupted(performer: &Performer<'_>, stayed: &str) -> Event {
    let source = performer.source();
    let text = format!("The move was interrupted; the server {stayed} on {source}.");
    Event::MoveFailed(Failure::new(FailureCode::Interrupted, text))
}

/// Did the event end the move, so that the row knows?
pub(super) async fn end(
    performer: &Performer<'_>,
    event: Event,
    testimony: Testimony,
) -> Result<bool, Retry> {
    let detail = json!({ "testimony": testimony.describe() });
    Ok(performer.conclude(event, detail).await? == Applied::Yes)
}
