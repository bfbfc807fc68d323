//! Withdraw: one host gives the guest up, which belongs elsewhere.
//!
//! A cold move's destination does so when the move is undone or did not work; then its source
//! takes the guest back, and must be able to. An evacuation's source does so when it returns,
//! because the guest runs elsewhere since.

use godwit_core::cold::Phase;
use godwit_core::discrepancy::DiscrepancyKind;
use godwit_core::event::Event;
use godwit_core::migration::StorageMode;
use godwit_core::recovery::{ColdVerdict, judge_cold};
use godwit_core::status::MigrationKind;
use godwit_rpc::agent::AgentClient;
use godwit_rpc::command::Withdraw;
use serde_json::Value;

use super::task::{Again, Answer, OUTDATED, Performed, Task};
use crate::testimony::hear;

pub(super) async fn perform(task: &Task<'_>) -> Performed {
    let agent = match task.record.migration.kind {
        MigrationKind::Evacuation => source(task).await?,
        MigrationKind::Migration | MigrationKind::Resize | MigrationKind::LiveMigration => {
            destination(task).await?
        }
    };
    let withdraw = Withdraw {
        command: task.command()?,
        began_at: task.record.created_at,
    };
    match task.answer(agent.withdraw(withdraw).await)? {
        Answer::Acknowledged => task.conclude(Event::Withdrawn, Value::Null).await.map(drop),
        Answer::Superseded => Err(Again::because(OUTDATED)),
        Answer::Refused(refusal) => {
            let why = refusal.to_string();
            task.doubt(DiscrepancyKind::Overdue, None, &why).await;
            Err(Again::because(why))
        }
    }
}

/// The destination of a cold move, if its source can take the guest back.
async fn destination(task: &Task<'_>) -> Result<AgentClient, Again> {
    let migration = &task.record.migration;
    let phase = Phase::of(migration).unwrap_or(Phase::Finished);
    let storage = migration.storage.unwrap_or(StorageMode::Copied);
    let heard = hear(task.ctx, &task.record).await?;
    match judge_cold(phase, storage, heard.source, heard.destination) {
        ColdVerdict::GoAhead => task.destination_agent().await,
        ColdVerdict::Stopped
        | ColdVerdict::Interrupted
        | ColdVerdict::RunsAtSource
        | ColdVerdict::Nowhere
        | ColdVerdict::Wait => Err(task.wait(heard).await),
    }
}

/// The source of an evacuation, if the server is recorded elsewhere. Where it is not, somebody
/// took it back since, and what the source has is no leftover.
async fn source(task: &Task<'_>) -> Result<AgentClient, Again> {
    let server = task
        .ctx
        .store
        .server_find(task.record.migration.server)
        .await?;
    let recorded = server.and_then(|server| server.host);
    if recorded.as_ref() == Some(task.source()) {
        let why = format!("the server is recorded on {} again", task.source());
        let source = Some(task.source());
        task.doubt(DiscrepancyKind::Overdue, source, &why).await;
        return Err(Again::because(why));
    }
    Ok(task.source_agent().await?)
}
