//! Whose servers are, and where.

use std::collections::HashMap;

use diesel::dsl::count_star;
use diesel::prelude::*;
use godwit_core::ids::{HostName, ServerUuid};

use crate::among::{among, load_all};
use crate::columns::text;
use crate::schema::servers;
use crate::{Store, StoreError};

/// Whose a server is, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerPlace {
    /// Whose.
    pub project: String,
    /// Where, if it is anywhere.
    pub host: Option<HostName>,
    /// Is there such a server no longer?
    pub is_deleted: bool,
}

impl Store {
    /// How many servers are on these hosts.
    pub async fn servers_on(
        &self,
        hosts: impl IntoIterator<Item = HostName>,
    ) -> Result<i64, StoreError> {
        let hosts: Vec<String> = hosts.into_iter().map(text).collect();
        if hosts.is_empty() {
            return Ok(0);
        }
        self.read_snapshot(move |connection| {
            let counts: Vec<i64> = load_all!(connection, hosts, |hosts| {
                servers::table
                    .filter(among(servers::host.assume_not_null(), hosts))
                    .filter(servers::deleted_at.is_null())
                    .select(count_star())
            });
            Ok(counts.into_iter().sum())
        })
        .await
    }

    /// Whose these servers are, and where; those that there never were are left out.
    pub async fn server_places(
        &self,
        uuids: impl IntoIterator<Item = ServerUuid>,
    ) -> Result<HashMap<ServerUuid, ServerPlace>, StoreError> {
        let uuids: Vec<String> = uuids.into_iter().map(text).collect();
        if uuids.is_empty() {
            return Ok(HashMap::new());
        }
        self.read_snapshot(move |connection| {
            type Row = (ServerUuid, String, Option<HostName>, bool);
            let rows: Vec<Row> = load_all!(connection, uuids, |uuids| {
                servers::table.filter(among(servers::uuid, uuids)).select((
                    servers::uuid,
                    servers::project_id,
                    servers::host,
                    servers::deleted_at.is_not_null(),
                ))
            });
            let place = |(uuid, project, host, is_deleted): Row| {
                let place = ServerPlace {
                    project,
                    host,
                    is_deleted,
                };
                (uuid, place)
            };
            Ok(rows.into_iter().map(place).collect())
        })
        .await
    }
}
