//! What moves do to servers.

use diesel::prelude::*;
use godwit_core::ids::ServerUuid;
use godwit_core::migration::Migration;
use godwit_core::recovery::Sighting;
use godwit_core::server::{TaskState, VmState};
use godwit_core::time::Timestamp;
use godwit_core::transition::ServerChange;

use super::{Fault, Server, sightings};
use crate::columns::{instant, json, text};
use crate::connection::Database;
use crate::schema::{servers, services};
use crate::{ServiceBinary, StoreError};

/// A live migration begins.
pub(crate) fn set_migrating(
    connection: &mut Database,
    server: ServerUuid,
    at: Timestamp,
) -> Result<(), StoreError> {
    diesel::update(servers::table)
        .filter(servers::uuid.eq(text(server)))
        .set((
            servers::task_state.eq(TaskState::Migrating.as_str()),
            servers::progress.eq(0),
            servers::updated_at.eq(instant(at)),
            servers::generation.eq(servers::generation + 1),
        ))
        .execute(connection)?;
    Ok(())
}

/// A live migration has ended, and with it the task that it set. The sightings become what the
/// end proves, until the hosts are heard again.
pub(crate) fn settle(
    connection: &mut Database,
    server: &Server,
    ended: &Migration,
    change: ServerChange,
    at: Timestamp,
) -> Result<(), StoreError> {
    let task = server
        .task_state
        .filter(|task| *task != TaskState::Migrating);
    diesel::update(servers::table.find(server.id))
        .set((
            servers::task_state.eq(task.map(TaskState::as_str)),
            servers::progress.eq(0),
            servers::updated_at.eq(instant(at)),
            servers::settled_at.eq(instant(at)),
            servers::generation.eq(servers::generation + 1),
        ))
        .execute(connection)?;
    match change {
        ServerChange::StaysAtSource => {
            sightings::came_to_rest(connection, server.uuid, &ended.source_compute, at)
        }
        ServerChange::MovesToDestination => move_to_destination(connection, server, ended, at),
        ServerChange::IsLost => lose(connection, server, ended, at),
    }
}

fn move_to_destination(
    connection: &mut Database,
    server: &Server,
    ended: &Migration,
    at: Timestamp,
) -> Result<(), StoreError> {
    let Some(host) = &ended.dest_compute else {
        return Ok(());
    };
    let zone: Option<String> = services::table
        .filter(services::host.eq(host.as_str()))
        .filter(services::binary.eq(ServiceBinary::Compute.as_str()))
        .select(services::zone)
        .first(connection)
        .optional()?;
    diesel::update(servers::table.find(server.id))
        .set((
            servers::host.eq(host.as_str()),
            servers::node.eq(&ended.dest_node),
            servers::availability_zone.eq(zone.as_ref().or(server.availability_zone.as_ref())),
        ))
        .execute(connection)?;
    sightings::forget(connection, server.uuid, &ended.source_compute)?;
    let sighting = (Sighting::Executing, server.power_state);
    sightings::put(connection, server.uuid, host, sighting, at)
}

fn lose(
    connection: &mut Database,
    server: &Server,
    ended: &Migration,
    at: Timestamp,
) -> Result<(), StoreError> {
    let message = match &ended.failure {
        Some(failure) => failure.message.clone(),
        None => "The guest runs nowhere.".to_owned(),
    };
    let fault = Fault {
        code: 500,
        message,
        details: None,
        created: at,
    };
    diesel::update(servers::table.find(server.id))
        .set((
            servers::vm_state.eq(VmState::Error.as_str()),
            servers::fault.eq(json(&fault)),
        ))
        .execute(connection)?;
    // The destination was last seen to execute it, and does not any more.
    sightings::forget_everywhere(connection, server.uuid)
}
