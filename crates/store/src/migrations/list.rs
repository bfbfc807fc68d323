//! Lists of migrations, as `/os-migrations` asks for them.

use std::cmp::Ordering;

use diesel::dsl::not;
use diesel::prelude::*;
use godwit_core::ids::{MigrationUuid, ServerUuid};
use godwit_core::time::Timestamp;

use super::listed::{Listed, ListedMigration};
use crate::columns::{instant, storable, text};
use crate::connection::{Database, MultiBackend};
use crate::schema::migrations;
use crate::{Store, StoreError};

/// Conditions, all of which a migration must meet. Deleted and hidden rows never do.
///
/// Words that come from a caller stay text: one that is no status or no host name simply
/// matches nothing.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct MigrationFilter {
    /// Exactly this status; case sensitive.
    pub status: Option<String>,
    /// Source or destination; overrides [`Self::source_compute`].
    pub host: Option<String>,
    /// Exactly this source.
    pub source_compute: Option<String>,
    /// Exactly this type; case sensitive.
    pub migration_type: Option<String>,
    /// Exactly this server.
    pub server: Option<ServerUuid>,
    /// Changed at or after; rows that never changed do not match.
    pub changes_since: Option<Timestamp>,
    /// Changed at or before; rows that never changed do not match.
    pub changes_before: Option<Timestamp>,
    /// Exactly this requester.
    pub user_id: Option<String>,
    /// Exactly this requester's project.
    pub project_id: Option<String>,
    /// Exactly this server's project.
    pub server_project_id: Option<String>,
}

/// Which part of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Paging {
    /// All of it, by ascending id.
    Unpaged,
    /// The newest first, by (`created_at`, `id`).
    Page {
        /// At most so many.
        limit: i64,
        /// Only what follows this migration, which may itself be hidden, deleted or outside
        /// the filter.
        marker: Option<MigrationUuid>,
    },
}

/// No list.
#[derive(Debug, thiserror::Error)]
pub enum MigrationListError {
    /// There is no migration with the marker's uuid.
    #[error("there is no migration {0} to continue after")]
    MarkerNotFound(MigrationUuid),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

pub(super) type Rows<'a> = migrations::BoxedQuery<'a, MultiBackend>;

/// What a list consists of.
pub(super) trait Item: Sized {
    /// Reads all that there are of some rows.
    fn load(connection: &mut Database, rows: Rows<'_>) -> Result<Vec<Self>, StoreError>;
    /// How the places of two in the list compare: the greater comes first.
    fn compare(&self, other: &Self) -> Ordering;
}

impl Item for ListedMigration {
    fn load(connection: &mut Database, rows: Rows<'_>) -> Result<Vec<Self>, StoreError> {
        Ok(rows.select(Listed).load(connection)?)
    }

    fn compare(&self, other: &Self) -> Ordering {
        (self.created_at(), self.id).cmp(&(other.created_at(), other.id))
    }
}

impl MigrationFilter {
    /// Is there something that no row can hold?
    pub(super) fn impossible(&self) -> bool {
        [
            &self.status,
            &self.host,
            &self.source_compute,
            &self.migration_type,
            &self.user_id,
            &self.project_id,
            &self.server_project_id,
        ]
        .into_iter()
        .flatten()
        .any(|text| !storable(text))
    }

    /// The rows that match, but for the host.
    fn rows(&self) -> Rows<'_> {
        let mut rows = migrations::table
            .filter(migrations::deleted_at.is_null())
            .filter(migrations::hidden.eq(false))
            .into_boxed();
        if let Some(status) = &self.status {
            rows = rows.filter(migrations::status.eq(status));
        }
        if let (Some(source), None) = (&self.source_compute, &self.host) {
            rows = rows.filter(migrations::source_compute.eq(source));
        }
        if let Some(kind) = &self.migration_type {
            rows = rows.filter(migrations::migration_type.eq(kind));
        }
        if let Some(server) = self.server {
            rows = rows.filter(migrations::instance_uuid.eq(text(server)));
        }
        if let Some(since) = self.changes_since {
            rows = rows.filter(migrations::updated_at.ge(instant(since)));
        }
        if let Some(before) = self.changes_before {
            // Nothing changes before it is created, and only that bounds the walk.
            rows = rows
                .filter(migrations::updated_at.le(instant(before)))
                .filter(migrations::created_at.le(instant(before)));
        }
        if let Some(user) = &self.user_id {
            rows = rows.filter(migrations::user_id.eq(user));
        }
        if let Some(project) = &self.project_id {
            rows = rows.filter(migrations::project_id.eq(project));
        }
        if let Some(project) = &self.server_project_id {
            rows = rows.filter(migrations::server_project_id.eq(project));
        }
        rows
    }

    /// All queries that together give the list. A host is looked for as source and as
    /// destination apart: each then walks an index in the order of the list, where one query
    /// for both would have to sort everything the host ever took part in.
    pub(super) fn queries(&self) -> Vec<Rows<'_>> {
        match &self.host {
            None => vec![self.rows()],
            Some(host) => vec![
                self.rows().filter(migrations::source_compute.eq(host)),
                self.rows()
                    .filter(migrations::dest_compute.eq(host))
                    .filter(migrations::source_compute.ne(host)),
            ],
        }
    }
}

fn load_all(
    connection: &mut Database,
    filter: &MigrationFilter,
) -> Result<Vec<ListedMigration>, StoreError> {
    let mut records: Vec<ListedMigration> = Vec::new();
    for rows in filter.queries() {
        records.append(&mut ListedMigration::load(connection, rows)?);
    }
    records.sort_by_key(|record| record.id);
    Ok(records)
}

/// Where a page begins, and how long it may become.
pub(super) struct Page {
    pub(super) limit: i64,
    /// Only what follows this place.
    pub(super) after: Option<(Timestamp, i64)>,
}

impl Page {
    pub(super) fn load<T: Item>(
        &self,
        connection: &mut Database,
        filter: &MigrationFilter,
    ) -> Result<Vec<T>, StoreError> {
        let mut found: Vec<T> = Vec::new();
        for rows in filter.queries() {
            let rows = match filter.changes_since {
                None => rows,
                Some(since) => rows.filter(migrations::created_at.ge(instant(since))),
            };
            let mut newest = self.newest(connection, rows)?;
            if found.is_empty() {
                found = newest;
            } else {
                found.append(&mut newest);
            }
        }
        // What changed since is, first, what was created since: a walk by age. Only where that
        // does not fill the page follows what was older and changed: few, found by their
        // change. One query for both would make the database choose one walk for all, and be
        // wrong with either for some.
        let full = i64::try_from(found.len()).is_ok_and(|found| found >= self.limit);
        if let (Some(since), false) = (filter.changes_since, full) {
            for rows in filter.queries() {
                let older = not(migrations::created_at.ge(instant(since)));
                found.extend(T::load(connection, self.follow(rows.filter(older)))?);
            }
        }
        found.sort_by(|a, b| b.compare(a));
        found.truncate(usize::try_from(self.limit).unwrap_or_default());
        Ok(found)
    }

    fn newest<T: Item>(
        &self,
        connection: &mut Database,
        rows: Rows<'_>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = self
            .follow(rows)
            .order((migrations::created_at.desc(), migrations::id.desc()))
            .limit(self.limit);
        T::load(connection, rows)
    }

    fn follow<'a>(&self, rows: Rows<'a>) -> Rows<'a> {
        let Some((created, id)) = self.after else {
            return rows;
        };
        let older = migrations::created_at.lt(instant(created));
        // The first condition alone bounds the walk through the index. What is older mostly has a
        // lesser id as well, which SQLite finds out without taking texts for numbers.
        rows.filter(migrations::created_at.le(instant(created)))
            .filter(migrations::id.lt(id).or(older))
    }
}

impl Store {
    /// Migrations of all servers.
    pub async fn migration_list(
        &self,
        filter: &MigrationFilter,
        paging: Paging,
    ) -> Result<Vec<ListedMigration>, MigrationListError> {
        let filter = filter.clone();
        self.read(move |connection| {
            let (limit, marker) = match paging {
                Paging::Unpaged if filter.impossible() => return Ok(Vec::new()),
                Paging::Unpaged => return Ok(load_all(connection, &filter)?),
                Paging::Page { limit, marker } => (limit, marker),
            };
            let after = match marker {
                None => None,
                Some(marker) => Some(
                    migrations::table
                        .filter(migrations::uuid.eq(text(marker)))
                        .select((migrations::created_at, migrations::id))
                        .first(connection)
                        .optional()
                        .map_err(StoreError::from)?
                        .ok_or(MigrationListError::MarkerNotFound(marker))?,
                ),
            };
            if limit <= 0 || filter.impossible() {
                return Ok(Vec::new());
            }
            Ok(Page { limit, after }.load(connection, &filter)?)
        })
        .await
    }
}
