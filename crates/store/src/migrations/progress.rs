//! Progress ticks: columns of their own, many migrations per write, and never the generation.

use std::collections::BTreeMap;

use diesel::prelude::*;
use godwit_core::ids::{MigrationUuid, ServerUuid};
use godwit_core::time::Timestamp;

use super::Progress;
use crate::columns::{instant, text};
use crate::connection::Database;
use crate::prepared::Prepare as _;
use crate::schema::servers;
use crate::{Store, StoreError, dialect};

/// One look at one migration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct ProgressSample {
    pub migration: MigrationUuid,
    pub progress: Progress,
    pub at: Timestamp,
}

/// A sample as the statement reads it: see [`dialect::update_progress`].
fn row(sample: &ProgressSample) -> serde_json::Value {
    let Progress {
        memory,
        disk,
        dirty_rate,
        throughput,
        downtime_ms,
    } = sample.progress;
    serde_json::json!({
        "uuid": sample.migration,
        "at": instant(sample.at).format("%F %T%.f").to_string(),
        "percent": sample.progress.percent(),
        "memory_total": memory.map(|it| it.total),
        "memory_processed": memory.map(|it| it.processed),
        "memory_remaining": memory.map(|it| it.remaining),
        "disk_total": disk.map(|it| it.total),
        "disk_processed": disk.map(|it| it.processed),
        "disk_remaining": disk.map(|it| it.remaining),
        "dirty_rate": dirty_rate,
        "measured_dirty_rate": sample.progress.measured_dirty_rate(),
        "throughput": throughput,
        "downtime_ms": downtime_ms,
    })
}

/// Writes the server's share of figures within the transaction that writes the migration's. The
/// server is locked.
pub(super) fn write_server(
    connection: &mut Database,
    server: i64,
    progress: &Progress,
    at: Timestamp,
) -> Result<(), StoreError> {
    diesel::update(servers::table.find(server))
        .set((
            servers::progress.eq(i64::from(progress.percent())),
            servers::updated_at.eq(instant(at)),
            progress
                .measured_dirty_rate()
                .map(|rate| servers::dirty_bytes_per_second.eq(rate)),
        ))
        .prepared()
        .execute(connection)?;
    Ok(())
}

impl Store {
    /// Writes what servers dirty of their memory, in bytes a second, of which no move has measured
    /// it yet.
    pub async fn servers_measured(&self, rates: Vec<(ServerUuid, i64)>) -> Result<(), StoreError> {
        self.write(move |connection| {
            for (server, rate) in &rates {
                diesel::update(servers::table)
                    .filter(servers::uuid.eq(text(*server)))
                    .filter(servers::dirty_bytes_per_second.is_null())
                    .set(servers::dirty_bytes_per_second.eq(rate))
                    .prepared()
                    .execute(connection)?;
            }
            Ok(())
        })
        .await
    }

    /// Writes samples: the migrations' columns and `updated_at`, and their servers' `progress` and
    /// what was measured of them.
    /// Of several samples of one migration the last counts. Migrations that have ended, or do
    /// not exist, are left alone.
    pub async fn migrations_progress(
        &self,
        samples: Vec<ProgressSample>,
    ) -> Result<(), StoreError> {
        let latest: BTreeMap<MigrationUuid, ProgressSample> = samples
            .into_iter()
            .map(|sample| (sample.migration, sample))
            .collect();
        if latest.is_empty() {
            return Ok(());
        }
        let rows: Vec<_> = latest.values().map(row).collect();
        let rows = serde_json::Value::Array(rows).to_string();
        let again = rows.clone();
        // Two transactions: neither then holds a migration's row while it waits for a server's.
        self.write_statement(move |connection| {
            dialect::update_progress(connection, &rows)?;
            Ok(())
        })
        .await?;
        self.write_statement(move |connection| {
            dialect::update_server_progress(connection, &again)?;
            Ok(())
        })
        .await
    }
}
