//! What may still arrive at a host, who is there, and whether anything may be sent there.

use std::collections::BTreeSet;

use diesel::prelude::*;
use godwit_core::effect::SubjectKind;
use godwit_core::host::maintenance::{Holder, State};
use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::power::PowerAction;
use godwit_core::status::{MigrationKind, MigrationStatus};

use crate::columns::Json;
use crate::connection::Database;
use crate::schema::{claims, effects, maintenances, migrations, servers};
use crate::{CommitError, StoreError};

/// Placements that may still lead a guest here. The host is locked.
///
/// Whoever is on its way has claimed room. A cold move from here may come back as long as it has not
/// ended, and one that was imported if it waits for its confirmation. And a server that is here and is
/// being started will execute here. A live move from here is seen at the hypervisor to its end.
pub(super) fn placements_in_flight(
    connection: &mut Database,
    host: &HostName,
) -> Result<u32, StoreError> {
    let arriving: i64 = claims::table
        .inner_join(migrations::table)
        .filter(claims::host.eq(host.as_str()))
        .filter(migrations::source_compute.ne(host.as_str()))
        .count()
        .get_result(connection)?;
    let cold = [MigrationKind::Migration, MigrationKind::Resize].map(MigrationKind::as_str);
    let waits = migrations::status.eq(MigrationStatus::Finished.as_str());
    let returning: i64 = migrations::table
        .filter(migrations::source_compute.eq(host.as_str()))
        .filter(migrations::ended_at.is_null())
        .filter(migrations::deleted_at.is_null())
        .filter(migrations::migration_type.eq_any(cold))
        .filter(migrations::imported.eq(false).or(waits))
        .count()
        .get_result(connection)?;
    let starts = PowerAction::ALL.iter().filter(|it| it.starts_guest());
    let starts: Vec<&str> = starts.map(|it| it.as_str()).collect();
    let starting: i64 = effects::table
        .inner_join(servers::table.on(servers::id.eq(effects::subject_id)))
        .filter(effects::subject_kind.eq(SubjectKind::Server.as_str()))
        .filter(effects::done_at.is_null())
        .filter(effects::effect.eq_any(starts))
        .filter(servers::host.eq(host.as_str()))
        .count()
        .get_result(connection)?;
    let all = arriving.saturating_add(returning).saturating_add(starting);
    Ok(crate::plans::count(all))
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
    let found: Option<(State, Json<Vec<Holder>>)> = maintenances::table
        .filter(maintenances::host.eq(host.as_str()))
        .select((maintenances::state, maintenances::holders))
        .first(connection)
        .optional()
        .map_err(StoreError::from)?;
    match found {
        Some((State::Entering | State::Empty | State::InMaintenance, Json(holders))) => {
            Err(CommitError::InMaintenance {
                host: host.clone(),
                holders: holders.into_iter().map(|it| it.holder).collect(),
            })
        }
        Some((State::None | State::Leaving, _)) | None => Ok(()),
    }
}
