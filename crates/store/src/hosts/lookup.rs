//! What is asked of hosts.

use std::collections::{BTreeSet, HashMap};

use diesel::prelude::*;
use godwit_core::ids::HostName;
use godwit_core::time::Timestamp;
use uuid::Uuid;

use super::rows::{load, load_all as load_all_hosts};
use super::{Host, StoragePool};
use crate::among::{among, load_all};
use crate::columns::{Json, PlainUuid, instant, text};
use crate::connection::Database;
use crate::schema::{hosts, services};
use crate::{Store, StoreError};

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

impl Store {
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
        self.read(load_all_hosts).await
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
