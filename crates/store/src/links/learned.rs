//! What streams were seen to achieve.

use diesel::prelude::*;
use godwit_core::host::link::learn;
use godwit_core::ids::{HostName, MigrationUuid};
use godwit_core::slots::SlotRole;

use super::{known, taken};
use crate::columns::text;
use crate::connection::Database;
use crate::prepared::Prepare as _;
use crate::schema::{hosts, migrations, slots};
use crate::{Store, StoreError, dialect};

fn stream_of(connection: &mut Database, host: &HostName) -> Result<Option<u64>, StoreError> {
    let found: Option<Option<i64>> = hosts::table
        .filter(hosts::name.eq(host.as_str()))
        .select(hosts::stream_bytes_per_second)
        .first(connection)
        .optional()?;
    Ok(known(found.flatten()))
}

fn put(connection: &mut Database, host: &HostName, rate: u64) -> Result<(), StoreError> {
    let rate = i64::try_from(rate).unwrap_or(i64::MAX);
    diesel::update(hosts::table.filter(hosts::name.eq(host.as_str())))
        .set(hosts::stream_bytes_per_second.eq(rate))
        .prepared()
        .execute(connection)?;
    Ok(())
}

impl Store {
    /// A migration's stream was seen to achieve `rate` bytes a second: what is known of its hosts is
    /// written anew, and where it has both links for itself it keeps no more of them than that. One
    /// that holds no slots says nothing.
    pub async fn stream_seen(&self, migration: MigrationUuid, rate: u64) -> Result<(), StoreError> {
        self.write(move |connection| {
            let rows: Vec<(i64, SlotRole, HostName)> = slots::table
                .inner_join(migrations::table)
                .filter(migrations::uuid.eq(text(migration)))
                .select((slots::migration_id, slots::role, slots::host))
                .load(connection)?;
            let end = |role| rows.iter().find(|row| row.1 == role);
            let (Some((id, _, source)), Some((_, _, destination))) =
                (end(SlotRole::Source), end(SlotRole::Destination))
            else {
                return Ok(());
            };
            dialect::lock_hosts(connection, &[source.as_str(), destination.as_str()])?;
            let is_alone = taken(connection, *id, (source, destination))?.is_empty();
            let before = [
                stream_of(connection, source)?,
                stream_of(connection, destination)?,
            ];
            let after = learn(before, rate, is_alone);
            for (host, (before, after)) in [source, destination]
                .into_iter()
                .zip(before.into_iter().zip(after))
            {
                if let Some(rate) = after.filter(|_| after != before) {
                    put(connection, host, rate)?;
                }
            }
            if is_alone {
                let rate = i64::try_from(rate).unwrap_or(i64::MAX);
                diesel::update(slots::table.filter(slots::migration_id.eq(*id)))
                    .filter(slots::bytes_per_second.gt(rate))
                    .set(slots::bytes_per_second.eq(rate))
                    .prepared()
                    .execute(connection)?;
            }
            Ok(())
        })
        .await
    }
}
