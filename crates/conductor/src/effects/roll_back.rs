//! Roll back: the guest is on its source; the destination is cleaned, the source confirms.
//!
//! The destination comes first. Only it can prove that it never executed the guest, and only
//! then may the source start again what the move had stopped.

mod cold;

use godwit_core::discrepancy::DiscrepancyKind;
use godwit_core::event::Event;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::live::Phase;
use godwit_core::recovery::{Verdict, judge};
use godwit_core::status::MigrationKind;
use godwit_rpc::command::RollBack;
use godwit_rpc::refusal::Refusal;
use serde_json::{Value, json};

use super::task::{Again, Answer, OUTDATED, Performed, Task};
use crate::steps::Applied;
use crate::testimony::{Testimony, hear, is_dead};

pub(super) async fn perform(task: &Task<'_>) -> Performed {
    match task.record.migration.kind {
        MigrationKind::Migration | MigrationKind::Resize => cold::perform(task).await,
        MigrationKind::LiveMigration | MigrationKind::Evacuation => live(task).await,
    }
}

async fn live(task: &Task<'_>) -> Performed {
    let destination_is_dead = is_dead(task.ctx, task.destination()?).await?;
    let source_is_dead = is_dead(task.ctx, task.source()).await?;
    let cleaned = if destination_is_dead {
        Ok(())
    } else {
        clean_destination(task).await
    };
    let restored = if source_is_dead {
        Ok(())
    } else {
        restore_source(task, false).await
    };
    match (cleaned, restored) {
        (Ok(()), Ok(())) => {}
        (Err(again), Ok(())) if source_is_dead => return found(task, again).await,
        (Err(silent), _) | (Ok(()), Err(Restored::Again(silent))) => return Err(silent),
        (Ok(()), Err(Restored::Refused(refusal))) => return unrestored(task, &refusal).await,
    }
    let clean = !destination_is_dead;
    task.conclude(Event::RolledBack { clean }, Value::Null)
        .await
        .map(drop)
}

/// The source is dead, and the destination did not give up what it has: does it execute the guest?
async fn found(task: &Task<'_>, again: Again) -> Performed {
    let heard = hear(task.ctx, &task.record).await?;
    if verdict(heard) != Verdict::AtDestination {
        return Err(again);
    }
    let detail = json!({ "testimony": heard.describe() });
    match task.conclude(Event::FoundAtDestination, detail).await? {
        Applied::Yes => Ok(()),
        Applied::No => Err(again),
    }
}

async fn clean_destination(task: &Task<'_>) -> Performed {
    let roll_back = RollBack {
        command: task.command()?,
        resume: false,
    };
    let destination = task.destination_agent().await?;
    match task.answer(destination.roll_back(roll_back).await)? {
        Answer::Acknowledged => Ok(()),
        Answer::Superseded => Err(Again::because(OUTDATED)),
        Answer::Refused(refusal) => Err(Again::because(format!(
            "the destination cannot be cleaned: {refusal}"
        ))),
    }
}

/// The source did not confirm the guest.
enum Restored {
    Again(Again),
    Refused(Refusal),
}

impl<E: Into<Again>> From<E> for Restored {
    fn from(error: E) -> Self {
        Self::Again(error.into())
    }
}

async fn restore_source(task: &Task<'_>, resume: bool) -> Result<(), Restored> {
    let command = task.command()?;
    let source = task.source_agent().await?;
    match task.answer(source.roll_back(RollBack { command, resume }).await)? {
        Answer::Acknowledged => Ok(()),
        Answer::Superseded => Err(Restored::Again(Again::because(OUTDATED))),
        Answer::Refused(refusal) => Err(Restored::Refused(refusal)),
    }
}

/// The source answered that the guest is not as it was, and the destination is clean.
async fn unrestored(task: &Task<'_>, refusal: &Refusal) -> Performed {
    let first = hear(task.ctx, &task.record).await?;
    let why = format!("{refusal}; {}", first.describe());
    match verdict(first) {
        Verdict::ResumeAtSource => match restore_source(task, true).await {
            Ok(()) => {
                let detail = json!({ "resumed": true });
                task.conclude(Event::RolledBack { clean: true }, detail)
                    .await
                    .map(drop)
            }
            Err(Restored::Again(again)) => Err(again),
            Err(Restored::Refused(refusal)) => Err(Again::because(refusal.to_string())),
        },
        Verdict::Nowhere if verdict(hear(task.ctx, &task.record).await?) == Verdict::Nowhere => {
            let failure = Failure::new(
                FailureCode::GuestLost,
                "The move failed, and the server runs on neither host any more.",
            );
            let detail = json!({ "testimony": first.describe() });
            task.conclude(Event::GuestLost(failure), detail)
                .await
                .map(drop)
        }
        // It vanished from its source, or was handed over before its destination died.
        Verdict::AtDestination => {
            let detail = json!({ "testimony": first.describe() });
            match task.conclude(Event::FoundAtDestination, detail).await? {
                Applied::Yes => Ok(()),
                Applied::No => Err(Again::because(why)),
            }
        }
        Verdict::Nowhere
        | Verdict::StillMoving
        | Verdict::AtSource
        | Verdict::DiedAtSource
        | Verdict::Twice
        | Verdict::Wait => {
            task.doubt(DiscrepancyKind::Overdue, None, &why).await;
            Err(Again::because(why))
        }
    }
}

fn verdict(testimony: Testimony) -> Verdict {
    judge(Phase::Unwinding, testimony.source, testimony.destination)
}
