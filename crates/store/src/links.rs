//! Links of hosts: what moves take of them, and what streams were seen to achieve.

mod learned;
mod under_way;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Text, Timestamp as SqlTimestamp};
use godwit_core::host::link::{Link, of_moves};
use godwit_core::ids::HostName;
use godwit_core::slots::{LinkShare, LinkUse, SlotLimits, SlotRole, admits};
use godwit_core::time::Timestamp;

pub use self::under_way::{BegunByRun, Guest, UnderWay};
use crate::among::{among, load_all};
use crate::columns::{Json, instant, text};
use crate::connection::Database;
use crate::prepared::Prepare as _;
use crate::schema::hosts;
use crate::{CommitError, Store, StoreError};

/// The link of a host that moves use. Rates are those of one direction, in bytes a second.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostLink {
    /// Whose it is.
    pub host: HostName,
    /// What it carries; `None`: nobody knows.
    pub bytes_per_second: Option<u64>,
    /// What one stream was seen to achieve, or else what its agent says; `None`: nobody knows.
    pub stream_bytes_per_second: Option<u64>,
    /// When a move away from it began last that is of no run.
    pub moved_at: Option<Timestamp>,
}

type Row = (
    HostName,
    Option<Json<Vec<Link>>>,
    Option<i64>,
    Option<Timestamp>,
);

fn known(rate: Option<i64>) -> Option<u64> {
    let rate = rate.and_then(|rate| u64::try_from(rate).ok());
    rate.filter(|rate| *rate > 0)
}

impl From<Row> for HostLink {
    fn from((host, links, seen, moved_at): Row) -> Self {
        let links = links.map(|links| links.0).unwrap_or_default();
        let used = of_moves(&links);
        let said = |rate: fn(&Link) -> Option<u64>| used.and_then(rate).filter(|rate| *rate > 0);
        Self {
            host,
            bytes_per_second: said(|link| link.bytes_per_second),
            stream_bytes_per_second: known(seen)
                .or_else(|| said(|link| link.stream_bytes_per_second)),
            moved_at,
        }
    }
}

/// The links of those of some hosts that there are.
fn of_some(connection: &mut Database, names: &[HostName]) -> Result<Vec<HostLink>, StoreError> {
    let names: Vec<String> = names.iter().map(text).collect();
    let rows: Vec<Row> = load_all!(connection, names, |names| {
        hosts::table.filter(among(hosts::name, names)).select((
            hosts::name,
            hosts::links,
            hosts::stream_bytes_per_second,
            hosts::moved_at,
        ))
    });
    // A list is filled up with its last name.
    let mut links: Vec<HostLink> = rows.into_iter().map(HostLink::from).collect();
    links.sort_by(|one, other| one.host.cmp(&other.host));
    links.dedup_by(|one, other| one.host == other.host);
    Ok(links)
}

#[derive(QueryableByName)]
struct TakenRow {
    #[diesel(sql_type = Text)]
    role: SlotRole,
    #[diesel(sql_type = BigInt)]
    moves: i64,
    #[diesel(sql_type = BigInt)]
    taken: i64,
    /// Those of which nobody said what they take.
    #[diesel(sql_type = BigInt)]
    unsaid: i64,
}

/// What others than `migration` take of the link by which it leaves `source`, and of the one by which
/// it comes to `destination`.
fn taken(
    connection: &mut Database,
    migration: i64,
    (source, destination): (&HostName, &HostName),
) -> Result<Vec<TakenRow>, StoreError> {
    let rows = sql_query(
        "SELECT role, COUNT(*) AS moves,
                CAST(COALESCE(SUM(bytes_per_second), 0) AS BIGINT) AS taken,
                COUNT(*) - COUNT(bytes_per_second) AS unsaid
         FROM slots
         WHERE (host = $1 AND role = 'source' OR host = $2 AND role = 'destination')
           AND migration_id <> $3
         GROUP BY role",
    )
    .bind::<Text, _>(source.as_str())
    .bind::<Text, _>(destination.as_str())
    .bind::<BigInt, _>(migration)
    .prepared()
    .load(connection)?;
    Ok(rows)
}

/// Takes a slot at each end, and its share of both links, if they are to be had. Both hosts are
/// locked.
pub(crate) fn take(
    connection: &mut Database,
    migration: i64,
    (source, destination): (&HostName, &HostName),
    (limits, share): (SlotLimits, Option<LinkShare>),
    at: Timestamp,
) -> Result<(), CommitError> {
    let rows = taken(connection, migration, (source, destination))?;
    let links = match share {
        Some(_) => of_some(connection, &[source.clone(), destination.clone()])?,
        None => Vec::new(),
    };
    for (role, host) in [
        (SlotRole::Source, source),
        (SlotRole::Destination, destination),
    ] {
        let link = links.iter().find(|link| link.host == *host);
        let row = rows.iter().find(|row| row.role == role);
        let link = LinkUse {
            bytes_per_second: link.and_then(|link| link.bytes_per_second),
            // One that a release before began may take all of it.
            taken: row.map_or(0, |row| match row.unsaid {
                0 => u64::try_from(row.taken).unwrap_or_default(),
                _ => u64::MAX,
            }),
            moves: row.map_or(0, |row| u32::try_from(row.moves).unwrap_or(u32::MAX)),
        };
        if !admits(role, link, (limits, share)) {
            let host = host.clone();
            return Err(CommitError::NoSlot { host, role });
        }
    }
    let share = share.map(|share| i64::try_from(share.bytes_per_second).unwrap_or(i64::MAX));
    sql_query(
        "INSERT INTO slots (migration_id, role, host, created_at, bytes_per_second)
         VALUES ($1, 'source', $2, $3, $4), ($1, 'destination', $5, $3, $4)",
    )
    .bind::<BigInt, _>(migration)
    .bind::<Text, _>(source.as_str())
    .bind::<SqlTimestamp, _>(instant(at))
    .bind::<Nullable<BigInt>, _>(share)
    .bind::<Text, _>(destination.as_str())
    .prepared()
    .execute(connection)
    .map_err(StoreError::from)?;
    sql_query(
        "UPDATE hosts SET moved_at = $1
         WHERE name = $2
           AND NOT EXISTS (SELECT 1 FROM operations o
                           JOIN migrations m ON m.uuid = o.migration_uuid WHERE m.id = $3)",
    )
    .bind::<SqlTimestamp, _>(instant(at))
    .bind::<Text, _>(source.as_str())
    .bind::<BigInt, _>(migration)
    .prepared()
    .execute(connection)
    .map_err(StoreError::from)?;
    Ok(())
}

impl Store {
    /// The links of those of some hosts that there are.
    pub async fn host_links(&self, hosts: Vec<HostName>) -> Result<Vec<HostLink>, StoreError> {
        self.read(move |connection| of_some(connection, &hosts))
            .await
    }
}
