//! Compute hosts: what an agent says of the machine it runs on.

mod loads;

use std::collections::{BTreeSet, HashMap};

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Text, Timestamp as SqlTimestamp};
use godwit_core::host::event::of_registration;
use godwit_core::host::link::Link;
use godwit_core::ids::HostName;
use godwit_core::resources::Resources;
use godwit_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use self::loads::HostLoad;
pub(crate) use self::loads::{load_all_loads, loads_of};
use crate::among::{among, load_all};
use crate::columns::{Json, PlainUuid, instant, json, text};
use crate::connection::Database;
use crate::events::{self, Actor, Cause};
use crate::import::NOVAS;
use crate::migrations::source_returned;
use crate::prepared::Prepare as _;
use crate::schema::{hosts, services};
use crate::services::{Beat, beat};
use crate::{Service, ServiceBinary, Store, StoreError};

/// A compute host, with the service that speaks for it.
#[derive(Clone, PartialEq, Debug)]
pub struct Host {
    /// Its integer id, as a hypervisor.
    pub id: i64,
    /// Its uuid, as a hypervisor.
    pub uuid: Uuid,
    /// What its agent says.
    pub facts: HostFacts,
    /// The run of its agent that registered last.
    pub agent: AgentFacts,
    /// What one stream from or to it was seen to achieve, in bytes a second; `None`: nobody has seen
    /// one.
    pub stream_bytes_per_second: Option<u64>,
    /// The agent's last whole inventory, which confirmed the facts.
    pub last_inventory_at: Option<Timestamp>,
    /// When it first registered.
    pub created_at: Timestamp,
    /// When it last registered again.
    pub updated_at: Option<Timestamp>,
    /// Its agent, as a service.
    pub service: Service,
}

/// What an agent says of its host, when it registers and with every whole inventory.
#[derive(Clone, PartialEq, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct HostFacts {
    pub name: HostName,
    pub node: String,
    /// Such as `QEMU`.
    pub hypervisor_type: String,
    /// As Nova counts: major × 1 000 000 + minor × 1 000 + micro.
    pub hypervisor_version: i64,
    /// The address that other hosts reach it at.
    pub host_ip: Option<String>,
    /// What it can compute, as the driver describes it.
    pub cpu_info: serde_json::Value,
    pub arch: String,
    /// Physical CPUs, without overcommitment.
    pub vcpus: i64,
    pub memory_mb: i64,
    /// Disk in GiB, on storage of its own.
    pub local_gb: i64,
    /// What of it is free, in GiB.
    pub local_free_gb: i64,
    pub storage_pools: Vec<StoragePool>,
    /// The networks it is on; none where its agent does not say.
    pub links: Vec<Link>,
}

/// What an agent says of itself when it registers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AgentFacts {
    /// Where it listens.
    pub address: String,
    /// Changes whenever the agent is started.
    pub boot_id: Uuid,
    /// The version of the protocol that it speaks.
    pub rpc_version: String,
    /// What it can do.
    pub capabilities: Vec<String>,
}

impl HostFacts {
    /// What it has, without overcommitment.
    pub fn resources(&self) -> Resources {
        Resources {
            vcpus: self.vcpus,
            memory_mb: self.memory_mb,
            disk_gb: self.local_gb,
        }
    }
}

/// A place for disks. Two hosts that name the same id reach the same bytes, unless it is local.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StoragePool {
    /// Unique over all hosts, but for local ones.
    pub id: String,
    /// Size in bytes.
    pub total_bytes: i64,
    /// Free space in bytes.
    pub available_bytes: i64,
    /// What it is made of, such as `nfs`; `None`: its agent does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// It is on disks of the host alone: what another host calls so is not the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub local: bool,
}

/// An agent that introduces itself.
#[derive(Clone, PartialEq, Debug)]
pub struct HostRegistration {
    /// What it says of its host.
    pub facts: HostFacts,
    /// What it says of itself.
    pub agent: AgentFacts,
    /// Its availability zone.
    pub zone: String,
    /// The version of the program.
    pub version: String,
    /// For the host's row, should it be new.
    pub host_uuid: Uuid,
    /// For the service's row, should it be new.
    pub service_uuid: Uuid,
    /// The present.
    pub at: Timestamp,
}

/// The node of a host, if there is such a host.
pub(crate) fn node(
    connection: &mut Database,
    host: &HostName,
) -> Result<Option<String>, StoreError> {
    let node = hosts::table
        .filter(hosts::name.eq(host.as_str()))
        .select(hosts::node)
        .first(connection)
        .optional()?;
    Ok(node)
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = hosts)]
struct HostRow {
    id: i64,
    uuid: PlainUuid,
    name: HostName,
    node: String,
    hypervisor_type: String,
    hypervisor_version: i64,
    host_ip: Option<String>,
    cpu_info: Json<serde_json::Value>,
    arch: String,
    vcpus: i64,
    memory_mb: i64,
    local_gb: i64,
    local_free_gb: i64,
    storage_pools: Json<Vec<StoragePool>>,
    links: Option<Json<Vec<Link>>>,
    stream_bytes_per_second: Option<i64>,
    agent_address: String,
    agent_boot_id: PlainUuid,
    rpc_version: String,
    capabilities: Json<Vec<String>>,
    last_inventory_at: Option<Timestamp>,
    created_at: Timestamp,
    updated_at: Option<Timestamp>,
}

impl HostRow {
    fn with(self, service: Service) -> Host {
        Host {
            id: self.id,
            uuid: self.uuid.0,
            facts: HostFacts {
                name: self.name,
                node: self.node,
                hypervisor_type: self.hypervisor_type,
                hypervisor_version: self.hypervisor_version,
                host_ip: self.host_ip,
                cpu_info: self.cpu_info.0,
                arch: self.arch,
                vcpus: self.vcpus,
                memory_mb: self.memory_mb,
                local_gb: self.local_gb,
                local_free_gb: self.local_free_gb,
                storage_pools: self.storage_pools.0,
                links: self.links.map(|links| links.0).unwrap_or_default(),
            },
            agent: AgentFacts {
                address: self.agent_address,
                boot_id: self.agent_boot_id.0,
                rpc_version: self.rpc_version,
                capabilities: self.capabilities.0,
            },
            stream_bytes_per_second: self
                .stream_bytes_per_second
                .and_then(|rate| u64::try_from(rate).ok()),
            last_inventory_at: self.last_inventory_at,
            created_at: self.created_at,
            updated_at: self.updated_at,
            service,
        }
    }
}

fn load(connection: &mut Database, name: &HostName) -> Result<Option<Host>, StoreError> {
    let row: Option<(HostRow, Service)> = hosts::table
        .inner_join(services::table)
        .filter(hosts::name.eq(name.as_str()))
        .select((HostRow::as_select(), Service::as_select()))
        .first(connection)
        .optional()?;
    Ok(row.map(|(host, service)| host.with(service)))
}

pub(crate) fn load_by_id(connection: &mut Database, id: i64) -> Result<Option<Host>, StoreError> {
    let row: Option<(HostRow, Service)> = hosts::table
        .inner_join(services::table)
        .filter(hosts::id.eq(id))
        .select((HostRow::as_select(), Service::as_select()))
        .first(connection)
        .optional()?;
    Ok(row.map(|(host, service)| host.with(service)))
}

/// What matters of an agent to whoever is about to ask it.
#[derive(Clone)]
pub(crate) struct Agent {
    address: String,
    forced_down: bool,
}

/// The agents of some hosts.
pub(crate) fn agents(
    connection: &mut Database,
    of: &[HostName],
) -> Result<HashMap<HostName, Agent>, StoreError> {
    let names: Vec<String> = of.iter().map(text).collect();
    let rows: Vec<(HostName, String, bool)> = load_all!(connection, names, |names| {
        hosts::table
            .inner_join(services::table)
            .filter(among(hosts::name, names))
            .select((hosts::name, hosts::agent_address, services::forced_down))
    });
    let agent = |(host, address, forced_down)| {
        let agent = Agent {
            address,
            forced_down,
        };
        (host, agent)
    };
    Ok(rows.into_iter().map(agent).collect())
}

pub(crate) fn load_all(connection: &mut Database) -> Result<Vec<Host>, StoreError> {
    let rows: Vec<(HostRow, Service)> = hosts::table
        .inner_join(services::table)
        .select((HostRow::as_select(), Service::as_select()))
        .order(hosts::id)
        .load(connection)?;
    Ok(rows
        .into_iter()
        .map(|(host, service)| host.with(service))
        .collect())
}

/// Writes what an agent says of its host.
fn write(
    connection: &mut Database,
    service: i64,
    registration: &HostRegistration,
) -> Result<(), StoreError> {
    let (facts, agent) = (&registration.facts, &registration.agent);
    sql_query(
        "INSERT INTO hosts (uuid, name, service_id, node, hypervisor_type, hypervisor_version,
                            host_ip, cpu_info, arch, vcpus, memory_mb, local_gb, local_free_gb,
                            storage_pools, agent_address, agent_boot_id, rpc_version,
                            capabilities, created_at, links)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
                 $19, $20)
         ON CONFLICT (name) DO UPDATE SET
             node = excluded.node, hypervisor_type = excluded.hypervisor_type,
             hypervisor_version = excluded.hypervisor_version, host_ip = excluded.host_ip,
             cpu_info = excluded.cpu_info, arch = excluded.arch, vcpus = excluded.vcpus,
             memory_mb = excluded.memory_mb, local_gb = excluded.local_gb,
             local_free_gb = excluded.local_free_gb, storage_pools = excluded.storage_pools,
             agent_address = excluded.agent_address, agent_boot_id = excluded.agent_boot_id,
             rpc_version = excluded.rpc_version, capabilities = excluded.capabilities,
             links = excluded.links,
             updated_at = excluded.created_at, imported_usage = NULL",
    )
    .bind::<Text, _>(text(registration.host_uuid))
    .bind::<Text, _>(facts.name.as_str())
    .bind::<BigInt, _>(service)
    .bind::<Text, _>(&facts.node)
    .bind::<Text, _>(&facts.hypervisor_type)
    .bind::<BigInt, _>(facts.hypervisor_version)
    .bind::<Nullable<Text>, _>(&facts.host_ip)
    .bind::<Text, _>(json(&facts.cpu_info))
    .bind::<Text, _>(&facts.arch)
    .bind::<BigInt, _>(facts.vcpus)
    .bind::<BigInt, _>(facts.memory_mb)
    .bind::<BigInt, _>(facts.local_gb)
    .bind::<BigInt, _>(facts.local_free_gb)
    .bind::<Text, _>(json(&facts.storage_pools))
    .bind::<Text, _>(&agent.address)
    .bind::<Text, _>(text(agent.boot_id))
    .bind::<Text, _>(&agent.rpc_version)
    .bind::<Text, _>(json(&agent.capabilities))
    .bind::<SqlTimestamp, _>(instant(registration.at))
    .bind::<Text, _>(json(&facts.links))
    .prepared()
    .execute(connection)?;
    Ok(())
}

/// Writes what an agent says of its host by now, where that is something else than before.
pub(crate) fn describe(connection: &mut Database, facts: &HostFacts) -> Result<(), StoreError> {
    let known = load(connection, &facts.name)?;
    if known.is_none_or(|host| host.facts == *facts) {
        return Ok(());
    }
    diesel::update(hosts::table.filter(hosts::name.eq(facts.name.as_str())))
        .set((
            hosts::node.eq(&facts.node),
            hosts::hypervisor_type.eq(&facts.hypervisor_type),
            hosts::hypervisor_version.eq(facts.hypervisor_version),
            hosts::host_ip.eq(&facts.host_ip),
            hosts::cpu_info.eq(json(&facts.cpu_info)),
            hosts::arch.eq(&facts.arch),
            hosts::vcpus.eq(facts.vcpus),
            hosts::memory_mb.eq(facts.memory_mb),
            hosts::local_gb.eq(facts.local_gb),
            hosts::local_free_gb.eq(facts.local_free_gb),
            hosts::storage_pools.eq(json(&facts.storage_pools)),
            hosts::links.eq(json(&facts.links)),
        ))
        .prepared()
        .execute(connection)?;
    Ok(())
}

/// Has an agent of this host ever spoken for it? What another database brought along has none.
fn is_known(connection: &mut Database, name: &HostName) -> Result<bool, StoreError> {
    let known: Option<i64> = services::table
        .filter(services::host.eq(name.as_str()))
        .filter(services::binary.eq(ServiceBinary::Compute.as_str()))
        .filter(services::version.ne(NOVAS))
        .select(services::id)
        .first(connection)
        .optional()?;
    Ok(known.is_some())
}

impl Store {
    /// Makes or renews a host's row and its service's. Counts as a heartbeat. Returns the host,
    /// and whether its agent was started anew since it registered last (or ever).
    pub async fn host_register(
        &self,
        registration: HostRegistration,
    ) -> Result<(Host, bool), StoreError> {
        self.write(move |connection| {
            let facts = &registration.facts;
            let before = load(connection, &facts.name)?;
            let was_known = is_known(connection, &facts.name)?;
            let sign = Beat {
                uuid: registration.service_uuid,
                binary: ServiceBinary::Compute,
                host: &facts.name,
                zone: &registration.zone,
                version: &registration.version,
                at: registration.at,
            };
            beat(connection, &sign)?;
            let service = services::table
                .filter(services::host.eq(facts.name.as_str()))
                .filter(services::binary.eq(ServiceBinary::Compute.as_str()))
                .select(services::id)
                .first(connection)?;
            write(connection, service, &registration)?;
            source_returned(connection, &facts.name, registration.at)?;
            let host = load(connection, &facts.name)?.ok_or(diesel::result::Error::NotFound)?;
            if let Some(event) = of_registration(was_known) {
                let cause = Cause::by(Actor::Agent(facts.name.clone()), registration.at);
                events::append_of_host(connection, &host.service, event, &cause)?;
            }
            let boot_id = registration.agent.boot_id;
            let known = before.is_some_and(|host| host.agent.boot_id == boot_id);
            Ok((host, !known))
        })
        .await
    }

    /// Notes that a host's agent lives. `false` if no such host is registered with this boot
    /// id: then the agent must register again.
    pub async fn host_heartbeat(
        &self,
        host: &HostName,
        boot_id: Uuid,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let host = host.clone();
        self.write_statement(move |connection| {
            let registered = hosts::table
                .filter(hosts::name.eq(host.as_str()))
                .filter(hosts::agent_boot_id.eq(text(boot_id)))
                .select(hosts::service_id);
            let updated = diesel::update(services::table)
                .filter(services::id.eq_any(registered))
                .set((
                    services::last_seen_up.eq(instant(at)),
                    services::updated_at.eq(instant(at)),
                    services::report_count.eq(services::report_count + 1),
                ))
                .prepared()
                .execute(connection)?;
            Ok(updated == 1)
        })
        .await
    }

    /// A host by its name.
    pub async fn host_find(&self, name: &HostName) -> Result<Option<Host>, StoreError> {
        let name = name.clone();
        self.read(move |connection| load(connection, &name)).await
    }

    /// Where a host's agent listens; `None` if it never registered.
    pub async fn host_address(&self, name: &HostName) -> Result<Option<String>, StoreError> {
        let found = self.lookups.agents.get(name.clone()).await?;
        Ok(found.map(|agent| agent.address))
    }

    /// Has its operator declared a host dead, by forcing its service down?
    pub async fn host_is_declared_dead(&self, name: &HostName) -> Result<bool, StoreError> {
        let found = self.lookups.agents.get(name.clone()).await?;
        Ok(found.is_some_and(|agent| agent.forced_down))
    }

    /// How many hosts are up, heard since `heard_since` and not declared dead, and how many there
    /// are.
    pub async fn hosts_up(&self, heard_since: Timestamp) -> Result<(i64, i64), StoreError> {
        self.read(move |connection| {
            let up = hosts::table
                .inner_join(services::table)
                .filter(services::forced_down.eq(false))
                .filter(services::last_seen_up.ge(instant(heard_since)))
                .count()
                .get_result(connection)?;
            Ok((up, hosts::table.count().get_result(connection)?))
        })
        .await
    }

    /// Which run of its agent each host has that has shown an inventory.
    pub async fn agents_known(&self) -> Result<HashMap<HostName, Uuid>, StoreError> {
        self.read(|connection| {
            let rows: Vec<(HostName, PlainUuid)> = hosts::table
                .filter(hosts::last_inventory_at.is_not_null())
                .select((hosts::name, hosts::agent_boot_id))
                .load(connection)?;
            Ok(rows.into_iter().map(|(host, run)| (host, run.0)).collect())
        })
        .await
    }

    /// All hosts, by id.
    pub async fn host_list(&self) -> Result<Vec<Host>, StoreError> {
        self.read(load_all).await
    }

    /// The storage pools of every host, by the host's id.
    pub async fn host_pools(&self) -> Result<Vec<(HostName, Vec<StoragePool>)>, StoreError> {
        self.read(|connection| {
            let rows: Vec<(HostName, Json<Vec<StoragePool>>)> = hosts::table
                .order(hosts::id)
                .select((hosts::name, hosts::storage_pools))
                .load(connection)?;
            Ok(rows
                .into_iter()
                .map(|(host, pools)| (host, pools.0))
                .collect())
        })
        .await
    }

    /// Those of these names that are hosts.
    pub async fn hosts_known(
        &self,
        names: impl IntoIterator<Item = HostName>,
    ) -> Result<BTreeSet<HostName>, StoreError> {
        let names: Vec<String> = names.into_iter().map(String::from).collect();
        if names.is_empty() {
            return Ok(BTreeSet::new());
        }
        self.read_snapshot(move |connection| {
            let found: Vec<HostName> = load_all!(connection, names, |names| hosts::table
                .filter(among(hosts::name, names))
                .select(hosts::name));
            Ok(found.into_iter().collect())
        })
        .await
    }

    /// How many hosts there are.
    pub async fn host_count(&self) -> Result<i64, StoreError> {
        self.read(|connection| Ok(hosts::table.count().get_result(connection)?))
            .await
    }
}
