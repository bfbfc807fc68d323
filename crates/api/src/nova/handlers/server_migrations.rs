//! A server's live migrations in progress: list, show, abort, complete by force
//! (`contract: migrations.md §2`).
//!
//! Abort and force only leave an intent: what they check, they check again inside the
//! transaction that writes it, and what they answered 202 for is then durable.

mod requests;

use godwit_core::status::MigrationKind;
use godwit_store::MigrationSummary;

use self::requests::{ABORT, FORCE_COMPLETE};
use super::{Answer, ApiError, Call, Reply, rules};
use crate::nova::views::server_migration::ServerMigrationView;

pub async fn index(call: &Call) -> Answer {
    let found = call
        .server_migrations()
        .await?
        .allow(call, rules::SERVER_MIGRATIONS_INDEX)?;
    let records = &found.resource;
    // Nobody asks who may see the hosts of nothing.
    let hosts = !records.is_empty()
        && call
            .caller
            .permits(rules::SERVER_MIGRATIONS_INDEX_HOST, &found.target);
    let view = |record| ServerMigrationView::new(record, call.version, hosts);
    Reply::list("migrations", records.iter().map(view))
}

/// `GET …/migrations/{id}`: only while in progress, and always with its hosts.
pub async fn show(call: &Call) -> Answer {
    let found = call
        .server_migration()
        .await?
        .allow(call, rules::SERVER_MIGRATIONS_SHOW)?;
    let record = shown(call, found.resource)?;
    let migration = ServerMigrationView::new(&record, call.version, true);
    Reply::document("migration", &migration)
}

fn shown(call: &Call, record: Option<MigrationSummary>) -> Result<MigrationSummary, ApiError> {
    let (mid, sid) = (&call.ids.migration, &call.ids.server);
    let gone = |text: String| Err(ApiError::NotFound(text));
    match record {
        None => gone(format!(
            "In-progress live migration {mid} is not found for server {sid}."
        )),
        Some(record) if record.kind != MigrationKind::LiveMigration => gone(format!(
            "Migration {mid} for server {sid} is not live-migration."
        )),
        Some(record) if !record.status.is_in_progress() => gone(format!(
            "Live migration {mid} for server {sid} is not in progress."
        )),
        Some(record) => Ok(record),
    }
}

pub async fn abort(call: &Call) -> Answer {
    requests::record(call, &ABORT).await
}

/// `POST …/migrations/{id}/action` with `force_complete`.
pub async fn force_complete(call: &Call) -> Answer {
    requests::record(call, &FORCE_COMPLETE).await
}
