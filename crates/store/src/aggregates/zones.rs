//! The zones of hosts.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Text;
use godwit_core::ids::HostName;

use crate::connection::Database;
use crate::dialect::{self, ZoneLock};
use crate::prepared::Prepare as _;
use crate::schema::{aggregate_hosts, aggregates, services};
use crate::{ServiceBinary, StoreError};

/// The zone that a host's aggregates make of it; they agree. Nobody changes it until the
/// transaction ends.
pub(crate) fn of_aggregates(
    connection: &mut Database,
    host: &HostName,
) -> Result<Option<String>, StoreError> {
    dialect::lock_zones(connection, ZoneLock::Read)?;
    let zone: Option<Option<String>> = aggregates::table
        .inner_join(aggregate_hosts::table)
        .filter(aggregate_hosts::host.eq(host.as_str()))
        .filter(aggregates::availability_zone.is_not_null())
        .order(aggregates::id)
        .select(aggregates::availability_zone)
        .first(connection)
        .optional()?;
    Ok(zone.flatten())
}

/// The zone in which servers on a host are, if there is such a host. Nobody changes it until the
/// transaction ends.
pub(crate) fn of_host(
    connection: &mut Database,
    host: &HostName,
) -> Result<Option<String>, StoreError> {
    locked_zone(connection, host, ZoneLock::Read)
}

/// The same, for whoever is about to change it.
pub(crate) fn of_host_to_change(
    connection: &mut Database,
    host: &HostName,
) -> Result<Option<String>, StoreError> {
    locked_zone(connection, host, ZoneLock::Write)
}

fn locked_zone(
    connection: &mut Database,
    host: &HostName,
    lock: ZoneLock,
) -> Result<Option<String>, StoreError> {
    dialect::lock_zones(connection, lock)?;
    let zone = services::table
        .filter(services::host.eq(host.as_str()))
        .filter(services::binary.eq(ServiceBinary::Compute.as_str()))
        .select(services::zone)
        .first(connection)
        .optional()?;
    Ok(zone)
}

/// Writes the zone of every host where its aggregates say another one by now, and that of the
/// servers there.
pub(crate) fn rewrite(connection: &mut Database) -> Result<(), StoreError> {
    const ZONE: &str = "COALESCE(
        (SELECT a.availability_zone FROM aggregates a
         JOIN aggregate_hosts h ON h.aggregate_id = a.id
         WHERE h.host = services.host AND a.availability_zone IS NOT NULL
         ORDER BY a.id LIMIT 1),
        registered_zone, zone)";
    let compute = ServiceBinary::Compute.as_str();
    let changed = sql_query(format!(
        "UPDATE services SET zone = {ZONE} WHERE \"binary\" = $1 AND zone <> {ZONE}"
    ))
    .bind::<Text, _>(compute)
    .prepared()
    .execute(connection)?;
    if changed == 0 {
        return Ok(());
    }
    const OF_HOST: &str = "(SELECT s.zone FROM services s
        WHERE s.host = servers.host AND s.\"binary\" = $1)";
    sql_query(format!(
        "UPDATE servers SET availability_zone = {OF_HOST}
         WHERE deleted_at IS NULL AND availability_zone <> {OF_HOST}"
    ))
    .bind::<Text, _>(compute)
    .prepared()
    .execute(connection)?;
    Ok(())
}
