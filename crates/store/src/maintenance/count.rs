//! What may still arrive at a host, who is there, and whether anything may be sent there.

use std::collections::BTreeSet;

use diesel::prelude::*;
use godwit_core::host::maintenance::State;
use godwit_core::ids::{HostName, ServerUuid};

use crate::columns::Json;
use crate::connection::Database;
use crate::schema::{claims, maintenances, servers};
use crate::{CommitError, StoreError};

/// Placements that may still lead a guest here: whoever is on its way has claimed room, and so has
/// whoever may come back. The host is locked.
pub(super) fn placements_in_flight(
    connection: &mut Database,
    host: &HostName,
) -> Result<u32, StoreError> {
    let claimed: i64 = claims::table
        .filter(claims::host.eq(host.as_str()))
        .count()
        .get_result(connection)?;
    Ok(crate::plans::count(claimed))
}

/// Servers that are recorded on the host and have no home elsewhere.
pub(super) fn guests(
    connection: &mut Database,
    host: &HostName,
) -> Result<BTreeSet<ServerUuid>, StoreError> {
    let here: Vec<ServerUuid> = servers::table
        .filter(servers::host.eq(host.as_str()))
        .filter(servers::deleted_at.is_null())
        .select(servers::uuid)
        .load(connection)?;
    let homes: Vec<Json<BTreeSet<ServerUuid>>> = maintenances::table
        .filter(maintenances::state.ne(State::None.as_str()))
        .filter(maintenances::host.ne(host.as_str()))
        .select(maintenances::home)
        .load(connection)?;
    let elsewhere: BTreeSet<ServerUuid> = homes.into_iter().flat_map(|it| it.0).collect();
    Ok(here
        .into_iter()
        .filter(|it| !elsewhere.contains(it))
        .collect())
}

/// May something be sent to the host, which is locked? Whoever holds it counts what was sent with
/// the host locked as well, so that nothing arrives that neither knows of.
pub(crate) fn check(connection: &mut Database, host: &HostName) -> Result<(), CommitError> {
    let state: Option<State> = maintenances::table
        .filter(maintenances::host.eq(host.as_str()))
        .select(maintenances::state)
        .first(connection)
        .optional()
        .map_err(StoreError::from)?;
    match state {
        Some(State::Entering | State::Empty | State::InMaintenance) => {
            Err(CommitError::InMaintenance { host: host.clone() })
        }
        Some(State::None | State::Leaving) | None => Ok(()),
    }
}

/// Hosts to which [`check`] lets nothing be sent.
pub(crate) fn held(connection: &mut Database) -> Result<BTreeSet<HostName>, StoreError> {
    let held = [State::Entering, State::Empty, State::InMaintenance].map(State::as_str);
    let hosts: Vec<HostName> = maintenances::table
        .filter(maintenances::state.eq_any(held))
        .select(maintenances::host)
        .load(connection)?;
    Ok(hosts.into_iter().collect())
}
