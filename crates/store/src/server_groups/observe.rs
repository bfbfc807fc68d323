//! Groups that domains name: servers are not made here, so this is how a server that no Nova ever
//! knew gets into one.

use std::collections::HashMap;

use diesel::prelude::*;
use godwit_core::ids::{ServerGroupUuid, ServerUuid};
use godwit_core::server_group::{DeclaredGroup, NAME_MAX};

use super::{NewServerGroup, Origin, insert, put_member, take_out};
use crate::columns::{storable, text};
use crate::connection::Database;
use crate::schema::{server_group_members, server_groups, servers};
use crate::{Inventory, Observed, StoreError};

/// Takes note of what `domains`, whose servers are recorded on the host, say of their groups.
///
/// What a domain names counts more than what was imported. A domain that names no group leaves
/// one only if it is how it came into it, and if its host described it in full.
pub(crate) fn observe(
    connection: &mut Database,
    inventory: &Inventory,
    domains: &[&Observed],
) -> Result<(), StoreError> {
    let known = members_on(connection, inventory)?;
    for domain in domains {
        let server = domain.uuid;
        match (&domain.group, known.get(&server)) {
            (Some(declared), Some((group, _))) if declared.uuid == *group => {}
            (Some(declared), _) => {
                if let Some(group) = ensure(connection, server, declared, inventory)? {
                    put_member(connection, group, server, Origin::Observed, inventory.at)?;
                }
            }
            (None, Some((_, Origin::Observed))) if domain.definition.is_some() => {
                take_out(connection, server)?;
            }
            (None, _) => {}
        }
    }
    Ok(())
}

/// The servers that are recorded on the host and in a group.
fn members_on(
    connection: &mut Database,
    inventory: &Inventory,
) -> Result<HashMap<ServerUuid, (ServerGroupUuid, Origin)>, StoreError> {
    let rows: Vec<(ServerUuid, ServerGroupUuid, Origin)> = server_group_members::table
        .inner_join(server_groups::table)
        .inner_join(servers::table.on(servers::uuid.eq(server_group_members::server_uuid)))
        .filter(servers::host.eq(inventory.host.as_str()))
        .select((
            server_group_members::server_uuid,
            server_groups::uuid,
            server_group_members::origin,
        ))
        .load(connection)?;
    let member = |(server, group, origin)| (server, (group, origin));
    Ok(rows.into_iter().map(member).collect())
}

/// The group that a domain names, made if need be. `None`: it was deleted, it is another
/// project's, or it cannot be made because its policy is not said.
fn ensure(
    connection: &mut Database,
    server: ServerUuid,
    declared: &DeclaredGroup,
    inventory: &Inventory,
) -> Result<Option<i64>, StoreError> {
    let (project_id, user_id): (String, String) = servers::table
        .filter(servers::uuid.eq(text(server)))
        .select((servers::project_id, servers::user_id))
        .first(connection)?;
    if let Some(policy) = declared.policy {
        let new = NewServerGroup {
            uuid: declared.uuid,
            name: name(declared),
            project_id: project_id.clone(),
            user_id,
            policy,
            max_server_per_host: declared.max_server_per_host.filter(|most| *most > 0),
            by: None,
            at: inventory.at,
        };
        insert(connection, &new)?;
    }
    Ok(server_groups::table
        .filter(server_groups::uuid.eq(text(declared.uuid)))
        .filter(server_groups::project_id.eq(project_id))
        .filter(server_groups::deleted_at.is_null())
        .select(server_groups::id)
        .first(connection)
        .optional()?)
}

fn name(declared: &DeclaredGroup) -> String {
    let name = declared.name.as_deref().filter(|name| storable(name));
    let name: String = name.unwrap_or_default().chars().take(NAME_MAX).collect();
    if name.is_empty() {
        text(declared.uuid)
    } else {
        name
    }
}
