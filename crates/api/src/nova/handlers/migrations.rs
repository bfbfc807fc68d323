//! `GET /os-migrations`: every migration there is (`contract: migrations.md §3`).
//!
//! Hidden rows are left out by the query itself, so a page is never cut short by them. Words
//! are compared exactly.

use godwit_core::ids::{MigrationUuid, ServerUuid};
use godwit_store::{ListedMigration, MigrationFilter, MigrationListError, Paging};

use super::paging::{changes, limit, next, unstorable};
use super::{Answer, ApiError, Reply, milestone, rules};
use crate::http::query::boolean;
use crate::nova::call::{Call, read_uuid};
use crate::nova::views::migration::MigrationView;

pub async fn index(call: &Call) -> Answer {
    call.caller.enforce_own(rules::MIGRATIONS_INDEX)?;
    // Somebody else's migrations, or everybody's?
    if call
        .query
        .last("project_id")
        .is_none_or(|asked| Some(asked) != call.caller.project_id())
    {
        call.caller.enforce_own(rules::MIGRATIONS_INDEX_ALL)?;
    }
    let hosts = call.caller.permits_own(rules::MIGRATIONS_INDEX_HOST);
    let records = match filter(call)? {
        Some(filter) => list(call, &filter).await?,
        None => Vec::new(),
    };
    let view = |record| MigrationView::new(record, call.version, hosts, &call.links);
    let last = records
        .last()
        .and_then(|record| record.uuid().map(str::to_owned));
    let pages = call.version >= milestone::MIGRATION_PAGES;
    let next = next(call, "os-migrations", records.len(), last.filter(|_| pages));
    Reply::page("migrations", records.iter().map(view), next)
}

async fn list(call: &Call, filter: &MigrationFilter) -> Result<Vec<ListedMigration>, ApiError> {
    let paging = if call.version < milestone::MIGRATION_PAGES {
        Paging::Unpaged
    } else {
        let marker = call.query.last("marker").filter(|text| !text.is_empty());
        let known = |text| read_uuid(text).ok_or_else(|| no_such_marker(text));
        let marker = marker.map(known).transpose()?.map(MigrationUuid);
        match limit(call) {
            0 => return Ok(Vec::new()),
            limit => Paging::Page { limit, marker },
        }
    };
    call.state
        .store
        .migration_list(filter, paging)
        .await
        .map_err(|error| match error {
            MigrationListError::MarkerNotFound(marker) => no_such_marker(&marker.to_string()),
            MigrationListError::Store(error) => error.into(),
        })
}

fn no_such_marker(text: &str) -> ApiError {
    ApiError::BadRequest(format!("Marker {text} could not be found."))
}

/// What the query asks for; `None` where nothing can match.
fn filter(call: &Call) -> Result<Option<MigrationFilter>, ApiError> {
    let text = |name| call.query.last(name).map(str::to_owned);
    let (changes_since, changes_before) = changes(|name| call.query.last(name))?;
    let server = call.query.last("instance_uuid");
    let impossible = call.query.pairs().any(|(_, value)| unstorable(value))
        || call.query.last("hidden").is_some_and(wants_hidden)
        || server.is_some_and(|server| read_uuid(server).is_none());
    if impossible {
        return Ok(None);
    }
    Ok(Some(MigrationFilter {
        status: text("status"),
        host: text("host"),
        source_compute: text("source_compute"),
        migration_type: text("migration_type"),
        server: server.and_then(read_uuid).map(ServerUuid),
        changes_since,
        changes_before,
        user_id: text("user_id"),
        project_id: text("project_id"),
    }))
}

/// Hidden rows are never listed, so whoever wants only them gets none.
fn wants_hidden(text: &str) -> bool {
    boolean(text) == Some(true)
}
