//! What becomes of imported migrations once their hosts speak for themselves, and which others are
//! history like them.

use diesel::prelude::*;
use godwit_core::ids::{HostName, MigrationUuid};
use godwit_core::status::{MigrationKind, MigrationStatus};
use godwit_core::time::Timestamp;

use crate::columns::{instant, instants};
use crate::connection::Database;
use crate::schema::migrations;
use crate::{StoreError, effects, reservations};

/// `host` is back: evacuations from it that were done are over. Nothing is cleaned up for them:
/// since Nova recorded them, a guest may have come back for good. Copies that should not be
/// there are found by the host's inventory, and are questions then.
pub(crate) fn source_returned(
    connection: &mut Database,
    host: &HostName,
    at: Timestamp,
) -> Result<(), StoreError> {
    diesel::update(migrations::table)
        .filter(migrations::imported.eq(true))
        .filter(migrations::migration_type.eq(MigrationKind::Evacuation.as_str()))
        .filter(migrations::status.eq(MigrationStatus::Done.as_str()))
        .filter(migrations::source_compute.eq(host.as_str()))
        .set((
            migrations::status.eq(MigrationStatus::Completed.as_str()),
            migrations::status_since.eq(instant(at)),
            migrations::updated_at.eq(instant(at)),
            migrations::generation.eq(migrations::generation + 1),
        ))
        .execute(connection)?;
    Ok(())
}

/// Evacuations and cold moves that are not over become as if they had been imported: nobody drives
/// them. What they hold is free, and what they were to do is not done. Returns which.
pub(crate) fn disown(
    connection: &mut Database,
    at: Timestamp,
) -> Result<Vec<MigrationUuid>, StoreError> {
    let kinds = [
        MigrationKind::Evacuation,
        MigrationKind::Migration,
        MigrationKind::Resize,
    ];
    let is_open = migrations::ended_at
        .is_null()
        .or(migrations::status.eq(MigrationStatus::Done.as_str()));
    let open: Vec<(i64, MigrationUuid)> = migrations::table
        .filter(migrations::imported.eq(false))
        .filter(migrations::migration_type.eq_any(kinds.map(MigrationKind::as_str)))
        .filter(is_open)
        .order(migrations::id)
        .select((migrations::id, migrations::uuid))
        .load(connection)?;
    for (id, _) in &open {
        effects::supersede(connection, *id, None, at)?;
        reservations::release(connection, *id)?;
        diesel::update(migrations::table.find(*id))
            .set((
                migrations::imported.eq(true),
                // So that nobody can tell an agent where it goes.
                migrations::storage.eq(None::<&str>),
                migrations::deadline.eq(instants(None)),
                migrations::updated_at.eq(instant(at)),
                migrations::generation.eq(migrations::generation + 1),
            ))
            .execute(connection)?;
    }
    Ok(open.into_iter().map(|(_, uuid)| uuid).collect())
}
