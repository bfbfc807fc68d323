//! Where hosts belong, as operators say it.

use std::convert::Infallible;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Nullable, Text, Timestamp as SqlTimestamp};
use godwit_core::host::scope::{Misplaced, Topology};
use godwit_core::ids::HostName;
use godwit_core::requester::Requester;
use godwit_core::time::Timestamp;
use uuid::Uuid;

use super::{Place, of_some};
use crate::aggregates::{self, zones};
use crate::columns::{instant, json};
use crate::connection::Database;
use crate::prepared::Prepare as _;
use crate::schema::{host_topologies, servers};
use crate::{NewAggregate, ServiceBinary, Store, StoreError};

/// Where a host shall belong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewTopology {
    /// Its zone; `None`: where it is.
    pub zone: Option<String>,
    /// Its pod.
    pub pod: Option<String>,
    /// Its cluster.
    pub cluster: Option<String>,
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
fn others(
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

/// Takes a host out of the aggregates that make another zone of it, and into one that makes this.
fn move_to_zone<E>(
    connection: &mut Database,
    host: &HostName,
    from: &str,
    (zone, new): (&str, &NewTopology),
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
    join(connection, host, (zone, new))?;
    Ok(zones::rewrite(connection)?)
}

fn join<E>(
    connection: &mut Database,
    host: &HostName,
    (zone, new): (&str, &NewTopology),
) -> Result<(), TopologyError<E>> {
    let aggregate = NewAggregate {
        uuid: new.aggregate,
        name: zone.to_owned(),
        availability_zone: Some(zone.to_owned()),
        by: new.by.clone(),
        at: new.at,
    };
    if !aggregates::join_zone(connection, host, &aggregate)? {
        return Err(TopologyError::AggregateOfAnotherZone(zone.to_owned()));
    }
    Ok(())
}

fn write(
    connection: &mut Database,
    host: &HostName,
    wanted: &Topology,
    new: &NewTopology,
) -> Result<(), StoreError> {
    if wanted.pod.is_none() && wanted.cluster.is_none() {
        diesel::delete(host_topologies::table.find(host.as_str()))
            .prepared()
            .execute(connection)?;
        return Ok(());
    }
    sql_query(
        "INSERT INTO host_topologies (host, pod, cluster, changed_at, changed_by)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (host) DO UPDATE SET
             pod = excluded.pod, cluster = excluded.cluster,
             changed_at = excluded.changed_at, changed_by = excluded.changed_by",
    )
    .bind::<Text, _>(host.as_str())
    .bind::<Nullable<Text>, _>(&wanted.pod)
    .bind::<Nullable<Text>, _>(&wanted.cluster)
    .bind::<SqlTimestamp, _>(instant(new.at))
    .bind::<Text, _>(json(&new.by))
    .prepared()
    .execute(connection)?;
    Ok(())
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
            if let Some(zone) = &new.zone {
                join(connection, &host, (zone, &new))?;
            }
            write(connection, &host, &wanted, &new)?;
            Ok(())
        })
        .await
    }

    /// Says where a host belongs, and returns that. `check` sees inside the transaction where it
    /// belonged before.
    ///
    /// # Errors
    /// [`TopologyError`]; nothing has changed then.
    pub async fn host_place<E: Send + 'static>(
        &self,
        host: &HostName,
        new: NewTopology,
        check: impl Fn(&Topology) -> Result<(), E> + Send + 'static,
    ) -> Result<Topology, TopologyError<E>> {
        let host = host.clone();
        self.write(move |connection| {
            let zone = zones::of_host_to_change(connection, &host)?;
            let zone = zone.ok_or(TopologyError::NoSuchHost)?;
            let before = of_some(connection, &[&host])?.topology(&host, &zone);
            check(&before).map_err(TopologyError::Refused)?;
            let wanted = Topology {
                zone: new.zone.clone().unwrap_or_else(|| zone.clone()),
                pod: new.pod.clone(),
                cluster: new.cluster.clone(),
            };
            wanted.check(&others(connection, &host, &wanted)?)?;
            if wanted.zone != zone {
                move_to_zone(connection, &host, &zone, (&wanted.zone, &new))?;
            }
            write(connection, &host, &wanted, &new)?;
            Ok(wanted)
        })
        .await
    }
}
