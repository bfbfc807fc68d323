//! Migrations with everything that is recorded of them.

use std::cmp::Ordering;
use std::collections::HashMap;

use diesel::prelude::*;
use godwit_core::fence::{FENCE_PROOF, FenceProof};
use godwit_core::ids::MigrationUuid;
use godwit_core::status::MigrationKind;
use godwit_core::time::Timestamp;
use serde::Deserialize as _;

use super::list::{Item, Page, Rows};
use super::row::MigrationRow;
use super::{MigrationFilter, MigrationRecord};
use crate::columns::{storable, text};
use crate::connection::Database;
use crate::schema::migrations;
use crate::{HeldClaim, MigrationEvent, OfRun, Store, StoreError, events, reservations, runs};

/// A migration, and what is recorded beside its row.
#[derive(Clone, PartialEq, Debug)]
pub struct MigrationDetail {
    /// Its row.
    pub record: MigrationRecord,
    /// Whose server it is of; `None` where there is no such server.
    pub server_project_id: Option<String>,
    /// The room that it holds.
    pub claims: Vec<HeldClaim>,
    /// The run whose operation has started it.
    pub run: Option<OfRun>,
    /// What proved to an evacuation that its source was dead, where it came to rest on that.
    pub fence_proof: Option<FenceProof>,
    /// Its log, in order; empty where it was not asked for.
    pub timeline: Vec<MigrationEvent>,
}

/// What names one migration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MigrationKey {
    /// Its uuid.
    Uuid(MigrationUuid),
    /// Nova's integer id.
    Id(i64),
}

/// A part of a list, the newest first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MigrationPage {
    /// At most so many.
    pub limit: i64,
    /// Only what follows the migration that was created then and has this integer id. It may be
    /// gone.
    pub after: Option<(Timestamp, i64)>,
    /// Are the logs wanted?
    pub timeline: bool,
}

/// A row, and whose server it is of.
struct Owned {
    record: MigrationRecord,
    server_project_id: Option<String>,
}

impl Item for Owned {
    fn load(connection: &mut Database, rows: Rows<'_>) -> Result<Vec<Self>, StoreError> {
        let rows: Vec<(MigrationRow, Option<String>)> = rows
            .select((MigrationRow::as_select(), migrations::server_project_id))
            .load(connection)?;
        rows.into_iter()
            .map(|(row, server_project_id)| {
                Ok(Self {
                    record: row.try_into()?,
                    server_project_id,
                })
            })
            .collect()
    }

    fn compare(&self, other: &Self) -> Ordering {
        let place = |it: &Self| (it.record.created_at, it.record.id);
        place(self).cmp(&place(other))
    }
}

/// The proof that a log has, of a release that wrote it down.
fn proof_in(log: &[MigrationEvent]) -> Option<FenceProof> {
    let proofs = log.iter().rev().map(|line| &line.detail[FENCE_PROOF]);
    proofs
        .filter(|it| !it.is_null())
        .find_map(|it| FenceProof::deserialize(it).ok())
}

/// Reads what stands beside the rows: of all of them at once.
fn complete(
    connection: &mut Database,
    rows: Vec<Owned>,
    timeline: bool,
) -> Result<Vec<MigrationDetail>, StoreError> {
    let ids: Vec<i64> = rows.iter().map(|row| row.record.id).collect();
    let uuids: Vec<MigrationUuid> = rows.iter().map(|row| row.record.migration.uuid).collect();
    let mut claims: HashMap<MigrationUuid, Vec<HeldClaim>> = HashMap::new();
    for claim in reservations::claims_of(connection, &ids)? {
        claims.entry(claim.migration).or_default().push(claim);
    }
    let evacuates = |row: &&Owned| row.record.migration.kind == MigrationKind::Evacuation;
    let logged: Vec<i64> = match timeline {
        true => ids,
        // What an evacuation rests on stands in its log alone.
        false => rows
            .iter()
            .filter(evacuates)
            .map(|row| row.record.id)
            .collect(),
    };
    let mut logs = events::logs_of(connection, &logged)?;
    let mut runs = runs::of_migrations(connection, &uuids)?;
    let with_details = |row: Owned| {
        let mut log = logs.remove(&row.record.id).unwrap_or_default();
        let fence_proof = proof_in(&log).filter(|_| evacuates(&&row));
        if !timeline {
            log.clear();
        }
        MigrationDetail {
            claims: claims
                .remove(&row.record.migration.uuid)
                .unwrap_or_default(),
            run: runs.remove(&row.record.migration.uuid),
            fence_proof,
            timeline: log,
            server_project_id: row.server_project_id,
            record: row.record,
        }
    };
    Ok(rows.into_iter().map(with_details).collect())
}

/// All that have not ended, of servers of `project` or of all, oldest first, without their logs.
pub(crate) fn load_unfinished(
    connection: &mut Database,
    project: Option<&str>,
) -> Result<Vec<MigrationDetail>, StoreError> {
    if project.is_some_and(|project| !storable(project)) {
        return Ok(Vec::new());
    }
    let mut rows = migrations::table
        .filter(migrations::ended_at.is_null())
        .filter(migrations::deleted_at.is_null())
        .into_boxed();
    if let Some(project) = project {
        rows = rows.filter(migrations::server_project_id.eq(project));
    }
    let rows = Owned::load(
        connection,
        rows.order((migrations::created_at, migrations::id)),
    )?;
    complete(connection, rows, false)
}

impl Store {
    /// Migrations of all servers, the newest first.
    pub async fn migration_detail_list(
        &self,
        filter: &MigrationFilter,
        page: MigrationPage,
    ) -> Result<Vec<MigrationDetail>, StoreError> {
        if filter.impossible() || page.limit <= 0 {
            return Ok(Vec::new());
        }
        let filter = filter.clone();
        let MigrationPage {
            limit,
            after,
            timeline,
        } = page;
        self.read(move |connection| {
            let rows = Page { limit, after }.load(connection, &filter)?;
            complete(connection, rows, timeline)
        })
        .await
    }

    /// How many migrations a list has in all. Takes the longer, the more there are.
    pub async fn migration_count(&self, filter: &MigrationFilter) -> Result<i64, StoreError> {
        if filter.impossible() {
            return Ok(0);
        }
        let filter = filter.clone();
        self.read(move |connection| {
            let mut all = 0;
            for rows in filter.queries() {
                let some: i64 = rows.count().get_result(connection)?;
                all += some;
            }
            Ok(all)
        })
        .await
    }

    /// One migration, unless deleted, or of a server of another project than `project` (where
    /// given).
    pub async fn migration_detail(
        &self,
        key: MigrationKey,
        project: Option<&str>,
    ) -> Result<Option<MigrationDetail>, StoreError> {
        if project.is_some_and(|project| !storable(project)) {
            return Ok(None);
        }
        let project = project.map(str::to_owned);
        self.read(move |connection| {
            let mut rows = migrations::table
                .filter(migrations::deleted_at.is_null())
                .into_boxed();
            rows = match key {
                MigrationKey::Uuid(uuid) => rows.filter(migrations::uuid.eq(text(uuid))),
                MigrationKey::Id(id) => rows.filter(migrations::id.eq(id)),
            };
            if let Some(project) = &project {
                rows = rows.filter(migrations::server_project_id.eq(project));
            }
            let rows = Owned::load(connection, rows)?;
            Ok(complete(connection, rows, true)?.pop())
        })
        .await
    }
}
