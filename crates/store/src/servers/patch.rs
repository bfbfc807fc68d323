//! Writes what [`godwit_core::server`] makes of a server.

use diesel::prelude::*;
use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::server::{FaultChange, Home, ServerPatch, SightingChange};
use godwit_core::time::Timestamp;

use super::{Fault, Server, sightings};
use crate::aggregates::zones;
use crate::columns::{instant, json, text};
use crate::connection::Database;
use crate::prepared::Prepare as _;
use crate::schema::servers;
use crate::{StoreError, hosts};

/// Writes a patch of a server whose row is locked: the row with one statement, then the sightings.
pub(crate) fn write_patch(
    connection: &mut Database,
    server: &Server,
    patch: &ServerPatch,
    at: Timestamp,
) -> Result<(), StoreError> {
    let home = match &patch.home {
        Some(home) => Some(place(connection, server, home)?),
        None => None,
    };
    let fault = match &patch.fault {
        FaultChange::Stays => None,
        FaultChange::Cleared => Some(None),
        FaultChange::Becomes(message) => Some(Some(json(&Fault {
            code: 500,
            message: message.clone(),
            details: None,
            created: at,
        }))),
    };
    diesel::update(servers::table.find(server.id))
        .set((
            servers::vm_state.eq(patch.vm_state.as_str()),
            servers::task_state.eq(patch.task_state.map(|task| task.as_str())),
            servers::power_state.eq(i64::from(patch.power_state.as_i32())),
            home.map(|(host, node, zone)| {
                (
                    servers::host.eq(host),
                    servers::node.eq(node),
                    servers::availability_zone.eq(zone),
                )
            }),
            fault.map(|fault| servers::fault.eq(fault)),
            patch.clears_progress.then(|| servers::progress.eq(0)),
            patch.settles.then(|| servers::settled_at.eq(instant(at))),
            servers::updated_at.eq(instant(at)),
            servers::generation.eq(servers::generation + 1),
        ))
        .prepared()
        .execute(connection)?;
    for change in &patch.sightings {
        match change {
            SightingChange::Forgotten(host) => sightings::forget(connection, server.uuid, host)?,
            SightingChange::AllForgotten => sightings::forget_everywhere(connection, server.uuid)?,
            SightingChange::Seen(host, sighting, power) => {
                sightings::put_all(
                    connection,
                    host,
                    [(server.uuid, *sighting, *power)].into_iter(),
                    at,
                )?;
            }
            SightingChange::CameToRest(host) => {
                sightings::came_to_rest(connection, server.uuid, host, at)?;
            }
        }
    }
    Ok(())
}

type HostNodeZone<'a> = (&'a str, Option<String>, Option<String>);

/// Host, node and zone go together.
fn place<'a>(
    connection: &mut Database,
    server: &Server,
    home: &'a Home,
) -> Result<HostNodeZone<'a>, StoreError> {
    let zone = zones::of_host(connection, &home.host)?;
    let node = match &home.node {
        Some(node) => Some(node.clone()),
        None => hosts::node(connection, &home.host)?,
    };
    Ok((
        home.host.as_str(),
        node,
        zone.or_else(|| server.availability_zone.clone()),
    ))
}

/// A host has nothing of a server any more. What it said before does not count, nor does what it
/// may be saying now.
pub(crate) fn forget_host(
    connection: &mut Database,
    server: ServerUuid,
    host: &HostName,
    at: Timestamp,
) -> Result<(), StoreError> {
    sightings::forget(connection, server, host)?;
    diesel::update(servers::table)
        .filter(servers::uuid.eq(text(server)))
        .set(servers::settled_at.eq(instant(at)))
        .prepared()
        .execute(connection)?;
    Ok(())
}
