//! Where hosts belong, as operators say it.

use std::convert::Infallible;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Nullable, Text, Timestamp as SqlTimestamp};
use godwit_core::host::management::Left;
use godwit_core::host::scope::{Misplaced, Topology};
use godwit_core::ids::HostName;
use godwit_core::requester::Requester;
use godwit_core::time::Timestamp;
use uuid::Uuid;

use super::begin::{begin, without_hosts};
use super::tell::{moved, standings};
use super::{Place, management};
use crate::aggregates::{self, zones};
use crate::columns::{instant, json};
use crate::connection::Database;
use crate::dialect::{self, ZoneLock};
use crate::events::Cause;
use crate::prepared::Prepare as _;
use crate::schema::{host_topologies, servers};
use crate::{NewAggregate, ServiceBinary, Store, StoreError};

/// Where a host shall belong that has not registered yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewTopology {
    /// Its zone; `None`: what its agent says.
    pub zone: Option<String>,
    /// Its pod.
    pub pod: Option<String>,
    /// Its cluster.
    pub cluster: Option<String>,
    /// Who says so.
    pub placing: Placing,
}

/// Somebody says where a host belongs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Placing {
    /// For the aggregate that makes the zone, should there be none.
    pub aggregate: Uuid,
    /// Who says so.
    pub by: Requester,
    /// The present.
    pub at: Timestamp,
}

/// Where a host belongs was not changed.
#[derive(Debug, thiserror::Error)]
pub enum TopologyError<E> {
    /// There is none.
    #[error("there is no such host")]
    NoSuchHost,
    /// Something would be in two places.
    #[error(transparent)]
    Misplaced(#[from] Misplaced),
    /// Servers do not change their zone by what is said of their host.
    #[error("the host is in zone {zone} with {servers} servers")]
    Occupied {
        /// Where it is.
        zone: String,
        /// How many there are on it.
        servers: i64,
    },
    /// The zone would need an aggregate of its name, and there is one that makes no such zone.
    #[error("the aggregate {0} is not that zone")]
    AggregateOfAnotherZone(String),
    /// The caller's check said no.
    #[error("where the host belongs by now does not allow it")]
    Refused(E),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<E> From<diesel::result::Error> for TopologyError<E> {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Where the other hosts of the same pod or cluster are.
pub(super) fn others(
    connection: &mut Database,
    host: &HostName,
    wanted: &Topology,
) -> Result<Vec<Topology>, StoreError> {
    let rows: Vec<Place> = sql_query(
        "SELECT DISTINCT s.zone AS zone, t.pod AS pod, t.cluster AS cluster
         FROM host_topologies t JOIN services s ON s.host = t.host AND s.\"binary\" = $1
         WHERE t.host <> $2 AND (t.pod = $3 OR t.cluster = $4)",
    )
    .bind::<Text, _>(ServiceBinary::Compute.as_str())
    .bind::<Text, _>(host.as_str())
    .bind::<Nullable<Text>, _>(&wanted.pod)
    .bind::<Nullable<Text>, _>(&wanted.cluster)
    .prepared()
    .load(connection)?;
    Ok(rows.into_iter().map(Topology::from).collect())
}

/// What is in two places by where some hosts belong by now, if anything is.
pub(crate) fn misplaced<'a>(
    connection: &mut Database,
    hosts: impl Iterator<Item = (&'a HostName, &'a Topology)>,
) -> Result<Option<Misplaced>, StoreError> {
    for (host, place) in hosts {
        if let Err(misplaced) = place.check(&others(connection, host, place)?) {
            return Ok(Some(misplaced));
        }
    }
    Ok(None)
}

/// Takes a host out of the aggregates that make another zone of it, and into one that makes this.
fn move_to_zone<E>(
    connection: &mut Database,
    host: &HostName,
    from: &str,
    (zone, placing): (&str, &Placing),
) -> Result<(), TopologyError<E>> {
    let servers = servers::table
        .filter(servers::host.eq(host.as_str()))
        .filter(servers::deleted_at.is_null())
        .count()
        .get_result(connection)?;
    if servers > 0 {
        let zone = from.to_owned();
        return Err(TopologyError::Occupied { zone, servers });
    }
    join(connection, host, (zone, placing))?;
    Ok(zones::rewrite(connection)?)
}

fn join<E>(
    connection: &mut Database,
    host: &HostName,
    (zone, placing): (&str, &Placing),
) -> Result<(), TopologyError<E>> {
    let aggregate = NewAggregate {
        uuid: placing.aggregate,
        name: zone.to_owned(),
        availability_zone: Some(zone.to_owned()),
        by: placing.by.clone(),
        at: placing.at,
    };
    if !aggregates::join_zone(connection, host, &aggregate)? {
        return Err(TopologyError::AggregateOfAnotherZone(zone.to_owned()));
    }
    Ok(())
}

/// The cluster that a host leaves, where that takes no part in moves.
fn left(
    connection: &mut Database,
    (before, wanted): (&Topology, &Topology),
    at: Timestamp,
) -> Result<Option<Left>, StoreError> {
    let Some(cluster) = before.cluster.as_deref() else {
        return Ok(None);
    };
    if wanted.cluster.as_deref() == Some(cluster) {
        return Ok(None);
    }
    let managements = management::load_all(connection)?;
    let said = managements.get(cluster);
    Ok(said.and_then(|said| Left::of(cluster, said, at)))
}

/// Writes where a host belongs within its zone. Whichever cluster it leaves that took no part in moves,
/// it is looked at before it takes part.
pub(super) fn write(
    connection: &mut Database,
    host: &HostName,
    (before, wanted): (&Topology, &Topology),
    at: Timestamp,
    by: Option<&Requester>,
) -> Result<(), StoreError> {
    let left = left(connection, (before, wanted), at)?;
    sql_query(
        "INSERT INTO host_topologies (host, pod, cluster, changed_at, changed_by, left_cluster,
                                      left_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (host) DO UPDATE SET
             pod = excluded.pod, cluster = excluded.cluster,
             changed_at = excluded.changed_at, changed_by = excluded.changed_by,
             left_cluster = COALESCE(excluded.left_cluster, host_topologies.left_cluster),
             left_at = COALESCE(excluded.left_at, host_topologies.left_at)",
    )
    .bind::<Text, _>(host.as_str())
    .bind::<Nullable<Text>, _>(&wanted.pod)
    .bind::<Nullable<Text>, _>(&wanted.cluster)
    .bind::<SqlTimestamp, _>(instant(at))
    .bind::<Nullable<Text>, _>(by.map(json))
    .bind::<Nullable<Text>, _>(left.as_ref().map(|left| left.cluster.as_str()))
    .bind::<Nullable<SqlTimestamp>, _>(left.as_ref().map(|left| instant(left.at)))
    .prepared()
    .execute(connection)?;
    Ok(forget(connection, host)?)
}

/// Removes what says nothing of a host any more.
pub(super) fn forget(connection: &mut Database, host: &HostName) -> QueryResult<()> {
    diesel::delete(host_topologies::table)
        .filter(host_topologies::host.eq(host.as_str()))
        .filter(host_topologies::pod.is_null())
        .filter(host_topologies::cluster.is_null())
        .filter(host_topologies::left_at.is_null())
        .prepared()
        .execute(connection)
        .map(drop)
}

impl Store {
    /// Says where a host shall belong once it has registered. One that has is left where it is.
    ///
    /// Servers do not change their zone by what is said of their host, so whoever brings hosts and
    /// servers together has to say it before.
    pub async fn host_expect(
        &self,
        host: &HostName,
        new: NewTopology,
    ) -> Result<(), TopologyError<Infallible>> {
        let host = host.clone();
        self.write(move |connection| {
            if zones::of_host_to_change(connection, &host)?.is_some() {
                return Ok(());
            }
            let wanted = Topology {
                zone: new.zone.clone().unwrap_or_default(),
                pod: new.pod.clone(),
                cluster: new.cluster.clone(),
            };
            let placing = &new.placing;
            if let Some(zone) = &new.zone {
                join(connection, &host, (zone, placing))?;
            }
            let by = Some(&placing.by);
            write(connection, &host, (&wanted, &wanted), placing.at, by)?;
            Ok(())
        })
        .await
    }

    /// Says where a host belongs, and returns that. `wanted` sees inside the transaction where it
    /// belonged before. Who says what is so already leaves no trace.
    ///
    /// # Errors
    /// [`TopologyError`]; nothing has changed then.
    pub async fn host_place<E: Send + 'static>(
        &self,
        host: &HostName,
        placing: Placing,
        wanted: impl Fn(&Topology) -> Result<Topology, E> + Send + 'static,
    ) -> Result<Topology, TopologyError<E>> {
        let (host, beginnings) = (host.clone(), self.beginnings);
        self.write(move |connection| {
            dialect::lock_zones(connection, ZoneLock::Write).map_err(StoreError::from)?;
            let standing = standings(connection, &[&host])?;
            let before = standing.first().ok_or(TopologyError::NoSuchHost)?;
            let before = &before.topology;
            let wanted = wanted(before).map_err(TopologyError::Refused)?;
            if wanted == *before {
                return Ok(wanted);
            }
            wanted.check(&others(connection, &host, &wanted)?)?;
            let new = without_hosts(connection, &wanted)?;
            if wanted.zone != before.zone {
                move_to_zone(connection, &host, &before.zone, (&wanted.zone, &placing))?;
            }
            let by = Some(&placing.by);
            write(connection, &host, (before, &wanted), placing.at, by)?;
            let cause = Cause::requested(&placing.by, placing.at);
            begin(connection, &new, beginnings, by, &cause)?;
            moved(connection, &standing, &[&host], &cause)?;
            Ok(wanted)
        })
        .await
    }
}
