//! Claims and slots: what a migration holds of its hosts until it ends.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Bool, Text, Timestamp as SqlTimestamp};
use godwit_core::ids::{HostName, MigrationUuid};
use godwit_core::resources::Resources;
use godwit_core::slots::SlotRole;
use godwit_core::time::Timestamp;
use serde_json::json;

use crate::among::{among, load_all};
use crate::columns::{instant, text};
use crate::connection::Database;
use crate::prepared::Prepare as _;
use crate::runs::take_from_run;
use crate::schema::{claims, migrations, slots};
use crate::{Claim, CommitError, Store, StoreError, dialect};

/// A slot in use.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Slot {
    pub migration: MigrationUuid,
    pub host: HostName,
    pub role: SlotRole,
}

/// Room held at a destination.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct HeldClaim {
    pub migration: MigrationUuid,
    pub host: HostName,
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

/// What these migrations hold, by their row ids.
pub(crate) fn claims_of(
    connection: &mut Database,
    migrations: &[i64],
) -> Result<Vec<HeldClaim>, StoreError> {
    let rows: Vec<ClaimRow> = load_all!(connection, migrations, |migrations| {
        held_claims!().filter(among(claims::migration_id, migrations))
    });
    Ok(rows.into_iter().map(HeldClaim::from).collect())
}

/// What is taken of a host.
#[derive(Clone, Copy, Default)]
pub(crate) struct Taken {
    /// By the servers on it.
    pub(crate) servers: Resources,
    /// By migrations on their way to it, and runs whose migrations will be.
    pub(crate) claims: Resources,
}

impl Taken {
    pub(crate) fn in_all(self) -> Resources {
        self.servers.plus(self.claims)
    }
}

#[derive(QueryableByName)]
struct TakenRow {
    #[diesel(sql_type = Text)]
    host: String,
    #[diesel(sql_type = Bool)]
    claimed: bool,
    #[diesel(sql_type = BigInt)]
    vcpus: i64,
    #[diesel(sql_type = BigInt)]
    memory_mb: i64,
    #[diesel(sql_type = BigInt)]
    disk_gb: i64,
}

/// A server that arrives is claimed for until then, and counted from then on: with one statement it
/// is seen as one or the other. PostgreSQL adds BIGINTs up to a NUMERIC, so the sums are cast back.
macro_rules! rooms {
    ($servers:literal, $claims:literal, $runs:literal) => {
        concat!(
            "SELECT host, FALSE AS claimed, CAST(SUM(vcpus) AS BIGINT) AS vcpus,
                    CAST(SUM(memory_mb) AS BIGINT) AS memory_mb,
                    CAST(SUM(disk_gb) AS BIGINT) AS disk_gb
             FROM servers WHERE deleted_at IS NULL AND ",
            $servers,
            " GROUP BY host
             UNION ALL
             SELECT host, TRUE, CAST(SUM(vcpus) AS BIGINT), CAST(SUM(memory_mb) AS BIGINT),
                    CAST(SUM(disk_gb) AS BIGINT)
             FROM claims WHERE ",
            $claims,
            " GROUP BY host
             UNION ALL
             SELECT host, TRUE, CAST(SUM(vcpus) AS BIGINT), CAST(SUM(memory_mb) AS BIGINT),
                    CAST(SUM(disk_gb) AS BIGINT)
             FROM run_claims WHERE ",
            $runs,
            " GROUP BY host"
        )
    };
}

fn by_host(rows: Vec<TakenRow>) -> HashMap<String, Taken> {
    let mut taken: HashMap<String, Taken> = HashMap::new();
    for row in rows {
        let room = Resources {
            vcpus: row.vcpus,
            memory_mb: row.memory_mb,
            disk_gb: row.disk_gb,
        };
        let taken = taken.entry(row.host).or_default();
        if row.claimed {
            taken.claims = taken.claims.plus(room);
        } else {
            taken.servers = room;
        }
    }
    taken
}

/// What is taken of each host of which something is.
pub(crate) fn taken(connection: &mut Database) -> Result<HashMap<String, Taken>, StoreError> {
    let rows = sql_query(rooms!("host IS NOT NULL", "TRUE", "TRUE")).prepared();
    Ok(by_host(rows.load(connection)?))
}

/// The same of some hosts.
pub(crate) fn taken_of_some(
    connection: &mut Database,
    hosts: &[&HostName],
) -> Result<HashMap<String, Taken>, StoreError> {
    let named = dialect::rows_of(connection, &[("host", "text")]);
    let statement = format!(
        rooms!(
            "host IN (SELECT host FROM {named})",
            "host IN (SELECT host FROM {named})",
            "host IN (SELECT host FROM {named})"
        ),
        named = named
    );
    let hosts: Vec<_> = hosts.iter().map(|host| json!({ "host": host })).collect();
    let rows = sql_query(statement)
        .bind::<Text, _>(json!(hosts).to_string())
        .prepared();
    Ok(by_host(rows.load(connection)?))
}

/// The same of two hosts, by others than the migration `but`.
pub(crate) fn taken_of(
    connection: &mut Database,
    [one, other]: [&HostName; 2],
    but: Option<i64>,
) -> Result<HashMap<String, Taken>, StoreError> {
    // Ids begin at one.
    let rows = sql_query(rooms!(
        "host IN ($1, $2)",
        "host IN ($1, $2) AND migration_id <> $3",
        "host IN ($1, $2)"
    ))
    .bind::<Text, _>(one.as_str())
    .bind::<Text, _>(other.as_str())
    .bind::<BigInt, _>(but.unwrap_or_default())
    .prepared();
    Ok(by_host(rows.load(connection)?))
}

/// Claims room, in place of an earlier claim of the migration. The host is locked.
pub(crate) fn claim(
    connection: &mut Database,
    migration: i64,
    (host, claim): (&HostName, &Claim),
    at: Timestamp,
) -> Result<(), CommitError> {
    // What its run held for it is its own from now on.
    take_from_run(connection, migration, host, claim.room)?;
    let mut taken = taken_of(connection, [host; 2], Some(migration))?;
    let taken = taken.remove(host.as_str()).unwrap_or_default();
    let used = taken.in_all();
    if !claim.room.fits(claim.capacity.less(used)) {
        return Err(CommitError::NoRoom {
            host: host.clone(),
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
    .bind::<Text, _>(host.as_str())
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
