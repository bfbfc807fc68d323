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
use crate::columns::{instant, instants, text};
use crate::connection::Database;
use crate::prepared::Prepare as _;
use crate::schema::{instance_actions, instance_actions_events};
use crate::{MigrationRecord, StoreError};

#[derive(QueryableByName)]
struct Made {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// The steps of an action, while something is written of them.
struct Steps {
    action: i64,
    /// Those under way, the newest last.
    open: Vec<(i64, String)>,
    at: Timestamp,
    changed: bool,
    failed: bool,
}

impl Steps {
    fn with(action: i64, open: Vec<(i64, String)>, at: Timestamp) -> Self {
        Self {
            action,
            open,
            at,
            changed: false,
            failed: false,
        }
    }

    fn load(connection: &mut Database, action: i64, at: Timestamp) -> Result<Self, StoreError> {
        let open = instance_actions_events::table
            .filter(instance_actions_events::action_id.eq(action))
            .filter(instance_actions_events::finish_time.is_null())
            .order(instance_actions_events::id)
            .select((instance_actions_events::id, instance_actions_events::event))
            .load(connection)?;
        Ok(Self::with(action, open, at))
    }

    /// The steps of the action that `action` is to a migration: the one that began it, or the
    /// newest of those that were asked of it since.
    fn find(
        connection: &mut Database,
        record: &MigrationRecord,
        action: ActionName,
        at: Timestamp,
    ) -> Result<Option<Self>, StoreError> {
        macro_rules! of_actions {
            ($which:expr) => {
                instance_actions::table
                    .left_join(
                        instance_actions_events::table.on(instance_actions_events::action_id
                            .eq(instance_actions::id)
                            .and(instance_actions_events::finish_time.is_null())),
                    )
                    .filter(instance_actions::instance_uuid.eq(text(record.migration.server)))
                    .filter(instance_actions::action.eq(action.as_str()))
                    .filter($which)
                    .order((instance_actions::id.desc(), instance_actions_events::id))
                    .select((
                        instance_actions::id,
                        instance_actions_events::id.nullable(),
                        instance_actions_events::event.nullable(),
                    ))
                    .load(connection)?
            };
        }
        let (own, _) = instance_action::begun(&record.migration);
        let rows: Vec<(i64, Option<i64>, Option<String>)> = if action == own {
            let Some(request_id) = &record.request_id else {
                return Ok(None);
            };
            of_actions!(instance_actions::request_id.eq(request_id))
        } else {
            of_actions!(instance_actions::created_at.ge(instant(record.created_at)))
        };
        let Some(&(newest, ..)) = rows.first() else {
            return Ok(None);
        };
        let of_newest = rows.into_iter().filter(|(action, ..)| *action == newest);
        let open = of_newest.filter_map(|(_, step, event)| step.zip(event));
        Ok(Some(Self::with(newest, open.collect(), at)))
    }

    fn write(
        &mut self,
        connection: &mut Database,
        record: &MigrationRecord,
        change: &ActionEventChange,
    ) -> Result<(), StoreError> {
        let host = match change.host {
            ActionHost::Conductor => None,
            ActionHost::Source => Some(&record.migration.source_compute),
            ActionHost::Destination => record.dest_compute.as_ref(),
        };
        match &change.progress {
            ActionProgress::Started { details } => {
                self.start(connection, change.event, (host, details.as_deref()))
            }
            ActionProgress::Happened if self.is_open(change.event) => {
                self.finish(connection, change.event, (ActionResult::Success, None))
            }
            ActionProgress::Happened => {
                let ended = Some(ActionResult::Success);
                self.insert(connection, change.event, (host, None), ended)
            }
            ActionProgress::Finished { result, details } => {
                self.finish(connection, change.event, (*result, details.as_deref()))
            }
        }
    }

    fn is_open(&self, event: &str) -> bool {
        self.open.iter().any(|(_, open)| open == event)
    }

    /// A step begins, unless it is under way.
    fn start(
        &mut self,
        connection: &mut Database,
        event: &str,
        with: (Option<&HostName>, Option<&str>),
    ) -> Result<(), StoreError> {
        if self.is_open(event) {
            return Ok(());
        }
        self.insert(connection, event, with, None)
    }

    /// A step that begins, or that began and `ended` at once.
    fn insert(
        &mut self,
        connection: &mut Database,
        event: &str,
        (host, details): (Option<&HostName>, Option<&str>),
        ended: Option<ActionResult>,
    ) -> Result<(), StoreError> {
        let at = instant(self.at);
        let made: Made = sql_query(
            "INSERT INTO instance_actions_events (action_id, event, host, details, start_time,
                                                  created_at, finish_time, updated_at, result)
             VALUES ($1, $2, $3, $4, $5, $5, $6, $6, $7)
             RETURNING id",
        )
        .bind::<BigInt, _>(self.action)
        .bind::<Text, _>(event)
        .bind::<Nullable<Text>, _>(host.map(HostName::as_str))
        .bind::<Nullable<Text>, _>(details)
        .bind::<SqlTimestamp, _>(at)
        .bind::<Nullable<SqlTimestamp>, _>(ended.map(|_| at))
        .bind::<Nullable<Text>, _>(ended.map(ActionResult::as_str))
        .prepared()
        .get_result(connection)?;
        if ended.is_none() {
            self.open.push((made.id, event.to_owned()));
        }
        self.changed = true;
        Ok(())
    }

    /// A step ends, if it is under way.
    fn finish(
        &mut self,
        connection: &mut Database,
        event: &str,
        (result, details): (ActionResult, Option<&str>),
    ) -> Result<(), StoreError> {
        let Some(place) = self.open.iter().rposition(|(_, open)| open == event) else {
            return Ok(());
        };
        let (id, _) = self.open.remove(place);
        diesel::update(instance_actions_events::table.find(id))
            .set((
                instance_actions_events::finish_time.eq(instant(self.at)),
                instance_actions_events::updated_at.eq(instant(self.at)),
                instance_actions_events::result.eq(result.as_str()),
                instance_actions_events::details.eq(details),
            ))
            .prepared()
            .execute(connection)?;
        self.changed = true;
        self.failed |= result == ActionResult::Error;
        Ok(())
    }

    /// The action has changed with its steps. One that failed marks it.
    fn end(self, connection: &mut Database) -> Result<(), StoreError> {
        if !self.changed {
            return Ok(());
        }
        let failed = ActionResult::Error.as_str();
        diesel::update(instance_actions::table.find(self.action))
            .set((
                instance_actions::updated_at.eq(instant(self.at)),
                self.failed.then(|| instance_actions::message.eq(failed)),
            ))
            .prepared()
            .execute(connection)?;
        Ok(())
    }
}

fn insert(
    connection: &mut Database,
    server: ServerUuid,
    action: ActionName,
    note: &ActionNote,
    changed: Option<Timestamp>,
) -> Result<i64, StoreError> {
    let made: Made = sql_query(
        "INSERT INTO instance_actions (action, instance_uuid, request_id, user_id, project_id,
                                       start_time, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $6, $7)
         RETURNING id",
    )
    .bind::<Text, _>(action.as_str())
    .bind::<Text, _>(text(server))
    .bind::<Text, _>(&note.request_id)
    .bind::<Nullable<Text>, _>(&note.user_id)
    .bind::<Nullable<Text>, _>(&note.project_id)
    .bind::<SqlTimestamp, _>(instant(note.at))
    .bind::<Nullable<SqlTimestamp>, _>(instants(changed))
    .prepared()
    .get_result(connection)?;
    Ok(made.id)
}

/// Somebody asked for `action`; its number.
pub(crate) fn began(
    connection: &mut Database,
    server: ServerUuid,
    action: ActionName,
    note: &ActionNote,
) -> Result<i64, StoreError> {
    insert(connection, server, action, note, None)
}

/// Somebody asked for a migration, whose first steps are known at once.
pub(crate) fn begun(
    connection: &mut Database,
    record: &MigrationRecord,
    note: &ActionNote,
) -> Result<(), StoreError> {
    let (action, changes) = instance_action::begun(&record.migration);
    let server = record.migration.server;
    let id = insert(connection, server, action, note, Some(note.at))?;
    let mut steps = Steps::with(id, Vec::new(), note.at);
    changes
        .iter()
        .try_for_each(|change| steps.write(connection, record, change))
}

/// A step of an action that is new was begun and ended by the request itself, with what was done
/// in words.
pub(crate) fn succeeded_at_once(
    connection: &mut Database,
    action: i64,
    event: &str,
    details: Option<&str>,
    at: Timestamp,
) -> Result<(), StoreError> {
    let mut steps = Steps::with(action, Vec::new(), at);
    let ended = Some(ActionResult::Success);
    steps.insert(connection, event, (None, details), ended)?;
    steps.end(connection)
}

/// Writes what a migration has to say about the steps of actions.
pub(crate) fn apply(
    connection: &mut Database,
    record: &MigrationRecord,
    changes: Vec<ActionEventChange>,
    at: Timestamp,
) -> Result<(), StoreError> {
    let mut found: Vec<(ActionName, Option<Steps>)> = Vec::new();
    for change in &changes {
        let known = found.iter().position(|(it, _)| *it == change.action);
        let place = known.unwrap_or(found.len());
        if known.is_none() {
            let steps = Steps::find(connection, record, change.action, at)?;
            found.push((change.action, steps));
        }
        if let Some(steps) = &mut found[place].1 {
            steps.write(connection, record, change)?;
        }
    }
    let mut found = found.into_iter().filter_map(|(_, steps)| steps);
    found.try_for_each(|steps| steps.end(connection))
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

/// A step begins, unless it is under way.
pub(crate) fn start(
    connection: &mut Database,
    action: i64,
    event: &str,
    with: (Option<&HostName>, Option<&str>),
    at: Timestamp,
) -> Result<(), StoreError> {
    let mut steps = Steps::load(connection, action, at)?;
    steps.start(connection, event, with)?;
    steps.end(connection)
}

/// A step ends, if it is under way. One that failed marks its action.
pub(crate) fn finish(
    connection: &mut Database,
    action: i64,
    event: &str,
    how: (ActionResult, Option<&str>),
    at: Timestamp,
) -> Result<(), StoreError> {
    let mut steps = Steps::load(connection, action, at)?;
    steps.finish(connection, event, how)?;
    steps.end(connection)
}
