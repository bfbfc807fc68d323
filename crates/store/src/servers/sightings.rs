//! What each host last said of each server it has. A host that was heard and has no row here
//! does not have the server.

use diesel::prelude::*;
use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::recovery::Sighting;
use godwit_core::server::PowerState;
use godwit_core::time::Timestamp;
use serde_json::json;

use crate::among::{among, load_all};
use crate::columns::{SightingWord, instant, sighting_word, text};
use crate::connection::Database;
use crate::prepared::Prepare as _;
use crate::schema::sightings;
use crate::{Store, StoreError, dialect};

/// What one host last said of one server.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct SightingRecord {
    pub server: ServerUuid,
    pub host: HostName,
    pub sighting: Sighting,
    pub power_state: PowerState,
    pub at: Timestamp,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = sightings)]
struct SightingRow {
    server_uuid: ServerUuid,
    host: HostName,
    sighting: SightingWord,
    power_state: PowerState,
    observed_at: Timestamp,
}

impl From<SightingRow> for SightingRecord {
    fn from(row: SightingRow) -> Self {
        Self {
            server: row.server_uuid,
            host: row.host,
            sighting: row.sighting.0,
            power_state: row.power_state,
            at: row.observed_at,
        }
    }
}

/// Notes what a host says of servers, unless something newer is known.
pub(crate) fn put_all(
    connection: &mut Database,
    host: &HostName,
    said: impl Iterator<Item = (ServerUuid, Sighting, PowerState)>,
    at: Timestamp,
) -> Result<(), StoreError> {
    let row = |(server, sighting, power): (ServerUuid, Sighting, PowerState)| {
        json!({
            "server": server,
            "sighting": sighting_word(sighting),
            "power": power.as_i32(),
        })
    };
    let rows: Vec<serde_json::Value> = said.map(row).collect();
    let rows = serde_json::Value::Array(rows).to_string();
    Ok(dialect::put_sightings(
        connection,
        host,
        &rows,
        instant(at),
    )?)
}

/// A host no longer has a server.
pub(crate) fn forget(
    connection: &mut Database,
    server: ServerUuid,
    host: &HostName,
) -> Result<(), StoreError> {
    diesel::delete(sightings::table)
        .filter(sightings::server_uuid.eq(text(server)))
        .filter(sightings::host.eq(host.as_str()))
        .prepared()
        .execute(connection)?;
    Ok(())
}

/// Nobody knows where a server is: nothing that any host said of it counts any more.
pub(crate) fn forget_everywhere(
    connection: &mut Database,
    server: ServerUuid,
) -> Result<(), StoreError> {
    diesel::delete(sightings::table.filter(sightings::server_uuid.eq(text(server))))
        .prepared()
        .execute(connection)?;
    Ok(())
}

/// A host's inventory of `at` is complete: what it did not mention, it does not have.
pub(crate) fn forget_older(
    connection: &mut Database,
    host: &HostName,
    at: Timestamp,
) -> Result<(), StoreError> {
    diesel::delete(sightings::table)
        .filter(sightings::host.eq(host.as_str()))
        .filter(sightings::observed_at.lt(instant(at)))
        .prepared()
        .execute(connection)?;
    Ok(())
}

/// A guest that was perhaps last seen on its way is known to be where it was. An inventory
/// that began before `at` and is recorded later does not count against that.
pub(crate) fn came_to_rest(
    connection: &mut Database,
    server: ServerUuid,
    host: &HostName,
    at: Timestamp,
) -> Result<(), StoreError> {
    let moving = sightings::sighting.eq(sighting_word(Sighting::Moving));
    let handed_over = sightings::sighting.eq(sighting_word(Sighting::HandedOver));
    diesel::update(sightings::table)
        .filter(sightings::server_uuid.eq(text(server)))
        .filter(sightings::host.eq(host.as_str()))
        .filter(moving.or(handed_over))
        .set(sightings::sighting.eq(sighting_word(Sighting::Executing)))
        .prepared()
        .execute(connection)?;
    diesel::update(sightings::table)
        .filter(sightings::server_uuid.eq(text(server)))
        .filter(sightings::host.eq(host.as_str()))
        .set(sightings::observed_at.eq(instant(at)))
        .prepared()
        .execute(connection)?;
    Ok(())
}

/// Servers that a host said it has.
pub(crate) fn servers_on(
    connection: &mut Database,
    host: &HostName,
) -> Result<Vec<ServerUuid>, StoreError> {
    Ok(sightings::table
        .filter(sightings::host.eq(host.as_str()))
        .select(sightings::server_uuid)
        .load(connection)?)
}

/// What all hosts said of some servers.
pub(crate) fn load(
    connection: &mut Database,
    servers: &[String],
) -> Result<Vec<SightingRecord>, StoreError> {
    let rows: Vec<SightingRow> = load_all!(connection, servers, |servers| {
        sightings::table
            .filter(among(sightings::server_uuid, servers))
            .order((sightings::server_uuid, sightings::host))
            .select(SightingRow::as_select())
    });
    Ok(rows.into_iter().map(SightingRecord::from).collect())
}

impl Store {
    /// What every host last said of a server, by host.
    pub async fn sightings(&self, server: ServerUuid) -> Result<Vec<SightingRecord>, StoreError> {
        self.read(move |connection| load(connection, &[text(server)]))
            .await
    }
}
