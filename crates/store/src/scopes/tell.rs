//! What is told of a zone, pod or cluster, and of the hosts in it, where operators say something else
//! of it than before.

use diesel::prelude::*;
use godwit_core::host::event::{HostEvent, of_effect, of_management, of_switch};
use godwit_core::host::management::Management;
use godwit_core::host::scope::{ScopeKind, Switch};

use super::{Scopes, of_all};
use crate::connection::Database;
use crate::events::{self, Cause, OfScope};
use crate::schema::services;
use crate::{Service, ServiceBinary, StoreError};

/// The agents of the hosts in a scope, and where hosts belong.
fn of_scope(
    connection: &mut Database,
    (kind, name): (ScopeKind, &str),
) -> Result<(Vec<Service>, Scopes), StoreError> {
    let scopes = of_all(connection)?;
    let agents: Vec<Service> = services::table
        .filter(services::binary.eq(ServiceBinary::Compute.as_str()))
        .order(services::id)
        .select(Service::as_select())
        .load(connection)?;
    let is_in = |service: &Service| {
        let place = scopes.topology(&service.host, &service.zone);
        place.scopes().any(|scope| scope == (kind, name))
    };
    let agents = agents.into_iter().filter(is_in).collect();
    Ok((agents, scopes))
}

/// A switch was turned, and is written as it is `after` that.
pub(super) fn turned(
    connection: &mut Database,
    (kind, name): (ScopeKind, &str),
    (before, after): (&Switch, &Switch),
    cause: &Cause,
) -> Result<(), StoreError> {
    let (agents, mut scopes) = of_scope(connection, (kind, name))?;
    let is: Vec<bool> = is_disabled(&scopes, &agents);
    let key = (kind, name.to_owned());
    scopes.switches.insert(key, before.clone());
    let was = is_disabled(&scopes, &agents);
    let of_hosts = agents.len();
    let changed = agents.into_iter().zip(was.into_iter().zip(is));
    let told = OfScope {
        kind,
        name,
        event: of_switch(before, after),
        reason: after.reason.as_deref(),
        of_hosts,
        hosts: changed
            .filter_map(|(agent, (was, is))| Some((agent, of_effect(was, is)?)))
            .collect(),
    };
    events::append_of_scope(connection, &told, cause)
}

fn is_disabled(scopes: &Scopes, agents: &[Service]) -> Vec<bool> {
    let is_disabled = |agent| !scopes.because(agent).is_empty();
    agents.iter().map(is_disabled).collect()
}

/// A cluster is managed otherwise than `before`.
pub(super) fn managed(
    connection: &mut Database,
    cluster: &str,
    (before, after): (&Management, &Management),
    cause: &Cause,
) -> Result<(), StoreError> {
    let (scope, host) = of_management(before, after);
    let (agents, _) = of_scope(connection, (ScopeKind::Cluster, cluster))?;
    let with = |event: HostEvent| agents.iter().map(move |agent| (agent.clone(), event));
    let told = OfScope {
        kind: ScopeKind::Cluster,
        name: cluster,
        event: scope,
        reason: after.reason.as_deref(),
        of_hosts: agents.len(),
        hosts: host.into_iter().flat_map(with).collect(),
    };
    events::append_of_scope(connection, &told, cause)
}
