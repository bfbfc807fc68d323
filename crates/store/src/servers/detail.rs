//! Servers with what they are made of, and the groups that they are in.

use std::collections::HashMap;

use diesel::prelude::*;
use godwit_core::ids::{ServerGroupUuid, ServerUuid};

use super::list::{self, ServerFilter, ServerListError, ServerPage};
use super::row::HardwareRow;
use super::{Disk, Hardware, Server, load};
use crate::among::{among, load_all};
use crate::columns::{Parsed, text};
use crate::connection::Database;
use crate::schema::{server_group_members, server_groups, servers};
use crate::{Store, StoreError};

/// A server, what it is made of, and its groups.
#[derive(Clone, PartialEq, Debug)]
pub struct ServerDetail {
    /// The server.
    pub server: Server,
    /// Its disks, as its host last told.
    pub disks: Vec<Disk>,
    /// The processor it needs, as the driver describes it.
    pub cpu: serde_json::Value,
    /// The server groups that it is in.
    pub groups: Vec<ServerGroupUuid>,
}

fn with_details(
    connection: &mut Database,
    found: Vec<Server>,
) -> Result<Vec<ServerDetail>, StoreError> {
    let uuids: Vec<String> = found.iter().map(|server| text(server.uuid)).collect();
    type Row = (Parsed<ServerUuid>, HardwareRow);
    let hardware: Vec<Row> = load_all!(connection, uuids, |uuids| {
        servers::table
            .filter(among(servers::uuid, uuids))
            .select((servers::uuid, HardwareRow::as_select()))
    });
    let members: Vec<(Parsed<ServerUuid>, Parsed<ServerGroupUuid>)> =
        load_all!(connection, uuids, |uuids| {
            server_group_members::table
                .inner_join(server_groups::table)
                .filter(among(server_group_members::server_uuid, uuids))
                .filter(server_groups::deleted_at.is_null())
                .order(server_group_members::id)
                .select((server_group_members::server_uuid, server_groups::uuid))
        });
    let hardware = hardware.into_iter();
    let mut hardware: HashMap<ServerUuid, Hardware> =
        hardware.map(|(uuid, it)| (uuid.0, it.into())).collect();
    let mut groups: HashMap<ServerUuid, Vec<ServerGroupUuid>> = HashMap::new();
    for (server, group) in members {
        groups.entry(server.0).or_default().push(group.0);
    }
    let detail = |server: Server| {
        let Hardware { disks, cpu } = hardware.remove(&server.uuid).unwrap_or_default();
        ServerDetail {
            disks,
            cpu,
            groups: groups.remove(&server.uuid).unwrap_or_default(),
            server,
        }
    };
    Ok(found.into_iter().map(detail).collect())
}

impl Store {
    /// Servers as [`Self::server_list`] has them, with what they are made of.
    pub async fn server_detail_list(
        &self,
        filter: &ServerFilter,
        page: &ServerPage,
    ) -> Result<Vec<ServerDetail>, ServerListError> {
        let (filter, page) = (filter.clone(), page.clone());
        let found =
            self.read_snapshot(
                move |connection| match list::list(connection, &filter, &page) {
                    Ok(found) => Ok(Ok(with_details(connection, found)?)),
                    Err(ServerListError::Store(error)) => Err(error),
                    Err(error @ ServerListError::MarkerNotFound(_)) => Ok(Err(error)),
                },
            );
        found.await?
    }

    /// A server with what it is made of, unless deleted or (where `project` is given) another
    /// project's.
    pub async fn server_detail(
        &self,
        uuid: ServerUuid,
        project: Option<&str>,
    ) -> Result<Option<ServerDetail>, StoreError> {
        let project = project.map(str::to_owned);
        self.read_snapshot(move |connection| {
            let visible = |server: &Server| server.is_visible_to(project.as_deref());
            let found = load(connection, uuid)?.filter(visible);
            Ok(with_details(connection, found.into_iter().collect())?.pop())
        })
        .await
    }

    /// How many servers there are of those that [`Self::server_list`] has. Patterns are not looked
    /// at.
    pub async fn server_count(&self, filter: &ServerFilter) -> Result<i64, StoreError> {
        let filter = filter.clone();
        self.read(move |connection| list::count(connection, &filter))
            .await
    }
}
