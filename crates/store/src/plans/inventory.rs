//! What plans are made of, and compared with: hosts, servers and groups as they are at one moment.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use godwit_core::ids::{HostName, ServerGroupUuid, ServerUuid};
use godwit_core::server_group::Policy;
use godwit_core::status::{MigrationKind, MigrationStatus};

use crate::among::{among, load_all};
use crate::columns::text;
use crate::connection::Database;
use crate::hosts::{HostLoad, load_all_loads, loads_of};
use crate::plans::count;
use crate::schema::{migrations, server_group_members, server_groups, servers};
use crate::servers::{Hardware, Server, with_hardware};
use crate::{Store, StoreError};

/// Which part of the inventory is looked at.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct InventoryScope {
    /// These servers.
    pub servers: BTreeSet<ServerUuid>,
    /// All servers of these hosts.
    pub emptied: BTreeSet<HostName>,
    /// These hosts, beside those of the servers; `None`: all there are.
    pub hosts: Option<BTreeSet<HostName>>,
}

/// The inventory at one moment. The members of every group that one of the servers is in are there as
/// well.
#[derive(Clone, PartialEq, Debug)]
pub struct PlanInventory {
    /// By id.
    pub hosts: Vec<HostLoad>,
    /// By uuid.
    pub servers: Vec<InventoryServer>,
    /// By uuid.
    pub groups: Vec<InventoryGroup>,
}

/// A server, and what is being done to it.
#[derive(Clone, PartialEq, Debug)]
pub struct InventoryServer {
    /// The server.
    pub server: Server,
    /// What it is made of, as its host last told.
    pub hardware: Hardware,
    /// The group that it is in.
    pub group: Option<ServerGroupUuid>,
    /// Its migration that has not ended.
    pub moving: Option<InventoryMove>,
}

/// A migration that has not ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InventoryMove {
    /// Of which type.
    pub kind: MigrationKind,
    /// How far it is.
    pub status: MigrationStatus,
    /// Where it comes from.
    pub source: HostName,
    /// Where it goes; `None` while that is being chosen.
    pub destination: Option<HostName>,
}

/// A server group.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct InventoryGroup {
    pub uuid: ServerGroupUuid,
    pub name: String,
    pub policy: Policy,
    pub max_server_per_host: Option<u32>,
}

/// The servers of the scope, by uuid, without those of their groups.
fn named(
    connection: &mut Database,
    scope: &InventoryScope,
) -> Result<BTreeSet<ServerUuid>, StoreError> {
    let hosts: Vec<String> = scope.emptied.iter().map(text).collect();
    let here: Vec<ServerUuid> = load_all!(connection, hosts, |hosts| {
        servers::table
            .filter(among(servers::host.assume_not_null(), hosts))
            .filter(servers::deleted_at.is_null())
            .select(servers::uuid)
    });
    Ok(here
        .into_iter()
        .chain(scope.servers.iter().copied())
        .collect())
}

/// The groups of these servers, by row id, with all their members.
type Groups = (Vec<InventoryGroup>, BTreeMap<ServerUuid, ServerGroupUuid>);

type GroupRow = (i64, ServerGroupUuid, String, Policy, Option<i64>);

fn groups(connection: &mut Database, servers: &BTreeSet<ServerUuid>) -> Result<Groups, StoreError> {
    let uuids: Vec<String> = servers.iter().map(text).collect();
    let rows: Vec<GroupRow> = load_all!(connection, uuids, |uuids| {
        server_group_members::table
            .inner_join(server_groups::table)
            .filter(among(server_group_members::server_uuid, uuids))
            .filter(server_groups::deleted_at.is_null())
            .select((
                server_groups::id,
                server_groups::uuid,
                server_groups::name,
                server_groups::policy,
                server_groups::max_server_per_host,
            ))
    });
    let found: BTreeMap<i64, InventoryGroup> = rows
        .into_iter()
        .map(|(id, uuid, name, policy, most)| {
            let group = InventoryGroup {
                uuid,
                name,
                policy,
                max_server_per_host: most.map(count).filter(|_| policy == Policy::AntiAffinity),
            };
            (id, group)
        })
        .collect();
    let ids: Vec<i64> = found.keys().copied().collect();
    let members: Vec<(i64, ServerUuid)> = load_all!(connection, ids, |ids| {
        server_group_members::table
            .filter(among(server_group_members::group_id, ids))
            .select((
                server_group_members::group_id,
                server_group_members::server_uuid,
            ))
    });
    let of = |(id, server): (i64, ServerUuid)| Some((server, found.get(&id)?.uuid));
    let members = members.into_iter().filter_map(of).collect();
    let mut groups: Vec<InventoryGroup> = found.into_values().collect();
    groups.sort_by_key(|it| it.uuid);
    Ok((groups, members))
}

type MoveRow = (
    ServerUuid,
    MigrationKind,
    MigrationStatus,
    HostName,
    Option<HostName>,
    Option<String>,
);

/// What is being done to these servers. One that is not placed leads nowhere yet, whatever host it
/// names, and one that was imported is history.
fn moves(
    connection: &mut Database,
    uuids: &[String],
) -> Result<BTreeMap<ServerUuid, InventoryMove>, StoreError> {
    let rows: Vec<MoveRow> = load_all!(connection, uuids, |uuids| {
        migrations::table
            .filter(among(migrations::instance_uuid, uuids))
            .filter(migrations::ended_at.is_null())
            .filter(migrations::imported.eq(false))
            .select((
                migrations::instance_uuid,
                migrations::migration_type,
                migrations::status,
                migrations::source_compute,
                migrations::dest_compute,
                migrations::storage,
            ))
    });
    let moves = rows
        .into_iter()
        .map(|(server, kind, status, source, destination, placed)| {
            let destination = destination.filter(|_| placed.is_some());
            let moving = InventoryMove {
                kind,
                status,
                source,
                destination,
            };
            (server, moving)
        });
    Ok(moves.collect())
}

/// The hosts of the scope, and those that the servers are on or may come to be on.
fn hosts(
    connection: &mut Database,
    scope: &InventoryScope,
    servers: &[InventoryServer],
) -> Result<Vec<HostLoad>, StoreError> {
    let Some(named) = &scope.hosts else {
        return load_all_loads(connection);
    };
    let of_servers = servers.iter().flat_map(|it| {
        let ends = it.moving.iter();
        let ends = ends.flat_map(|it| it.destination.iter().chain([&it.source]));
        ends.chain(&it.server.host)
    });
    let all: BTreeSet<&HostName> = named
        .iter()
        .chain(&scope.emptied)
        .chain(of_servers)
        .collect();
    let all: Vec<&HostName> = all.into_iter().collect();
    loads_of(connection, &all)
}

/// The inventory as it is in this transaction.
pub(crate) fn inventory(
    connection: &mut Database,
    scope: &InventoryScope,
) -> Result<PlanInventory, StoreError> {
    let named = named(connection, scope)?;
    let (groups, members) = groups(connection, &named)?;
    let all: BTreeSet<ServerUuid> = named.iter().chain(members.keys()).copied().collect();
    let uuids: Vec<String> = all.iter().map(text).collect();
    let mut moves = moves(connection, &uuids)?;
    let servers = with_hardware(connection, &uuids)?
        .into_iter()
        .map(|(server, hardware)| InventoryServer {
            group: members.get(&server.uuid).copied(),
            moving: moves.remove(&server.uuid),
            server,
            hardware,
        });
    let mut servers: Vec<InventoryServer> = servers.collect();
    servers.sort_by_key(|it| it.server.uuid);
    Ok(PlanInventory {
        hosts: hosts(connection, scope, &servers)?,
        servers,
        groups,
    })
}

impl Store {
    /// What a plan is made of: the inventory at one moment. Servers that are not there any more are
    /// left out.
    pub async fn plan_inventory(&self, scope: InventoryScope) -> Result<PlanInventory, StoreError> {
        self.read_snapshot(move |connection| inventory(connection, &scope))
            .await
    }
}
