//! Host aggregates: groups of hosts, some of which are availability zones.
//!
//! The zone of a host is that of its aggregates, which agree on it; where none of them has one,
//! it is the zone that the host registered with. `services.zone` and what servers show of it are
//! written from that alone, in the transaction that changes it.

mod change;
pub(crate) mod zones;

use std::collections::{BTreeMap, HashMap};

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Nullable, Text, Timestamp as SqlTimestamp};
use godwit_core::ids::HostName;
use godwit_core::requester::Requester;
use godwit_core::time::Timestamp;
use uuid::Uuid;

pub(crate) use self::change::forget_host;
pub use self::change::{AggregateChange, AggregateError, AggregateUse};
use crate::columns::{Json, PlainUuid, instant, json, text};
use crate::connection::Database;
use crate::prepared::Prepare as _;
use crate::schema::{aggregate_hosts, aggregates};
use crate::{Store, StoreError};

/// A host aggregate.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Aggregate {
    pub id: i64,
    pub uuid: Uuid,
    /// Its name, which no other one has.
    pub name: String,
    /// The availability zone that it makes of its hosts.
    pub availability_zone: Option<String>,
    /// What else is said of it.
    pub metadata: BTreeMap<String, String>,
    /// Its hosts, in the order in which they came.
    pub hosts: Vec<HostName>,
    pub created_at: Timestamp,
    /// When it, but for its hosts, was changed last.
    pub updated_at: Option<Timestamp>,
}

/// An aggregate to be, without hosts.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct NewAggregate {
    pub uuid: Uuid,
    pub name: String,
    pub availability_zone: Option<String>,
    /// Who asks for it.
    pub by: Requester,
    pub at: Timestamp,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = aggregates)]
struct AggregateRow {
    id: i64,
    uuid: PlainUuid,
    name: String,
    availability_zone: Option<String>,
    metadata: Json<BTreeMap<String, String>>,
    created_at: Timestamp,
    updated_at: Option<Timestamp>,
}

fn load_all(connection: &mut Database) -> Result<Vec<Aggregate>, StoreError> {
    let rows: Vec<AggregateRow> = aggregates::table
        .select(AggregateRow::as_select())
        .order(aggregates::id)
        .load(connection)?;
    let members: Vec<(i64, HostName)> = aggregate_hosts::table
        .select((aggregate_hosts::aggregate_id, aggregate_hosts::host))
        .order(aggregate_hosts::id)
        .load(connection)?;
    let mut hosts: HashMap<i64, Vec<HostName>> = HashMap::new();
    for (aggregate, host) in members {
        hosts.entry(aggregate).or_default().push(host);
    }
    let whole = |row: AggregateRow| Aggregate {
        id: row.id,
        uuid: row.uuid.0,
        name: row.name,
        availability_zone: row.availability_zone,
        metadata: row.metadata.0,
        hosts: hosts.remove(&row.id).unwrap_or_default(),
        created_at: row.created_at,
        updated_at: row.updated_at,
    };
    Ok(rows.into_iter().map(whole).collect())
}

fn create(connection: &mut Database, new: &NewAggregate) -> Result<Aggregate, StoreError> {
    sql_query(
        "INSERT INTO aggregates (uuid, name, availability_zone, metadata, created_at, changed_by)
         VALUES ($1, $2, $3, '{}', $4, $5)",
    )
    .bind::<Text, _>(text(new.uuid))
    .bind::<Text, _>(&new.name)
    .bind::<Nullable<Text>, _>(&new.availability_zone)
    .bind::<SqlTimestamp, _>(instant(new.at))
    .bind::<Text, _>(json(&new.by))
    .execute(connection)?;
    let id = aggregates::table
        .filter(aggregates::uuid.eq(text(new.uuid)))
        .select(aggregates::id)
        .first(connection)?;
    Ok(Aggregate {
        id,
        uuid: new.uuid,
        name: new.name.clone(),
        availability_zone: new.availability_zone.clone(),
        metadata: BTreeMap::new(),
        hosts: Vec::new(),
        created_at: new.at,
        updated_at: None,
    })
}

/// Takes a host out of every aggregate that makes another zone of it than that of `new`, and into the
/// first one that makes that, or into `new`, which is named as its zone. `false`, and nothing is
/// changed: the name is taken. Nobody else changes zones meanwhile.
pub(crate) fn join_zone(
    connection: &mut Database,
    host: &HostName,
    new: &NewAggregate,
) -> Result<bool, StoreError> {
    let zone = new.name.as_str();
    let all = load_all(connection)?;
    let makes = |it: &&Aggregate| it.availability_zone.as_deref() == Some(zone);
    let target = match all.iter().find(makes) {
        Some(aggregate) => aggregate.id,
        None if all.iter().any(|it| it.name == zone) => return Ok(false),
        None => create(connection, new)?.id,
    };
    let makes_another =
        |it: &&Aggregate| it.hosts.contains(host) && it.availability_zone.is_some() && !makes(it);
    for aggregate in all.iter().filter(makes_another) {
        diesel::delete(aggregate_hosts::table)
            .filter(aggregate_hosts::aggregate_id.eq(aggregate.id))
            .filter(aggregate_hosts::host.eq(host.as_str()))
            .prepared()
            .execute(connection)?;
    }
    let is_member = |it: &Aggregate| it.id == target && it.hosts.contains(host);
    if !all.iter().any(is_member) {
        let member = (
            aggregate_hosts::aggregate_id.eq(target),
            aggregate_hosts::host.eq(host.as_str()),
            aggregate_hosts::changed_by.eq(json(&new.by)),
        );
        diesel::insert_into(aggregate_hosts::table)
            .values(member)
            .prepared()
            .execute(connection)?;
    }
    Ok(true)
}

impl Store {
    /// All aggregates, by id.
    pub async fn aggregate_list(&self) -> Result<Vec<Aggregate>, StoreError> {
        self.read_snapshot(load_all).await
    }

    /// An aggregate.
    pub async fn aggregate_find(&self, id: i64) -> Result<Option<Aggregate>, StoreError> {
        // There are few.
        let all = self.aggregate_list().await?;
        Ok(all.into_iter().find(|it| it.id == id))
    }

    /// Makes an aggregate; `None` where another one has its name.
    pub async fn aggregate_create(
        &self,
        new: NewAggregate,
    ) -> Result<Option<Aggregate>, StoreError> {
        match self.write(move |connection| create(connection, &new)).await {
            Ok(made) => Ok(Some(made)),
            Err(error) if error.is_duplicate() => Ok(None),
            Err(error) => Err(error),
        }
    }
}
