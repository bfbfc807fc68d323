//! Agents that introduce themselves, and give signs of life.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Text, Timestamp as SqlTimestamp};
use godwit_core::host::event::of_registration;
use godwit_core::ids::HostName;
use godwit_core::time::Timestamp;
use uuid::Uuid;

use super::rows::load;
use super::{Host, HostFacts, HostRegistration};
use crate::columns::{instant, json, text};
use crate::connection::Database;
use crate::events::{self, Actor, Cause};
use crate::import::NOVAS;
use crate::migrations::source_returned;
use crate::prepared::Prepare as _;
use crate::schema::{hosts, services};
use crate::scopes::Registering;
use crate::services::{Beat, beat};
use crate::{ServiceBinary, Store, StoreError};

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
        let beginnings = self.beginnings;
        self.write(move |connection| {
            let facts = &registration.facts;
            let before = load(connection, &facts.name)?;
            let was_known = is_known(connection, &facts.name)?;
            let cause = Cause::by(Actor::Agent(facts.name.clone()), registration.at);
            let registering = Registering::begin(connection, &facts.name, &registration.zone)?;
            let sign = Beat {
                uuid: registration.service_uuid,
                binary: ServiceBinary::Compute,
                host: &facts.name,
                zone: &registration.zone,
                version: &registration.version,
                at: registration.at,
                switch: beginnings.of_host(registration.at).unwrap_or_default(),
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
                events::append_of_host(connection, &host.service, event, &cause)?;
            }
            registering.end(connection, beginnings, &cause)?;
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
}
