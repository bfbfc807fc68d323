//! What becomes of imported migrations once their hosts speak for themselves.

use diesel::prelude::*;
use godwit_core::ids::HostName;
use godwit_core::status::{MigrationKind, MigrationStatus};
use godwit_core::time::Timestamp;

use crate::StoreError;
use crate::columns::instant;
use crate::connection::Database;
use crate::schema::migrations;

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
