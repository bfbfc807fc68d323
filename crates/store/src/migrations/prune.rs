//! Migrations that were kept for long enough, which are removed with all that was written of them.

use diesel::prelude::*;
use godwit_core::effect::SubjectKind;
use godwit_core::time::Timestamp;

use crate::columns::instant;
use crate::connection::Database;
use crate::prepared::Prepare as _;
use crate::schema::{effects, events, migrations};
use crate::{Store, StoreError, dialect};

fn prune(connection: &mut Database, before: Timestamp, limit: i64) -> Result<usize, StoreError> {
    let ids = dialect::pruning::prunable_migrations(connection, instant(before), limit)?;
    let of_migrations = SubjectKind::Migration.as_str();
    for id in &ids {
        diesel::delete(events::table)
            .filter(events::subject_kind.eq(of_migrations))
            .filter(events::subject_id.eq(*id))
            .prepared()
            .execute(connection)?;
        diesel::delete(effects::table)
            .filter(effects::subject_kind.eq(of_migrations))
            .filter(effects::subject_id.eq(*id))
            .prepared()
            .execute(connection)?;
        diesel::delete(migrations::table)
            .filter(migrations::id.eq(*id))
            .prepared()
            .execute(connection)?;
    }
    Ok(ids.len())
}

impl Store {
    /// Removes migrations that ended by `before` and whose events have expired, the longest ended
    /// first, `limit` at most; returns how many. Those stay that were imported, and those of a
    /// server that is on a move, was evacuated from a host that is not clean yet, or has an open
    /// discrepancy.
    pub async fn migrations_prune(
        &self,
        before: Timestamp,
        limit: i64,
    ) -> Result<usize, StoreError> {
        self.write(move |connection| prune(connection, before, limit))
            .await
    }
}
