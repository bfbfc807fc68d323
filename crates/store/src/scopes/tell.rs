//! What is told of a zone, pod or cluster, and of the hosts in it, where operators say something else
//! of it than before, and of hosts that are put elsewhere.

use std::collections::HashMap;

use diesel::prelude::*;
use godwit_core::host::event::{
    HostEvent, Standpoint, of_effect, of_management, of_switch, of_topology,
};
use godwit_core::host::management::{Management, Unmanaged};
use godwit_core::host::scope::{Because, Level, ScopeKind, Switch, Topology};
use godwit_core::ids::HostName;
use serde_json::{Value, json};

use super::{Scopes, of_all, of_some};
use crate::among::{among, load_all};
use crate::columns::text;
use crate::connection::Database;
use crate::events::{self, Cause, OfHost, OfScope};
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

/// A host, where it belongs, and what comes of that.
pub(crate) struct Standing {
    agent: Service,
    pub(crate) topology: Topology,
    because: Vec<Because>,
    unmanaged: Option<Unmanaged>,
}

impl Standing {
    /// The same, as if nothing kept it from receiving.
    pub(super) fn free(self) -> Self {
        Self {
            because: Vec::new(),
            unmanaged: None,
            ..self
        }
    }

    /// Its name.
    pub(crate) const fn host(&self) -> &HostName {
        &self.agent.host
    }

    fn standpoint(&self) -> Standpoint<'_> {
        Standpoint {
            topology: &self.topology,
            is_disabled: !self.because.is_empty(),
            is_managed: self.unmanaged.is_none(),
        }
    }
}

/// Those of some hosts that there are, as they are.
pub(crate) fn standings(
    connection: &mut Database,
    hosts: &[&HostName],
) -> Result<Vec<Standing>, StoreError> {
    let names: Vec<String> = hosts.iter().map(text).collect();
    let agents: Vec<Service> = load_all!(connection, names, |names| {
        services::table
            .filter(services::binary.eq(ServiceBinary::Compute.as_str()))
            .filter(among(services::host, names))
            .select(Service::as_select())
    });
    let scopes = of_some(connection, hosts)?;
    let standing = |agent: Service| Standing {
        topology: scopes.topology(&agent.host, &agent.zone),
        because: scopes.because(&agent),
        unmanaged: scopes.unmanaged(&agent),
        agent,
    };
    Ok(agents.into_iter().map(standing).collect())
}

fn place(topology: &Topology) -> Value {
    let Topology { zone, pod, cluster } = topology;
    json!({ "zone": zone, "pod": pod, "cluster": cluster })
}

/// What is said of an event beside the host's service.
fn detail(event: HostEvent, before: &Standing, after: &Standing) -> Value {
    match event {
        HostEvent::TopologyChanged => json!({
            "from": place(&before.topology),
            "to": place(&after.topology),
        }),
        HostEvent::Disabled | HostEvent::Enabled => {
            let widest = after.because.first();
            let mut detail = json!({ "reason": widest.and_then(|it| it.switch.reason.as_deref()) });
            if let Some(because) = widest.filter(|it| it.level != Level::Host) {
                detail["scope"] = json!({ "kind": because.level, "name": because.name });
            }
            events::with_effect(detail, event)
        }
        HostEvent::Unmanaged => match &after.unmanaged {
            Some(it) => json!({ "scope": { "kind": ScopeKind::Cluster, "name": it.cluster } }),
            None => json!({}),
        },
        HostEvent::Registered
        | HostEvent::Removed
        | HostEvent::Down
        | HostEvent::Up
        | HostEvent::ForcedDown
        | HostEvent::ForcedUp
        | HostEvent::Managed => json!({}),
    }
}

/// Some hosts belong elsewhere than `before`, perhaps.
pub(crate) fn moved(
    connection: &mut Database,
    before: &[Standing],
    hosts: &[&HostName],
    cause: &Cause,
) -> Result<(), StoreError> {
    let after = standings(connection, hosts)?;
    let after: HashMap<&HostName, &Standing> = after.iter().map(|it| (it.host(), it)).collect();
    let after_of = |was: &Standing| after.get(was.host()).copied();
    let pairs: Vec<(&Standing, &Standing, Vec<HostEvent>)> = before
        .iter()
        .filter_map(|was| Some((was, after_of(was)?)))
        .map(|(was, is)| (was, is, of_topology(was.standpoint(), is.standpoint())))
        .collect();
    let most = pairs.iter().map(|(.., told)| told.len()).max();
    // A host is told of once by a statement.
    for round in 0..most.unwrap_or_default() {
        let told = pairs.iter().filter_map(|(was, is, told)| {
            let event = *told.get(round)?;
            Some(OfHost {
                service: is.agent.clone(),
                event,
                detail: detail(event, was, is),
            })
        });
        events::append_of_hosts(connection, told.collect(), cause)?;
    }
    Ok(())
}
