//! What operators change of aggregates.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use diesel::dsl::count_star;
use diesel::prelude::*;
use godwit_core::host::scope::beginning::Beginnings;
use godwit_core::host::scope::{Misplaced, ScopeKind, Topology};
use godwit_core::ids::HostName;
use godwit_core::requester::Requester;
use godwit_core::time::Timestamp;

use super::{Aggregate, load_all, zones};
use crate::columns::{instant, json};
use crate::connection::Database;
use crate::dialect::{self, ZoneLock};
use crate::events::Cause;
use crate::prepared::Prepare as _;
use crate::schema::{aggregate_hosts, aggregates, servers};
use crate::scopes::{self, Standing};
use crate::{Store, StoreError};

/// What shall become of an aggregate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AggregateChange {
    /// It is called so, and makes such a zone of its hosts; `None` stays as it is.
    Update {
        /// Its name.
        name: Option<String>,
        /// Its zone.
        availability_zone: Option<String>,
    },
    /// These are said of it, and where there is `None`, are no longer.
    Metadata {
        /// Its zone; `None` stays as it is.
        availability_zone: Option<String>,
        /// The others, by name.
        others: BTreeMap<String, Option<String>>,
    },
    /// A host is one of its hosts.
    AddHost(HostName),
    /// A host is no longer.
    RemoveHost(HostName),
    /// It is no more, and its hosts are what they would be without it.
    Delete,
}

/// What a change has to be held against.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AggregateUse {
    /// The aggregate, as it is.
    pub aggregate: Aggregate,
    /// The others.
    pub others: Vec<Aggregate>,
    /// How many servers are on each host that has any.
    pub servers: HashMap<HostName, i64>,
}

/// Why an aggregate was not changed. Nothing was.
#[derive(Debug, thiserror::Error)]
pub enum AggregateError<E> {
    /// There is none.
    #[error("there is no such aggregate")]
    NoSuchAggregate,
    /// Another one has the name.
    #[error("another aggregate is called so")]
    NameExists,
    /// A pod or cluster of its hosts would be in two zones.
    #[error(transparent)]
    Misplaced(#[from] Misplaced),
    /// The caller's check said no.
    #[error("what the aggregate is used for does not allow it")]
    Refused(E),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The aggregate, and all that a change of it may touch. Nobody else changes zones, or puts a
/// server into one, until the transaction ends.
fn load<E>(connection: &mut Database, id: i64) -> Result<AggregateUse, AggregateError<E>> {
    dialect::lock_zones(connection, ZoneLock::Write).map_err(StoreError::from)?;
    let (mine, others): (Vec<_>, Vec<_>) = load_all(connection)?
        .into_iter()
        .partition(|it| it.id == id);
    let aggregate = mine.into_iter().next();
    let aggregate = aggregate.ok_or(AggregateError::NoSuchAggregate)?;
    let servers: Vec<(HostName, i64)> = servers::table
        .filter(servers::deleted_at.is_null())
        .filter(servers::host.is_not_null())
        .group_by(servers::host)
        .select((servers::host.assume_not_null(), count_star()))
        .load(connection)
        .map_err(StoreError::from)?;
    Ok(AggregateUse {
        aggregate,
        others,
        servers: servers.into_iter().collect(),
    })
}

/// What it is then; `None`: nothing.
fn changed(mut aggregate: Aggregate, change: AggregateChange, at: Timestamp) -> Option<Aggregate> {
    match change {
        AggregateChange::Update {
            name,
            availability_zone,
        } => {
            aggregate.name = name.unwrap_or(aggregate.name);
            aggregate.availability_zone = availability_zone.or(aggregate.availability_zone);
            aggregate.updated_at = Some(at);
        }
        AggregateChange::Metadata {
            availability_zone,
            others,
        } => {
            aggregate.availability_zone = availability_zone.or(aggregate.availability_zone);
            for (name, value) in others {
                match value {
                    Some(value) => aggregate.metadata.insert(name, value),
                    None => aggregate.metadata.remove(&name),
                };
            }
            aggregate.updated_at = Some(at);
        }
        AggregateChange::AddHost(host) => aggregate.hosts.push(host),
        AggregateChange::RemoveHost(host) => aggregate.hosts.retain(|it| *it != host),
        AggregateChange::Delete => return None,
    }
    Some(aggregate)
}

fn write(
    connection: &mut Database,
    before: &Aggregate,
    after: Option<&Aggregate>,
    by: &Requester,
) -> Result<(), StoreError> {
    let kept = |host: &HostName| after.is_some_and(|after| after.hosts.contains(host));
    for host in before.hosts.iter().filter(|host| !kept(host)) {
        diesel::delete(aggregate_hosts::table)
            .filter(aggregate_hosts::aggregate_id.eq(before.id))
            .filter(aggregate_hosts::host.eq(host.as_str()))
            .prepared()
            .execute(connection)?;
    }
    let Some(after) = after else {
        diesel::delete(aggregates::table.find(before.id))
            .prepared()
            .execute(connection)?;
        return Ok(());
    };
    for host in after
        .hosts
        .iter()
        .filter(|host| !before.hosts.contains(host))
    {
        let member = (
            aggregate_hosts::aggregate_id.eq(before.id),
            aggregate_hosts::host.eq(host.as_str()),
            aggregate_hosts::changed_by.eq(json(by)),
        );
        diesel::insert_into(aggregate_hosts::table)
            .values(member)
            .prepared()
            .execute(connection)?;
    }
    diesel::update(aggregates::table.find(before.id))
        .set((
            aggregates::name.eq(&after.name),
            aggregates::availability_zone.eq(&after.availability_zone),
            aggregates::metadata.eq(json(&after.metadata)),
            aggregates::updated_at.eq(after.updated_at.map(instant)),
            aggregates::changed_by.eq(json(by)),
        ))
        .prepared()
        .execute(connection)?;
    Ok(())
}

/// Hosts are in other zones than before, perhaps: that is told, unless something of them would be in two.
fn moved<E>(
    connection: &mut Database,
    (were, zones): (&[Standing], &BTreeSet<String>),
    hosts: &[&HostName],
    (beginnings, cause, by): (Beginnings, &Cause, &Requester),
) -> Result<(), AggregateError<E>> {
    let are = scopes::standings(connection, hosts)?;
    let stood: HashMap<&HostName, &Topology> =
        were.iter().map(|it| (it.host(), &it.topology)).collect();
    let elsewhere: Vec<(&HostName, &Topology)> = are
        .iter()
        .map(|it| (it.host(), &it.topology))
        .filter(|(host, place)| stood.get(host) != Some(place))
        .collect();
    if elsewhere.is_empty() {
        return Ok(());
    }
    if let Some(misplaced) = scopes::misplaced(connection, elsewhere.iter().copied())? {
        return Err(misplaced.into());
    }
    let new: BTreeSet<&String> = elsewhere.iter().map(|(_, place)| &place.zone).collect();
    let new = new.into_iter().filter(|zone| !zones.contains(*zone));
    let new: Vec<(ScopeKind, String)> = new.map(|zone| (ScopeKind::Zone, zone.clone())).collect();
    scopes::begin(connection, &new, beginnings, Some(by), cause)?;
    Ok(scopes::moved(connection, were, hosts, cause)?)
}

/// A host that is gone is in no aggregate.
pub(crate) fn forget_host(connection: &mut Database, host: &HostName) -> Result<(), StoreError> {
    diesel::delete(aggregate_hosts::table.filter(aggregate_hosts::host.eq(host.as_str())))
        .prepared()
        .execute(connection)?;
    Ok(())
}

impl Store {
    /// Changes an aggregate, and with it the zones of hosts; returns it as it is then, or was
    /// last. `by` asks for it. `check` sees inside the transaction what the change has to be held against.
    pub async fn aggregate_change<E: Send + 'static>(
        &self,
        id: i64,
        change: AggregateChange,
        by: Requester,
        at: Timestamp,
        check: impl Fn(&AggregateUse) -> Result<(), E> + Send + 'static,
    ) -> Result<Aggregate, AggregateError<E>> {
        let beginnings = self.beginnings;
        let changed = self.write(move |connection| {
            let used = load(connection, id)?;
            check(&used).map_err(AggregateError::Refused)?;
            let before = used.aggregate;
            let after = changed(before.clone(), change.clone(), at);
            let hosts: BTreeSet<&HostName> = [Some(&before), after.as_ref()]
                .into_iter()
                .flatten()
                .flat_map(|it| &it.hosts)
                .collect();
            let hosts: Vec<&HostName> = hosts.into_iter().collect();
            let were = scopes::standings(connection, &hosts)?;
            let zones = scopes::zones_known(connection)?;
            write(connection, &before, after.as_ref(), &by)?;
            zones::rewrite(connection)?;
            let cause = Cause::requested(&by, at);
            moved(
                connection,
                (&were, &zones),
                &hosts,
                (beginnings, &cause, &by),
            )?;
            Ok(after.unwrap_or(before))
        });
        changed.await.map_err(|error| match error {
            AggregateError::Store(error) if error.is_duplicate() => AggregateError::NameExists,
            error => error,
        })
    }
}
