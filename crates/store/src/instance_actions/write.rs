//! How actions come about, inside the transactions of what they tell.
//!
//! Which steps there are, and what becomes of them, is the core's to say.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Text, Timestamp as SqlTimestamp};
use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::instance_action::{
    self, ActionEventChange, ActionHost, ActionName, ActionProgress, ActionResult,
};
use godwit_core::time::Timestamp;

use super::ActionNote;
use crate::columns::{instant, text};
use crate::connection::Database;
use crate::prepared::Prepare as _;
use crate::schema::{instance_actions, instance_actions_events};
use crate::{MigrationRecord, StoreError};

#[derive(QueryableByName)]
struct Made {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// Somebody asked for `action`; its number.
pub(crate) fn began(
    connection: &mut Database,
    server: ServerUuid,
    action: ActionName,
    note: &ActionNote,
) -> Result<i64, StoreError> {
    let made: Made = sql_query(
        "INSERT INTO instance_actions (action, instance_uuid, request_id, user_id, project_id,
                                       start_time, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $6)
         RETURNING id",
    )
    .bind::<Text, _>(action.as_str())
    .bind::<Text, _>(text(server))
    .bind::<Text, _>(&note.request_id)
    .bind::<Nullable<Text>, _>(&note.user_id)
    .bind::<Nullable<Text>, _>(&note.project_id)
    .bind::<SqlTimestamp, _>(instant(note.at))
    .prepared()
    .get_result(connection)?;
    Ok(made.id)
}

/// A step of an action was begun and ended by the request itself; `details` is what was done, in
/// words.
pub(crate) fn succeeded_at_once(
    connection: &mut Database,
    action: i64,
    event: &str,
    details: Option<&str>,
    at: Timestamp,
) -> Result<(), StoreError> {
    start(connection, action, event, (None, None), at)?;
    let done = (ActionResult::Success, details);
    finish(connection, action, event, done, at)
}

/// Writes what a migration has to say about the steps of actions.
pub(crate) fn apply(
    connection: &mut Database,
    record: &MigrationRecord,
    changes: Vec<ActionEventChange>,
    at: Timestamp,
) -> Result<(), StoreError> {
    let mut found: Vec<(ActionName, Option<i64>)> = Vec::new();
    for change in changes {
        let known = found.iter().find(|(name, _)| *name == change.action);
        let action = match known {
            Some((_, action)) => *action,
            None => {
                let action = find(connection, record, change.action)?;
                found.push((change.action, action));
                action
            }
        };
        let Some(action) = action else {
            continue;
        };
        let host = match change.host {
            ActionHost::Conductor => None,
            ActionHost::Source => Some(&record.migration.source_compute),
            ActionHost::Destination => record.dest_compute.as_ref(),
        };
        match &change.progress {
            ActionProgress::Started { details } => {
                start(
                    connection,
                    action,
                    change.event,
                    (host, details.as_deref()),
                    at,
                )?;
            }
            ActionProgress::Happened => {
                start(connection, action, change.event, (host, None), at)?;
                let done = (ActionResult::Success, None);
                finish(connection, action, change.event, done, at)?;
            }
            ActionProgress::Finished { result, details } => {
                let ended = (*result, details.as_deref());
                finish(connection, action, change.event, ended, at)?;
            }
        }
    }
    Ok(())
}

/// The action that a step belongs to: the one that began the migration, or the newest of those
/// that were asked of it since.
fn find(
    connection: &mut Database,
    record: &MigrationRecord,
    action: ActionName,
) -> Result<Option<i64>, StoreError> {
    let rows = instance_actions::table
        .filter(instance_actions::instance_uuid.eq(text(record.migration.server)))
        .filter(instance_actions::action.eq(action.as_str()))
        .order(instance_actions::id.desc())
        .select(instance_actions::id)
        .into_boxed();
    let (own, _) = instance_action::begun(&record.migration);
    let rows = if action == own {
        let Some(request_id) = &record.request_id else {
            return Ok(None);
        };
        rows.filter(instance_actions::request_id.eq(request_id))
    } else {
        rows.filter(instance_actions::created_at.ge(instant(record.created_at)))
    };
    Ok(rows.first(connection).optional()?)
}

/// The action that was asked of a server at this instant, with the request behind it.
pub(crate) fn asked_at(
    connection: &mut Database,
    server: ServerUuid,
    action: ActionName,
    at: Timestamp,
) -> Result<Option<(i64, Option<String>)>, StoreError> {
    Ok(instance_actions::table
        .filter(instance_actions::instance_uuid.eq(text(server)))
        .filter(instance_actions::action.eq(action.as_str()))
        .filter(instance_actions::created_at.eq(instant(at)))
        .order(instance_actions::id.desc())
        .select((instance_actions::id, instance_actions::request_id))
        .first(connection)
        .optional()?)
}

/// The step of this name that is under way.
fn open(connection: &mut Database, action: i64, event: &str) -> Result<Option<i64>, StoreError> {
    Ok(instance_actions_events::table
        .filter(instance_actions_events::action_id.eq(action))
        .filter(instance_actions_events::event.eq(event))
        .filter(instance_actions_events::finish_time.is_null())
        .order(instance_actions_events::id.desc())
        .select(instance_actions_events::id)
        .first(connection)
        .optional()?)
}

/// A step begins, unless it is under way.
pub(crate) fn start(
    connection: &mut Database,
    action: i64,
    event: &str,
    (host, details): (Option<&HostName>, Option<&str>),
    at: Timestamp,
) -> Result<(), StoreError> {
    if open(connection, action, event)?.is_some() {
        return Ok(());
    }
    diesel::insert_into(instance_actions_events::table)
        .values((
            instance_actions_events::action_id.eq(action),
            instance_actions_events::event.eq(event),
            instance_actions_events::start_time.eq(instant(at)),
            instance_actions_events::host.eq(host.map(HostName::as_str)),
            instance_actions_events::details.eq(details),
            instance_actions_events::created_at.eq(instant(at)),
        ))
        .prepared()
        .execute(connection)?;
    touch(connection, action, at)
}

/// A step ends, if it is under way. One that failed marks its action.
pub(crate) fn finish(
    connection: &mut Database,
    action: i64,
    event: &str,
    (result, details): (ActionResult, Option<&str>),
    at: Timestamp,
) -> Result<(), StoreError> {
    let Some(id) = open(connection, action, event)? else {
        return Ok(());
    };
    diesel::update(instance_actions_events::table.find(id))
        .set((
            instance_actions_events::finish_time.eq(instant(at)),
            instance_actions_events::updated_at.eq(instant(at)),
            instance_actions_events::result.eq(result.as_str()),
            instance_actions_events::details.eq(details),
        ))
        .prepared()
        .execute(connection)?;
    if result == ActionResult::Error {
        diesel::update(instance_actions::table.find(action))
            .set(instance_actions::message.eq(result.as_str()))
            .prepared()
            .execute(connection)?;
    }
    touch(connection, action, at)
}

fn touch(connection: &mut Database, action: i64, at: Timestamp) -> Result<(), StoreError> {
    diesel::update(instance_actions::table.find(action))
        .set(instance_actions::updated_at.eq(instant(at)))
        .prepared()
        .execute(connection)?;
    Ok(())
}
