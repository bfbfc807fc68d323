//! Clusters that take no part in moves, and those that are looked at before they do again.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Timestamp as SqlTimestamp};
use godwit_core::host::management::{Left, Management, Unmanaged};
use godwit_core::host::scope::ScopeKind;
use godwit_core::ids::HostName;
use godwit_core::requester::Requester;
use godwit_core::time::Timestamp;

use super::topology::forget;
use super::{ScopeError, find_scope, tell};
use crate::columns::{instant, instants, json};
use crate::connection::Database;
use crate::dialect::{self, ZoneLock};
use crate::events::{Actor, Cause};
use crate::prepared::Prepare as _;
use crate::schema::{cluster_managements, host_topologies, services};
use crate::{CommitError, ServiceBinary, Store, StoreError};

/// Whether the hosts of a cluster shall take part in moves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ManagementChange {
    /// They shall.
    pub managed: bool,
    /// Why not.
    pub reason: Option<String>,
    /// Who says so.
    pub by: Requester,
    /// The present.
    pub at: Timestamp,
}

type Row = (
    String,
    bool,
    Option<String>,
    Option<Requester>,
    Option<Timestamp>,
    Option<Timestamp>,
);

/// What was said of every cluster of which anything was.
pub(super) fn load_all(
    connection: &mut Database,
) -> Result<HashMap<String, Management>, StoreError> {
    let rows: Vec<Row> = cluster_managements::table
        .select((
            cluster_managements::cluster,
            cluster_managements::managed,
            cluster_managements::reason,
            cluster_managements::said_by,
            cluster_managements::since,
            cluster_managements::reconciled_at,
        ))
        .load(connection)?;
    let management = |(cluster, managed, reason, by, since, reconciled_at): Row| {
        let management = Management {
            managed,
            reason,
            by,
            since,
            reconciled_at,
        };
        (cluster, management)
    };
    Ok(rows.into_iter().map(management).collect())
}

/// Do both ends of a move take part in moves? What is found holds as long as the caller has
/// `ZoneLock::Read`.
///
/// # Errors
/// [`CommitError::Unmanaged`].
pub(crate) fn check(connection: &mut Database, hosts: [&HostName; 2]) -> Result<(), CommitError> {
    let managements = load_all(connection)?;
    if managements.is_empty() {
        return Ok(());
    }
    for host in hosts {
        let place: Option<(Option<String>, Option<String>)> = host_topologies::table
            .find(host.as_str())
            .select((host_topologies::cluster, host_topologies::left_cluster))
            .first(connection)
            .optional()
            .map_err(StoreError::from)?;
        let (own, left) = place.unwrap_or_default();
        let cluster = match own.and_then(|it| Unmanaged::of(&it, managements.get(&it)?)) {
            Some(cluster) => Some(cluster),
            None => came_from(connection, host, left)?,
        };
        if let Some(cluster) = cluster {
            let host = host.clone();
            return Err(CommitError::Unmanaged { host, cluster });
        }
    }
    Ok(())
}

/// The cluster that a host came from, where it has to be looked at for that. A host that is declared dead
/// is not waited for.
fn came_from(
    connection: &mut Database,
    host: &HostName,
    left: Option<String>,
) -> Result<Option<Unmanaged>, StoreError> {
    let Some(cluster) = left else {
        return Ok(None);
    };
    let dead: Option<bool> = services::table
        .filter(services::host.eq(host.as_str()))
        .filter(services::binary.eq(ServiceBinary::Compute.as_str()))
        .select(services::forced_down)
        .first(connection)
        .optional()?;
    let reconciling = true;
    let came_from = Unmanaged {
        cluster,
        reconciling,
    };
    Ok((dead != Some(true)).then_some(came_from))
}

fn write(
    connection: &mut Database,
    cluster: &str,
    management: &Management,
) -> Result<(), StoreError> {
    sql_query(
        "INSERT INTO cluster_managements (cluster, managed, reason, said_by, since, reconciled_at)
         VALUES ($1, $2, $3, $4, $5, NULL)
         ON CONFLICT (cluster) DO UPDATE SET
             managed = excluded.managed, reason = excluded.reason,
             said_by = excluded.said_by, since = excluded.since, reconciled_at = NULL",
    )
    .bind::<Text, _>(cluster)
    .bind::<Bool, _>(management.managed)
    .bind::<Nullable<Text>, _>(&management.reason)
    .bind::<Nullable<Text>, _>(management.by.as_ref().map(json))
    .bind::<Nullable<SqlTimestamp>, _>(instants(management.since))
    .prepared()
    .execute(connection)?;
    Ok(())
}

/// What waits for a host to be looked at.
#[derive(QueryableByName)]
struct Waiting {
    #[diesel(sql_type = Nullable<SqlTimestamp>)]
    left_at: Option<Timestamp>,
    #[diesel(sql_type = Nullable<Text>)]
    left_cluster: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    cluster: Option<String>,
}

#[derive(QueryableByName)]
struct Heard {
    #[diesel(sql_type = Nullable<SqlTimestamp>)]
    last_inventory_at: Option<Timestamp>,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// A host was looked at: if it has left a cluster that takes no part in moves, it takes part, and so do
/// the hosts of its own, where that waits for this one and for no other.
pub(crate) fn looked_at(
    connection: &mut Database,
    host: &HostName,
    at: Timestamp,
) -> Result<(), StoreError> {
    let waiting: Option<Waiting> = sql_query(
        "SELECT t.left_at, t.left_cluster, m.cluster AS cluster
         FROM host_topologies t
         LEFT JOIN cluster_managements m
             ON m.cluster = t.cluster AND m.managed AND m.reconciled_at IS NULL
         WHERE t.host = $1 AND (t.left_at IS NOT NULL OR m.cluster IS NOT NULL)",
    )
    .bind::<Text, _>(host.as_str())
    .prepared()
    .get_result(connection)
    .optional()?;
    let Some(waiting) = waiting else {
        return Ok(());
    };
    let left = waiting.left_cluster.zip(waiting.left_at);
    if let Some((cluster, left_at)) = left {
        let left = Left {
            cluster,
            at: left_at,
        };
        if left.is_reconciled(at) {
            has_come(connection, host, &left, at)?;
        }
    }
    match waiting.cluster {
        Some(cluster) => reconciled(connection, &cluster, at),
        None => Ok(()),
    }
}

/// A host was declared dead, or is gone: if its cluster waited for it to be looked at, it waits no more.
pub(crate) fn not_waited_for(
    connection: &mut Database,
    host: &HostName,
    at: Timestamp,
) -> Result<(), StoreError> {
    let cluster: Option<Option<String>> = host_topologies::table
        .find(host.as_str())
        .select(host_topologies::cluster)
        .first(connection)
        .optional()?;
    match cluster.flatten() {
        Some(cluster) => reconciled(connection, &cluster, at),
        None => Ok(()),
    }
}

/// A host takes part in moves again that came from a cluster that did not.
fn has_come(
    connection: &mut Database,
    host: &HostName,
    left: &Left,
    at: Timestamp,
) -> Result<(), StoreError> {
    let before = tell::standings(connection, &[host])?;
    let row = diesel::update(host_topologies::table.find(host.as_str()));
    let done = row
        .filter(host_topologies::left_at.eq(instant(left.at)))
        .set((
            host_topologies::left_cluster.eq(None::<String>),
            host_topologies::left_at.eq(None::<chrono::NaiveDateTime>),
        ))
        .prepared()
        .execute(connection)?;
    if done == 0 {
        return Ok(());
    }
    forget(connection, host)?;
    let cause = Cause::by(Actor::Conductor, at);
    tell::moved(connection, &before, &[host], &cause)
}

/// The hosts of a cluster take part in moves again once each of them was looked at. A host that is
/// declared dead is not waited for.
fn reconciled(connection: &mut Database, cluster: &str, at: Timestamp) -> Result<(), StoreError> {
    let Some(management) = load_all(connection)?.remove(cluster) else {
        return Ok(());
    };
    let hosts: Vec<Heard> = sql_query(
        "SELECT h.last_inventory_at AS last_inventory_at
         FROM host_topologies t
         JOIN services s ON s.host = t.host AND s.\"binary\" = $1
         LEFT JOIN hosts h ON h.service_id = s.id
         WHERE t.cluster = $2 AND NOT s.forced_down",
    )
    .bind::<Text, _>(ServiceBinary::Compute.as_str())
    .bind::<Text, _>(cluster)
    .prepared()
    .load(connection)?;
    let mut hosts = hosts.iter();
    if !hosts.all(|host| management.is_reconciled(host.last_inventory_at)) {
        return Ok(());
    }
    let row = diesel::update(cluster_managements::table.find(cluster));
    let done = row
        .filter(cluster_managements::managed)
        .filter(cluster_managements::reconciled_at.is_null())
        .filter(cluster_managements::since.eq(instants(management.since)))
        .set(cluster_managements::reconciled_at.eq(instant(at)))
        .prepared()
        .execute(connection)?;
    if done == 1 {
        let after = Management {
            reconciled_at: Some(at),
            ..management.clone()
        };
        let cause = Cause::by(Actor::Conductor, at);
        tell::managed(connection, cluster, (&management, &after), &cause)?;
    }
    Ok(())
}

impl Store {
    /// Says whether the hosts of a cluster take part in moves, and returns what is so then. `check`
    /// sees inside the transaction what was so before.
    ///
    /// # Errors
    /// [`ScopeError`]; nothing has changed then.
    pub async fn cluster_manage<E: Send + 'static>(
        &self,
        cluster: &str,
        change: ManagementChange,
        check: impl Fn(&Management) -> Result<(), E> + Send + 'static,
    ) -> Result<Management, ScopeError<E>> {
        let cluster = cluster.to_owned();
        self.write(move |connection| {
            dialect::lock_zones(connection, ZoneLock::Write)?;
            let scope = (ScopeKind::Cluster, cluster.as_str());
            if find_scope(connection, scope)?.is_none() {
                return Err(ScopeError::NoSuchScope);
            }
            let before = load_all(connection)?.remove(&cluster).unwrap_or_default();
            check(&before).map_err(ScopeError::Refused)?;
            let ManagementChange {
                managed,
                reason,
                by,
                at,
            } = change.clone();
            let cause = Cause::requested(&by, at);
            let after = before.said((managed, reason), by, at);
            if after != before {
                write(connection, &cluster, &after)?;
                tell::managed(connection, &cluster, (&before, &after), &cause)?;
                // Where all its hosts are declared dead there is nobody to wait for.
                reconciled(connection, &cluster, at)?;
            }
            Ok(load_all(connection)?.remove(&cluster).unwrap_or(after))
        })
        .await
    }

    /// How many agents are not heard since `heard_since`, and need not be: those of clusters that are
    /// not managed, unless they were declared dead.
    pub async fn agents_let_be(&self, heard_since: Timestamp) -> Result<i64, StoreError> {
        self.read(move |connection| {
            let found: Count = sql_query(
                "SELECT COUNT(*) AS count
                 FROM cluster_managements m
                 JOIN host_topologies t ON t.cluster = m.cluster
                 JOIN services s ON s.host = t.host AND s.\"binary\" = $1
                 JOIN hosts h ON h.service_id = s.id
                 WHERE NOT m.managed AND NOT s.forced_down
                   AND (s.last_seen_up IS NULL OR s.last_seen_up < $2)",
            )
            .bind::<Text, _>(ServiceBinary::Compute.as_str())
            .bind::<SqlTimestamp, _>(instant(heard_since))
            .prepared()
            .get_result(connection)?;
            Ok(found.count)
        })
        .await
    }
}
