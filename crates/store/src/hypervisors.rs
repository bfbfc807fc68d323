//! Hosts as `os-hypervisors` shows them: with what is used of them, and by which servers.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};
use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::resources::Resources;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::columns::{Json, text};
use crate::connection::Database;
use crate::hosts::{self as rows, Host};
use crate::schema::{hosts, servers};
use crate::{Store, StoreError, reservations};

/// A host, and what is used of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Hypervisor {
    /// The host.
    pub host: Host,
    /// What is used of it.
    pub usage: HostUsage,
}

/// What is used of a host.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct HostUsage {
    /// By servers on it and migrations on their way to it.
    pub room: Resources,
    /// Servers on it, whatever their state.
    pub running_vms: i64,
    /// Servers on it to which something is being done.
    pub current_workload: i64,
}

/// How a hypervisor is named.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HypervisorKey {
    /// By its integer id.
    Id(i64),
    /// By its uuid.
    Uuid(Uuid),
}

/// Which hypervisors.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct HypervisorPage {
    /// At most so many; `None`: all there are.
    pub limit: Option<i64>,
    /// Only what follows this one, by id.
    pub marker: Option<HypervisorKey>,
    /// Only those whose hostname contains this, in whatever case.
    pub pattern: Option<String>,
}

/// No list.
#[derive(Debug, thiserror::Error)]
pub enum HypervisorListError {
    /// There is no hypervisor to continue after.
    #[error("there is no such hypervisor to continue after")]
    MarkerNotFound,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A server as its host lists it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostedServer {
    /// Which.
    pub uuid: ServerUuid,
    /// What the hypervisor calls it.
    pub instance_name: String,
}

#[derive(QueryableByName)]
struct Counted {
    #[diesel(sql_type = Text)]
    host: String,
    #[diesel(sql_type = BigInt)]
    servers: i64,
    #[diesel(sql_type = BigInt)]
    tasks: i64,
}

/// What is used of each host that is used at all.
fn usages(connection: &mut Database) -> Result<HashMap<String, HostUsage>, StoreError> {
    let mut usages: HashMap<String, HostUsage> = HashMap::new();
    for (host, taken) in reservations::taken(connection)? {
        usages.entry(host).or_default().room = taken.in_all();
    }
    let counts: Vec<Counted> = sql_query(
        "SELECT host, COUNT(*) AS servers, COUNT(task_state) AS tasks
         FROM servers WHERE deleted_at IS NULL AND host IS NOT NULL GROUP BY host",
    )
    .load(connection)?;
    for count in counts {
        let usage = usages.entry(count.host).or_default();
        usage.running_vms = count.servers;
        usage.current_workload = count.tasks;
    }
    // What a database said that was imported stands until the host's agent speaks.
    let imported: Vec<(String, Json<HostUsage>)> = hosts::table
        .filter(hosts::imported_usage.is_not_null())
        .select((hosts::name, hosts::imported_usage.assume_not_null()))
        .load(connection)?;
    usages.extend(imported.into_iter().map(|(host, usage)| (host, usage.0)));
    Ok(usages)
}

fn with_usage(connection: &mut Database, found: Vec<Host>) -> Result<Vec<Hypervisor>, StoreError> {
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let usages = usages(connection)?;
    let usage = |host: &Host| usages.get(host.facts.name.as_str()).copied();
    let hypervisor = |host: Host| Hypervisor {
        usage: usage(&host).unwrap_or_default(),
        host,
    };
    Ok(found.into_iter().map(hypervisor).collect())
}

fn number(connection: &mut Database, key: HypervisorKey) -> Result<Option<i64>, StoreError> {
    let rows = hosts::table.select(hosts::id).into_boxed();
    let rows = match key {
        HypervisorKey::Id(id) => rows.filter(hosts::id.eq(id)),
        HypervisorKey::Uuid(uuid) => rows.filter(hosts::uuid.eq(text(uuid))),
    };
    Ok(rows.first(connection).optional()?)
}

fn list(
    connection: &mut Database,
    page: &HypervisorPage,
) -> Result<Vec<Hypervisor>, HypervisorListError> {
    let after = match page.marker {
        None => None,
        Some(marker) => {
            let found = number(connection, marker)?;
            Some(found.ok_or(HypervisorListError::MarkerNotFound)?)
        }
    };
    // Hosts are some hundreds, so all of them are read and the page is cut here.
    let mut found = rows::load_all(connection)?;
    if let Some(after) = after {
        found.retain(|host| host.id > after);
    }
    if let Some(pattern) = &page.pattern {
        let pattern = pattern.to_lowercase();
        found.retain(|host| host.facts.node.to_lowercase().contains(&pattern));
    }
    if let Some(limit) = page.limit {
        found.truncate(usize::try_from(limit).unwrap_or_default());
    }
    Ok(with_usage(connection, found)?)
}

impl Store {
    /// Hypervisors, by id.
    pub async fn hypervisor_list(
        &self,
        page: &HypervisorPage,
    ) -> Result<Vec<Hypervisor>, HypervisorListError> {
        let page = page.clone();
        self.read(move |connection| list(connection, &page)).await
    }

    /// A hypervisor.
    pub async fn hypervisor_find(
        &self,
        key: HypervisorKey,
    ) -> Result<Option<Hypervisor>, StoreError> {
        self.read(move |connection| {
            let Some(id) = number(connection, key)? else {
                return Ok(None);
            };
            let found = rows::load_by_id(connection, id)?.into_iter().collect();
            Ok(with_usage(connection, found)?.pop())
        })
        .await
    }

    /// The servers on some hosts, by database id; hosts without any are left out.
    pub async fn servers_by_host(
        &self,
        hosts: Vec<HostName>,
    ) -> Result<HashMap<HostName, Vec<HostedServer>>, StoreError> {
        self.read(move |connection| {
            let found: Vec<(HostName, ServerUuid, String)> = servers::table
                .filter(servers::host.eq_any(hosts.iter().map(HostName::as_str)))
                .filter(servers::deleted_at.is_null())
                .order(servers::id)
                .select((
                    servers::host.assume_not_null(),
                    servers::uuid,
                    servers::instance_name,
                ))
                .load(connection)?;
            let mut by_host: HashMap<HostName, Vec<HostedServer>> = HashMap::new();
            for (host, uuid, instance_name) in found {
                let server = HostedServer {
                    uuid,
                    instance_name,
                };
                by_host.entry(host).or_default().push(server);
            }
            Ok(by_host)
        })
        .await
    }
}
