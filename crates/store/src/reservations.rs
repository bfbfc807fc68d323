//! Claims and slots: what a migration holds of its hosts until it ends.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text, Timestamp as SqlTimestamp};
use godwit_core::ids::{HostName, MigrationUuid};
use godwit_core::resources::Resources;
use godwit_core::slots::{SlotLimits, SlotRole};
use godwit_core::time::Timestamp;

use crate::columns::{instant, text};
use crate::connection::Database;
use crate::prepared::Prepare as _;
use crate::schema::{claims, migrations, slots};
use crate::{Claim, CommitError, Store, StoreError};

/// A slot in use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Slot {
    /// By whom.
    pub migration: MigrationUuid,
    /// Where.
    pub host: HostName,
    /// As what.
    pub role: SlotRole,
}

/// Room held at a destination.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeldClaim {
    /// By whom.
    pub migration: MigrationUuid,
    /// Where.
    pub host: HostName,
    /// How much.
    pub room: Resources,
}

/// A claim's row, with its migration's uuid.
type ClaimRow = (MigrationUuid, HostName, i64, i64, i64);

macro_rules! held_claims {
    () => {
        claims::table.inner_join(migrations::table).select((
            migrations::uuid,
            claims::host,
            claims::vcpus,
            claims::memory_mb,
            claims::disk_gb,
        ))
    };
}

impl From<ClaimRow> for HeldClaim {
    fn from((migration, host, vcpus, memory_mb, disk_gb): ClaimRow) -> Self {
        Self {
            migration,
            host,
            room: Resources {
                vcpus,
                memory_mb,
                disk_gb,
            },
        }
    }
}

#[derive(QueryableByName)]
struct RoomRow {
    #[diesel(sql_type = Text)]
    host: String,
    #[diesel(sql_type = BigInt)]
    vcpus: i64,
    #[diesel(sql_type = BigInt)]
    memory_mb: i64,
    #[diesel(sql_type = BigInt)]
    disk_gb: i64,
}

impl RoomRow {
    fn room(&self) -> Resources {
        Resources {
            vcpus: self.vcpus,
            memory_mb: self.memory_mb,
            disk_gb: self.disk_gb,
        }
    }
}

/// PostgreSQL adds BIGINTs up to a NUMERIC, so the sums are cast back.
macro_rules! rooms {
    ($from:literal) => {
        concat!(
            "SELECT host, CAST(SUM(vcpus) AS BIGINT) AS vcpus,
                    CAST(SUM(memory_mb) AS BIGINT) AS memory_mb,
                    CAST(SUM(disk_gb) AS BIGINT) AS disk_gb
             FROM ",
            $from,
            " GROUP BY host"
        )
    };
}

fn by_host(rows: Vec<RoomRow>) -> HashMap<String, Resources> {
    rows.into_iter()
        .map(|row| (row.host.clone(), row.room()))
        .collect()
}

/// What the servers on each host take.
pub(crate) fn rooms_of_servers(
    connection: &mut Database,
) -> Result<HashMap<String, Resources>, StoreError> {
    let rows = sql_query(rooms!(
        "servers WHERE deleted_at IS NULL AND host IS NOT NULL"
    ));
    Ok(by_host(rows.load(connection)?))
}

pub(crate) fn rooms_of_claims(
    connection: &mut Database,
) -> Result<HashMap<String, Resources>, StoreError> {
    Ok(by_host(
        sql_query(rooms!("claims")).prepared().load(connection)?,
    ))
}

/// What the servers on one host take.
pub(crate) fn room_of_servers(
    connection: &mut Database,
    host: &HostName,
) -> Result<Resources, StoreError> {
    let row: Option<RoomRow> = sql_query(rooms!("servers WHERE deleted_at IS NULL AND host = $1"))
        .bind::<Text, _>(host.as_str())
        .prepared()
        .get_result(connection)
        .optional()?;
    Ok(row.map(|row| row.room()).unwrap_or_default())
}

/// What is claimed of one host, by others than `but`.
pub(crate) fn room_of_claims(
    connection: &mut Database,
    host: &HostName,
    but: Option<i64>,
) -> Result<Resources, StoreError> {
    // Ids begin at one.
    let row: Option<RoomRow> = sql_query(rooms!("claims WHERE host = $1 AND migration_id <> $2"))
        .bind::<Text, _>(host.as_str())
        .bind::<BigInt, _>(but.unwrap_or_default())
        .prepared()
        .get_result(connection)
        .optional()?;
    Ok(row.map(|row| row.room()).unwrap_or_default())
}

/// Claims room, in place of an earlier claim of the migration. The host is locked.
pub(crate) fn claim(
    connection: &mut Database,
    migration: i64,
    claim: &Claim,
    at: Timestamp,
) -> Result<(), CommitError> {
    let used = room_of_servers(connection, &claim.host)?.plus(room_of_claims(
        connection,
        &claim.host,
        Some(migration),
    )?);
    if !used.plus(claim.room).fits(claim.capacity) {
        return Err(CommitError::NoRoom {
            host: claim.host.clone(),
            used,
            capacity: claim.capacity,
        });
    }
    sql_query(
        "INSERT INTO claims (migration_id, host, vcpus, memory_mb, disk_gb, created_at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (migration_id) DO UPDATE SET
             host = excluded.host, vcpus = excluded.vcpus, memory_mb = excluded.memory_mb,
             disk_gb = excluded.disk_gb",
    )
    .bind::<BigInt, _>(migration)
    .bind::<Text, _>(claim.host.as_str())
    .bind::<BigInt, _>(claim.room.vcpus)
    .bind::<BigInt, _>(claim.room.memory_mb)
    .bind::<BigInt, _>(claim.room.disk_gb)
    .bind::<SqlTimestamp, _>(instant(at))
    .prepared()
    .execute(connection)
    .map_err(StoreError::from)?;
    Ok(())
}

/// A server goes to where its migration holds room, and counts there by itself from now on. What
/// is held instead is the room that it leaves, until it is known that it stays away. Both hosts
/// are locked.
pub(crate) fn keep_way_back(
    connection: &mut Database,
    migration: i64,
    (host, room): (&HostName, Resources),
    at: Timestamp,
) -> Result<(), StoreError> {
    diesel::delete(claims::table.filter(claims::migration_id.eq(migration)))
        .prepared()
        .execute(connection)?;
    diesel::insert_into(claims::table)
        .values((
            claims::migration_id.eq(migration),
            claims::host.eq(host.as_str()),
            claims::vcpus.eq(room.vcpus),
            claims::memory_mb.eq(room.memory_mb),
            claims::disk_gb.eq(room.disk_gb),
            claims::created_at.eq(instant(at)),
        ))
        .prepared()
        .execute(connection)?;
    Ok(())
}

/// Takes a slot at each end, if the limits allow. Both hosts are locked.
pub(crate) fn take_slots(
    connection: &mut Database,
    migration: i64,
    ends: [(SlotRole, &HostName); 2],
    limits: SlotLimits,
    at: Timestamp,
) -> Result<(), CommitError> {
    for (role, host) in ends {
        let taken: i64 = slots::table
            .filter(slots::host.eq(host.as_str()))
            .filter(slots::role.eq(role.as_str()))
            .filter(slots::migration_id.ne(migration))
            .count()
            .get_result(connection)
            .map_err(StoreError::from)?;
        if !limits.allow(role, u32::try_from(taken).unwrap_or(u32::MAX)) {
            let host = host.clone();
            return Err(CommitError::NoSlot { host, role });
        }
        diesel::insert_into(slots::table)
            .values((
                slots::migration_id.eq(migration),
                slots::role.eq(role.as_str()),
                slots::host.eq(host.as_str()),
                slots::created_at.eq(instant(at)),
            ))
            .prepared()
            .execute(connection)
            .map_err(StoreError::from)?;
    }
    Ok(())
}

/// Gives back all that a migration holds.
pub(crate) fn release(connection: &mut Database, migration: i64) -> Result<(), StoreError> {
    diesel::delete(claims::table.filter(claims::migration_id.eq(migration)))
        .prepared()
        .execute(connection)?;
    diesel::delete(slots::table.filter(slots::migration_id.eq(migration)))
        .prepared()
        .execute(connection)?;
    Ok(())
}

impl Store {
    /// All slots in use.
    pub async fn slot_list(&self) -> Result<Vec<Slot>, StoreError> {
        self.read(|connection| {
            let rows: Vec<(MigrationUuid, HostName, SlotRole)> = slots::table
                .inner_join(migrations::table)
                .order((slots::migration_id, slots::role))
                .select((migrations::uuid, slots::host, slots::role))
                .load(connection)?;
            let slot = |(migration, host, role)| Slot {
                migration,
                host,
                role,
            };
            Ok(rows.into_iter().map(slot).collect())
        })
        .await
    }

    /// How many slots are in use, by host and role.
    pub async fn slots_taken(&self) -> Result<Vec<(HostName, SlotRole, i64)>, StoreError> {
        self.read(|connection| {
            Ok(slots::table
                .group_by((slots::host, slots::role))
                .select((slots::host, slots::role, diesel::dsl::count_star()))
                .load(connection)?)
        })
        .await
    }

    /// What a migration holds of its destination.
    pub async fn claim_find(
        &self,
        migration: MigrationUuid,
    ) -> Result<Option<HeldClaim>, StoreError> {
        self.read(move |connection| {
            let row: Option<ClaimRow> = held_claims!()
                .filter(migrations::uuid.eq(text(migration)))
                .first(connection)
                .optional()?;
            Ok(row.map(HeldClaim::from))
        })
        .await
    }

    /// All claims held.
    pub async fn claim_list(&self) -> Result<Vec<HeldClaim>, StoreError> {
        self.read(|connection| {
            let rows: Vec<ClaimRow> = held_claims!()
                .order(claims::migration_id)
                .load(connection)?;
            Ok(rows.into_iter().map(HeldClaim::from).collect())
        })
        .await
    }
}
