//! Where servers are by now that the maintenance of a host still knows.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use diesel::prelude::*;
use godwit_core::host::maintenance::Standing;
use godwit_core::ids::{HostName, MigrationUuid, ServerUuid};
use godwit_core::plan::PlanKind;
use godwit_core::server::VmState;
use godwit_core::status::MigrationStatus;

use crate::among::{among, load_all};
use crate::columns::text;
use crate::connection::Database;
use crate::schema::{migrations, operations, runs, servers};
use crate::{MaintenanceRecord, Store, StoreError};

/// The statuses of moves that have put a server on their destination.
const ARRIVED: [MigrationStatus; 4] = [
    MigrationStatus::Completed,
    MigrationStatus::Finished,
    MigrationStatus::Confirmed,
    MigrationStatus::Done,
];

/// The last move that put a server on `host`, if the last one of all that arrived did.
fn last_move(
    connection: &mut Database,
    server: ServerUuid,
    host: &HostName,
) -> Result<Option<MigrationUuid>, StoreError> {
    let last: Option<(Option<HostName>, MigrationUuid)> = migrations::table
        .filter(migrations::instance_uuid.eq(text(server)))
        .filter(migrations::status.eq_any(ARRIVED.map(MigrationStatus::as_str)))
        .order((migrations::created_at.desc(), migrations::id.desc()))
        .select((migrations::dest_compute, migrations::uuid))
        .first(connection)
        .optional()?;
    let last = last.filter(|(to, _)| to.as_ref() == Some(host));
    Ok(last.map(|(_, uuid)| uuid))
}

/// Those of some moves that are part of a run that works for some host's maintenance.
fn of_maintenance(
    connection: &mut Database,
    moves: Vec<String>,
) -> Result<BTreeSet<MigrationUuid>, StoreError> {
    let kinds = [
        PlanKind::Maintenance,
        PlanKind::Rolling,
        PlanKind::ReturnHome,
    ];
    let kinds = kinds.map(PlanKind::as_str);
    let found: Vec<Option<MigrationUuid>> = load_all!(connection, moves, |moves| {
        operations::table
            .inner_join(runs::table.on(runs::plan_id.eq(operations::plan_id)))
            .filter(among(operations::migration_uuid.assume_not_null(), moves))
            .filter(runs::kind.eq_any(kinds))
            .select(operations::migration_uuid)
    });
    Ok(found.into_iter().flatten().collect())
}

/// Is it there, and off?
pub(super) fn is_off(connection: &mut Database, server: ServerUuid) -> Result<bool, StoreError> {
    let found: Option<VmState> = servers::table
        .filter(servers::uuid.eq(text(server)))
        .filter(servers::deleted_at.is_null())
        .select(servers::vm_state)
        .first(connection)
        .optional()?;
    Ok(found.is_some_and(is_state_off))
}

/// One that is broken is not known to run.
const fn is_state_off(state: VmState) -> bool {
    matches!(state, VmState::Stopped | VmState::Error)
}

/// Of all that are known.
fn standings(
    connection: &mut Database,
    home: &HostName,
    known: &BTreeSet<ServerUuid>,
) -> Result<BTreeMap<ServerUuid, Standing>, StoreError> {
    let uuids: Vec<String> = known.iter().map(text).collect();
    let found: Vec<(ServerUuid, Option<HostName>, VmState)> =
        load_all!(connection, uuids, |uuids| {
            servers::table
                .filter(among(servers::uuid, uuids))
                .filter(servers::deleted_at.is_null())
                .select((servers::uuid, servers::host, servers::vm_state))
        });
    let off = found.iter().filter(|(_, _, state)| is_state_off(*state));
    let off: BTreeSet<ServerUuid> = off.map(|(server, ..)| *server).collect();
    let hosts = found.into_iter().map(|(server, host, _)| (server, host));
    let mut hosts: HashMap<ServerUuid, Option<HostName>> = hosts.collect();
    let mut all = BTreeMap::new();
    for server in known {
        let host = hosts.remove(server).flatten();
        let last = match host.as_ref().filter(|host| *host != home) {
            Some(host) => last_move(connection, *server, host)?,
            None => None,
        };
        all.insert(*server, (host, last));
    }
    let moves = all.values().filter_map(|(_, last)| last.map(text));
    let planned = of_maintenance(connection, moves.collect())?;
    let standing = |(server, (host, last)): (ServerUuid, (_, Option<MigrationUuid>))| {
        let standing = Standing {
            host,
            by_maintenance: last.is_some_and(|uuid| planned.contains(&uuid)),
            is_off: off.contains(&server),
        };
        (server, standing)
    };
    Ok(all.into_iter().map(standing).collect())
}

impl Store {
    /// Where those servers are by now that a host's maintenance still knows, whether a maintenance has
    /// put them there, and whether they are off.
    pub async fn maintenance_standings(
        &self,
        record: &MaintenanceRecord,
    ) -> Result<BTreeMap<ServerUuid, Standing>, StoreError> {
        let (host, known) = (record.host.clone(), record.maintenance.known());
        if known.is_empty() {
            return Ok(BTreeMap::new());
        }
        self.read_snapshot(move |connection| standings(connection, &host, &known))
            .await
    }
}
