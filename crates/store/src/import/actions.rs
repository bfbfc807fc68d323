//! Instance actions and their events: what was asked of servers, and how it went.

use std::collections::HashSet;

use godwit_core::ids::ServerUuid;
use serde::Deserialize;

use super::ImportError;
use super::batch::{Incoming, Key, Target, new_row, transfer};
use super::columns::{Life, Moment};
use super::dump::Dump;
use super::report::{Reason, TableReport, because};
use crate::connection::Database;

#[derive(Debug, Deserialize)]
struct ActionRow {
    #[serde(flatten)]
    life: Life,
    id: i64,
    action: Option<String>,
    instance_uuid: Option<ServerUuid>,
    request_id: Option<String>,
    user_id: Option<String>,
    project_id: Option<String>,
    start_time: Option<Moment>,
    finish_time: Option<Moment>,
    message: Option<String>,
}

const ACTIONS: Target = Target {
    table: "instance_actions",
    source: "instance_actions",
    key: Key::Plain("request_id"),
};

#[derive(Debug, Deserialize)]
struct EventRow {
    #[serde(flatten)]
    life: Life,
    id: i64,
    event: Option<String>,
    action_id: Option<i64>,
    start_time: Option<Moment>,
    finish_time: Option<Moment>,
    result: Option<String>,
    traceback: Option<String>,
    host: Option<String>,
    details: Option<String>,
}

const EVENTS: Target = Target {
    table: "instance_actions_events",
    source: "instance_actions_events",
    key: Key::Plain("event"),
};

fn action(row: ActionRow) -> Result<Incoming, Reason> {
    let (Some(action), Some(server), Some(created_at)) =
        (row.action, row.instance_uuid, row.life.created_at)
    else {
        return Err(because("it has no name, no server or no date", row.id));
    };
    let key = row.request_id.clone().unwrap_or_default();
    let new = new_row! {
        id: row.id,
        action: action,
        instance_uuid: server,
        request_id: row.request_id,
        user_id: row.user_id,
        project_id: row.project_id,
        start_time: row.start_time,
        finish_time: row.finish_time,
        message: row.message,
        created_at: created_at,
        updated_at: row.life.updated_at,
        deleted_at: row.life.deleted_at(),
    };
    Ok(Incoming::new(row.id, key, new))
}

fn event(row: EventRow, actions: &HashSet<i64>) -> Result<Incoming, Reason> {
    let (Some(event), Some(action_id), Some(created_at)) =
        (row.event, row.action_id, row.life.created_at)
    else {
        return Err(because("it has no name, no action or no date", row.id));
    };
    if row.life.is_deleted() {
        return Err(because("it is deleted", row.id));
    }
    if !actions.contains(&action_id) {
        return Err(because("its action was not brought along", action_id));
    }
    let key = event.clone();
    let new = new_row! {
        id: row.id,
        action_id: action_id,
        event: event,
        start_time: row.start_time,
        finish_time: row.finish_time,
        result: row.result,
        traceback: row.traceback,
        host: row.host,
        details: row.details,
        created_at: created_at,
        updated_at: row.life.updated_at,
    };
    Ok(Incoming::new(row.id, key, new))
}

pub(super) fn import(
    connection: &mut Database,
    dump: &Dump,
) -> Result<(TableReport, TableReport), ImportError> {
    // Numbers only: an action's events come in a file of their own.
    let mut known = HashSet::new();
    let actions = transfer(connection, dump, &ACTIONS, |_, row: ActionRow| {
        let id = row.id;
        let incoming = action(row);
        if incoming.is_ok() {
            known.insert(id);
        }
        Ok(incoming)
    })?;
    let events = transfer(connection, dump, &EVENTS, |_, row| Ok(event(row, &known)))?;
    Ok((actions, events))
}
