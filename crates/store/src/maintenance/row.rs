//! The row of a host's maintenance.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Text, Timestamp as SqlTimestamp};
use godwit_core::host::maintenance::{Evidence, Holder, Left, Maintenance, State, Work};
use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::plan::options::ReturnHome;
use godwit_core::run::Progress;
use godwit_core::time::Timestamp;

use super::{LeftReasons, MaintenanceRecord};
use crate::columns::{Json, instant, json};
use crate::connection::Database;
use crate::dialect::locks::{Lockable, lock};
use crate::plans::count;
use crate::prepared::Prepare as _;
use crate::schema::maintenances;
use crate::{Store, StoreError};

/// All that is read of a maintenance.
#[derive(Queryable, Selectable)]
#[diesel(table_name = maintenances)]
pub(super) struct MaintenanceRow {
    id: i64,
    host: HostName,
    state: State,
    holders: Json<Vec<Holder>>,
    work: Option<Json<Work>>,
    next: Option<Json<Work>>,
    servers_left: Json<BTreeMap<ServerUuid, Left>>,
    reasons: Json<LeftReasons>,
    home: Json<BTreeSet<ServerUuid>>,
    return_home: ReturnHome,
    evidence: Json<Evidence>,
    run_ended_at: Option<Timestamp>,
    retry_at: Option<Timestamp>,
    retries: i64,
    beside: Option<Json<Vec<Work>>>,
    cancelled_by: Option<String>,
    generation: i64,
    event_sequence: i64,
    created_at: Timestamp,
    updated_at: Option<Timestamp>,
    reached: i64,
    requests: i64,
}

impl From<MaintenanceRow> for MaintenanceRecord {
    fn from(row: MaintenanceRow) -> Self {
        Self {
            id: row.id,
            host: row.host,
            maintenance: Maintenance {
                state: row.state,
                holders: row.holders.0,
                work: row.work.map(|it| it.0),
                beside: row.beside.map(|it| it.0).unwrap_or_default(),
                next: row.next.map(|it| it.0),
                left: row.servers_left.0,
                home: row.home.0,
                return_home: row.return_home,
                evidence: row.evidence.0,
                run_ended_at: row.run_ended_at,
                retry_at: row.retry_at,
                retries: count(row.retries),
                cancelled_by: row.cancelled_by,
                generation: row.generation,
            },
            reasons: row.reasons.0,
            created_at: row.created_at,
            updated_at: row.updated_at,
            reached: percent(row.reached),
            requests: row.requests,
            event_sequence: row.event_sequence,
        }
    }
}

/// What a column says of progress that is not completed.
pub(super) fn percent(column: i64) -> Progress {
    let percent = u8::try_from(column.clamp(0, 100)).unwrap_or_default();
    Progress::NONE.raised_to(percent)
}

/// A maintenance that nobody else changes until the transaction ends.
pub(crate) struct LockedMaintenance(pub(crate) MaintenanceRecord);

impl LockedMaintenance {
    /// `None`: nobody has ever held the host.
    pub(crate) fn load(
        connection: &mut Database,
        host: &HostName,
    ) -> Result<Option<Self>, StoreError> {
        lock(connection, Lockable::Maintenance, host.as_str())?;
        Ok(find(connection, host)?.map(Self))
    }

    /// The same, of a host that nobody may have held yet.
    pub(crate) fn load_or_begin(
        connection: &mut Database,
        host: &HostName,
        at: Timestamp,
    ) -> Result<Self, StoreError> {
        let none = Maintenance::none(at);
        sql_query(
            "INSERT INTO maintenances (host, state, holders, servers_left, reasons, home,
                                       return_home, evidence, retries, generation, created_at)
             VALUES ($1, $2, '[]', '{}', '{}', '[]', $3, $4, 0, 1, $5)
             ON CONFLICT (host) DO NOTHING",
        )
        .bind::<Text, _>(host.as_str())
        .bind::<Text, _>(none.state.as_str())
        .bind::<Text, _>(none.return_home.as_str())
        .bind::<Text, _>(json(&none.evidence))
        .bind::<SqlTimestamp, _>(instant(at))
        .prepared()
        .execute(connection)?;
        let gone = || StoreError::Corrupt("a maintenance is gone that was just begun".into());
        Self::load(connection, host)?.ok_or_else(gone)
    }
}

pub(super) fn find(
    connection: &mut Database,
    host: &HostName,
) -> Result<Option<MaintenanceRecord>, StoreError> {
    let row: Option<MaintenanceRow> = maintenances::table
        .filter(maintenances::host.eq(host.as_str()))
        .select(MaintenanceRow::as_select())
        .first(connection)
        .optional()?;
    Ok(row.map(MaintenanceRecord::from))
}

/// All hosts that somebody holds, or that are being left, by name.
pub(crate) fn active(connection: &mut Database) -> Result<Vec<MaintenanceRecord>, StoreError> {
    let none = State::None.as_str();
    let rows: Vec<MaintenanceRow> = maintenances::table
        .filter(maintenances::state.ne(none))
        .order(maintenances::host)
        .select(MaintenanceRow::as_select())
        .load(connection)?;
    Ok(rows.into_iter().map(MaintenanceRecord::from).collect())
}

/// Who holds the hosts at which nothing arrives. There are never many of them.
pub(crate) fn held(
    connection: &mut Database,
) -> Result<HashMap<HostName, Vec<Holder>>, StoreError> {
    let held = [State::Entering, State::Empty, State::InMaintenance];
    let rows: Vec<(HostName, Json<Vec<Holder>>)> = maintenances::table
        .filter(maintenances::state.eq_any(held.map(State::as_str)))
        .select((maintenances::host, maintenances::holders))
        .load(connection)?;
    Ok(rows.into_iter().map(|(host, it)| (host, it.0)).collect())
}

impl Store {
    /// Who holds the hosts at which nothing arrives, the earliest first.
    pub async fn maintenance_holders(&self) -> Result<HashMap<HostName, Vec<Holder>>, StoreError> {
        self.read(held).await
    }

    /// The maintenance of a host; `None`: nobody has ever held it.
    pub async fn maintenance_find(
        &self,
        host: &HostName,
    ) -> Result<Option<MaintenanceRecord>, StoreError> {
        let host = host.clone();
        self.read(move |connection| find(connection, &host)).await
    }

    /// All hosts that somebody holds, or that are being left, by name.
    pub async fn maintenances_active(&self) -> Result<Vec<MaintenanceRecord>, StoreError> {
        self.read(active).await
    }

    /// Hosts whose blockers are to be tried again by `now`, the most overdue first.
    pub async fn maintenances_to_retry(
        &self,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<HostName>, StoreError> {
        self.read(move |connection| {
            Ok(maintenances::table
                .filter(maintenances::retry_at.le(instant(now)))
                .order((maintenances::retry_at, maintenances::id))
                .limit(limit)
                .select(maintenances::host)
                .load(connection)?)
        })
        .await
    }
}
