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

mod cold;

use godwit_core::discrepancy::DiscrepancyKind;
use godwit_core::event::Event;
use godwit_core::failure::{Failure, FailureCode, source_dead};
use godwit_core::ids::HostName;
use godwit_core::live::Phase;
use godwit_core::recovery::{Verdict, Witness, judge};
use godwit_core::status::MigrationKind;
use godwit_rpc::command::RollBack;
use godwit_rpc::progress::{Ended, WatchEvent};
use godwit_rpc::refusal::{CallError, Refusal};
use serde_json::json;
use tracing::{debug, info};

use super::task::{Again, Answer, Performed, Task};
use crate::context::{AskError, Context};
use crate::enrolment::event_of;
use crate::steps::Applied;
use crate::testimony::{Testimony, explain, hear, is_dead};

/// A break this often in a row is worth a discrepancy.
const BREAKS_BEFORE_DOUBT: u32 = 3;

/// How following came to an end.
enum Followed {
    /// The row knows how the move ended.
    Over,
    /// The agent cannot be heard.
    Broke(String),
    /// The agent answers, and cannot say.
    Unknown,
}

pub(super) async fn perform(mut task: Task<'_>) -> Performed {
    let mut pauses = 0;
    while task.still_wanted().await? {
        match follow(&task, &mut pauses).await? {
            Followed::Over => return Ok(()),
            Followed::Broke(reason) => {
                info!(reason, "the move cannot be followed");
                if is_dead(task.ctx, task.source()).await? {
                    if let Judged::Ended = conclude_from_testimony(&task).await? {
                        return Ok(());
                    }
                } else if pauses >= BREAKS_BEFORE_DOUBT {
                    let source = Some(task.source());
                    task.doubt(DiscrepancyKind::HostSilent, source, &reason)
                        .await;
                }
            }
            Followed::Unknown => {
                if !task.still_wanted().await? {
                    return Ok(());
                }
                if let Judged::Ended = conclude_from_testimony(&task).await? {
                    return Ok(());
                }
            }
        }
        pauses = pauses.saturating_add(1);
        tokio::time::sleep(task.ctx.pause(pauses)).await;
    }
    Ok(())
}

async fn follow(task: &Task<'_>, pauses: &mut u32) -> Result<Followed, Again> {
    let ctx = task.ctx;
    let migration = &task.record.migration;
    let opened = async {
        let call = |error| AskError::Call(task.source().clone(), error);
        let agent = task.source_agent().await?;
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
            return Ok(Followed::Unknown);
        }
        Err(error) => return Ok(Followed::Broke(explain(&error))),
    };
    let mut heard = false;
    let died = until_dead(ctx, task.source());
    tokio::pin!(died);
    loop {
        // A host without power closes no connection.
        let event = tokio::select! {
            event = events.next() => event,
            died = &mut died => {
                died?;
                return Ok(Followed::Broke("the source is declared dead".to_owned()));
            }
        };
        let event = match event {
            Ok(Some(event)) => event,
            Ok(None) => return Ok(Followed::Broke("the agent is being stopped".to_owned())),
            Err(error) => return Ok(Followed::Broke(explain(&error))),
        };
        if !heard && !matches!(event, WatchEvent::Unknown) {
            heard = true;
            *pauses = 0;
            let why = "the move is being followed";
            for host in [Some(task.source()), migration.dest_compute.as_ref()] {
                task.resolved(DiscrepancyKind::HostSilent, host, why).await;
            }
            task.resolved(DiscrepancyKind::Overdue, None, why).await;
        }
        match event {
            WatchEvent::Progress(progress) => {
                ctx.progress.note(migration.uuid, &progress, ctx.now());
            }
            WatchEvent::PostCopyStarted => {
                task.relay(Event::PostCopyStarted).await?;
            }
            WatchEvent::Ended(ended) => return settle(task, ended).await,
            WatchEvent::Unknown => return Ok(Followed::Unknown),
        }
    }
}

/// Until the source is declared dead and does not answer; one that answers is followed on.
async fn until_dead(ctx: &Context, source: &HostName) -> Result<(), Again> {
    loop {
        ctx.dead.until(source).await;
        if is_dead(ctx, source).await? {
            return Ok(());
        }
        tokio::time::sleep(ctx.config.retries.longest).await;
    }
}

/// The source says how the move ended.
async fn settle(task: &Task<'_>, ended: Ended) -> Result<Followed, Again> {
    let Ended { outcome, progress } = ended;
    if let Some(progress) = &progress {
        let (ctx, uuid) = (task.ctx, task.claimed.migration);
        let written = ctx
            .progress
            .write_final(&ctx.store, uuid, progress, ctx.now());
        written.await?;
    }
    let event = event_of(task.record.migration.kind, outcome);
    match task.relay(event).await? {
        Applied::Yes => Ok(Followed::Over),
        // Somebody else was faster; or the row does not allow such an end (the source cannot
        // have the guest past the switch to post-copy), and then both sides are asked.
        Applied::No => Ok(Followed::Unknown),
    }
}

/// What came of hearing both sides.
enum Judged {
    /// The row knows how the move ended.
    Ended,
    /// Nothing yet.
    NotYet,
}

async fn conclude_from_testimony(task: &Task<'_>) -> Result<Judged, Again> {
    if let Some(phase) = cold_phase(task) {
        return cold::conclude(task, phase).await;
    }
    let first = hear(task.ctx, &task.record).await?;
    let verdict = judge_now(task, first);
    info!(?verdict, testimony = %first.describe(), "both sides were heard");
    match verdict {
        Verdict::StillMoving => Ok(Judged::NotYet),
        // What a dead destination would have said is missing, so the source is heard twice.
        Verdict::AtDestination if first.destination == Witness::DeclaredDead => {
            tokio::time::sleep(task.ctx.pause(1)).await;
            let second = hear(task.ctx, &task.record).await?;
            if judge_now(task, second) != verdict {
                return Ok(Judged::NotYet);
            }
            end(task, Event::HandedOver, second).await
        }
        Verdict::AtDestination => end(task, Event::HandedOver, first).await,
        Verdict::AtSource => fence(task).await,
        Verdict::ResumeAtSource | Verdict::Nowhere | Verdict::DiedAtSource => {
            // A guest on its way can be missed by two hosts that are asked at different moments.
            let second = hear(task.ctx, &task.record).await?;
            if judge_now(task, second) != verdict {
                return Ok(Judged::NotYet);
            }
            if verdict == Verdict::ResumeAtSource {
                return resume(task).await;
            }
            if verdict == Verdict::DiedAtSource {
                let failure = source_dead(task.source());
                return end(task, Event::MoveFailed(failure), second).await;
            }
            let failure = Failure::new(
                FailureCode::GuestLost,
                "The server runs on neither host any more.",
            );
            end(task, Event::GuestLost(failure), second).await
        }
        Verdict::Twice => {
            let kind = DiscrepancyKind::SeenTwice;
            task.doubt(kind, None, &first.describe()).await;
            Ok(Judged::NotYet)
        }
        Verdict::Wait => {
            let host = first.silent(&task.record);
            let kind = match host {
                Some(_) => DiscrepancyKind::HostSilent,
                None => DiscrepancyKind::Overdue,
            };
            task.doubt(kind, host, &first.describe()).await;
            Ok(Judged::NotYet)
        }
    }
}

/// The phase of a cold move; `None` for any other kind.
fn cold_phase(task: &Task<'_>) -> Option<godwit_core::cold::Phase> {
    let migration = &task.record.migration;
    match migration.kind {
        MigrationKind::Migration | MigrationKind::Resize => godwit_core::cold::Phase::of(migration),
        MigrationKind::LiveMigration | MigrationKind::Evacuation => None,
    }
}

fn judge_now(task: &Task<'_>, testimony: Testimony) -> Verdict {
    let phase = Phase::of(&task.record.migration).unwrap_or(Phase::Running);
    judge(phase, testimony.source, testimony.destination)
}

async fn end(task: &Task<'_>, event: Event, testimony: Testimony) -> Result<Judged, Again> {
    let detail = json!({ "testimony": testimony.describe() });
    match task.conclude(event, detail).await? {
        Applied::Yes => Ok(Judged::Ended),
        Applied::No => Ok(Judged::NotYet),
    }
}

/// The guest is at its source and no move is known there. Before that is taken for the end, the
/// source is made to refuse a `Start` that may still be under way to it; then it is heard again.
async fn fence(task: &Task<'_>) -> Result<Judged, Again> {
    let source = task.source_agent().await?;
    match task.answer(source.abort(task.command()?).await) {
        Ok(Answer::Acknowledged | Answer::Superseded | Answer::Refused(Refusal::NoJob)) => {}
        Ok(Answer::Refused(refusal)) => {
            info!(%refusal, "the source does not confirm that nothing moves");
            return Ok(Judged::NotYet);
        }
        Err(Again { reason }) => {
            info!(reason, "the source does not confirm that nothing moves");
            return Ok(Judged::NotYet);
        }
    }
    let again = hear(task.ctx, &task.record).await?;
    if judge_now(task, again) != Verdict::AtSource {
        return Ok(Judged::NotYet);
    }
    let failure = Failure::new(
        FailureCode::Interrupted,
        format!(
            "The move was interrupted; the server stayed on {}.",
            task.source()
        ),
    );
    end(task, Event::MoveFailed(failure), again).await
}

/// The source had stopped the guest and the destination never executed it.
async fn resume(task: &Task<'_>) -> Result<Judged, Again> {
    let roll_back = RollBack {
        command: task.command()?,
        resume: true,
    };
    let source = task.source_agent().await?;
    match task.answer(source.roll_back(roll_back).await) {
        Ok(Answer::Acknowledged) => {
            let testimony = hear(task.ctx, &task.record).await?;
            if judge_now(task, testimony) != Verdict::AtSource {
                return Ok(Judged::NotYet);
            }
            let failure = Failure::new(
                FailureCode::Interrupted,
                format!(
                    "The move was interrupted; the server was started again on {}.",
                    task.source()
                ),
            );
            end(task, Event::MoveFailed(failure), testimony).await
        }
        Ok(Answer::Superseded) => Ok(Judged::NotYet),
        Ok(Answer::Refused(refusal)) => {
            info!(%refusal, "the source does not start the guest again");
            Ok(Judged::NotYet)
        }
        Err(Again { reason }) => {
            info!(reason, "the source does not start the guest again");
            Ok(Judged::NotYet)
        }
    }
}
