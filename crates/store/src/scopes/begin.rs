//! Zones, pods and clusters that the first host comes into.

use std::collections::BTreeSet;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};
use godwit_core::host::event::ScopeEvent;
use godwit_core::host::scope::beginning::Beginnings;
use godwit_core::host::scope::{ScopeKind, Topology};
use godwit_core::requester::Requester;

use super::change::write;
use crate::connection::Database;
use crate::events::{self, Cause, OfScope};
use crate::prepared::Prepare as _;
use crate::schema::{scope_allocations, services};
use crate::{ServiceBinary, StoreError};

/// The zones that hosts are in.
pub(crate) fn zones(connection: &mut Database) -> Result<BTreeSet<String>, StoreError> {
    let zones: Vec<String> = services::table
        .filter(services::binary.eq(ServiceBinary::Compute.as_str()))
        .select(services::zone)
        .distinct()
        .load(connection)?;
    Ok(zones.into_iter().collect())
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// How many hosts are in it.
fn hosts_in(connection: &mut Database, (kind, name): (ScopeKind, &str)) -> Result<i64, StoreError> {
    let column = match kind {
        ScopeKind::Zone => "s.zone",
        ScopeKind::Pod => "t.pod",
        ScopeKind::Cluster => "t.cluster",
    };
    let found: Count = sql_query(format!(
        "SELECT COUNT(*) AS count
         FROM services s LEFT JOIN host_topologies t ON t.host = s.host
         WHERE s.\"binary\" = $1 AND {column} = $2"
    ))
    .bind::<Text, _>(ServiceBinary::Compute.as_str())
    .bind::<Text, _>(name)
    .prepared()
    .get_result(connection)?;
    Ok(found.count)
}

/// The scopes of a place that no host is in: asked before one comes.
pub(super) fn without_hosts(
    connection: &mut Database,
    place: &Topology,
) -> Result<Vec<(ScopeKind, String)>, StoreError> {
    let mut found = Vec::new();
    for (kind, name) in place.scopes() {
        if hosts_in(connection, (kind, name))? == 0 {
            found.push((kind, name.to_owned()));
        }
    }
    Ok(found)
}

/// A host has come into scopes that none was in before: they are disabled where that is so configured,
/// unless somebody has said something of them already.
pub(crate) fn begin(
    connection: &mut Database,
    scopes: &[(ScopeKind, String)],
    beginnings: Beginnings,
    by: Option<&Requester>,
    cause: &Cause,
) -> Result<(), StoreError> {
    for (kind, name) in scopes {
        let Some(switch) = beginnings.of_scope(*kind, by, cause.at) else {
            continue;
        };
        let known: Option<String> = scope_allocations::table
            .find((kind.as_str(), name))
            .select(scope_allocations::name)
            .first(connection)
            .optional()?;
        if known.is_some() {
            continue;
        }
        write(connection, (*kind, name), &switch)?;
        let hosts = hosts_in(connection, (*kind, name))?;
        let told = OfScope {
            kind: *kind,
            name,
            event: Some(ScopeEvent::Disabled),
            reason: switch.reason.as_deref(),
            of_hosts: usize::try_from(hosts).unwrap_or_default(),
            // They are told of it by what made them come.
            hosts: Vec::new(),
        };
        events::append_of_scope(connection, &told, cause)?;
    }
    Ok(())
}
