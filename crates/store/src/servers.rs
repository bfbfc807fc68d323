//! Servers: read by the API, moved by the conductor, observed by agents.

mod adopt;
mod attribute;
mod control;
mod detail;
mod launch;
mod list;
mod observe;
mod patch;
mod places;
mod power;
mod record;
mod resolve;
mod row;
pub(crate) mod sightings;
mod sort;

use diesel::prelude::*;
use godwit_core::ids::ServerUuid;

pub use self::attribute::ServerAttribute;
pub use self::control::ServerChangeError;
pub(crate) use self::control::{load_locked, reset};
pub use self::detail::ServerDetail;
pub use self::launch::{Launch, Volume};
pub use self::list::{Deleted, ServerFilter, ServerListError, ServerPage};
pub use self::observe::{Inventory, MovedByHand, Observation, Observed, Owner};
pub(crate) use self::patch::{forget_host, write_patch};
pub use self::places::ServerPlace;
pub use self::power::{NewPower, PowerStart};
pub(crate) use self::power::{begin as begin_power, supersede_power, unfinished};
pub use self::record::{BY_FEATURES, Disk, Fault, Hardware, Lock, LockedBy, Server};
pub(crate) use self::resolve::follow;
use self::row::{HardwareRow, ServerRow};
pub use self::sightings::SightingRecord;
pub use self::sort::{ServerSortKey, SortDirection};
use crate::among::{among, load_all as load_all_among};
use crate::columns::text;
use crate::connection::{Database, on_backend};
use crate::dialect::Locking;
use crate::flavors::{FlavorRow, flavors_by_id};
use crate::schema::{flavors, servers};
use crate::{Store, StoreError};

/// The query of a server, for either database.
macro_rules! server {
    ($uuid:expr) => {
        servers::table
            .inner_join(flavors::table)
            .filter(servers::uuid.eq(text($uuid)))
            .select((ServerRow::as_select(), FlavorRow::as_select()))
    };
}

/// A server, deleted or not.
pub(crate) fn load_any(
    connection: &mut Database,
    uuid: ServerUuid,
) -> Result<Option<Server>, StoreError> {
    let found: QueryResult<(ServerRow, FlavorRow)> =
        on_backend!(connection, |backend| server!(uuid).first(backend));
    Ok(found.optional()?.map(Server::from))
}

/// A server, deleted or not, which nobody else changes until the transaction ends.
pub(crate) fn load_any_locked(
    connection: &mut Database,
    uuid: ServerUuid,
) -> Result<Option<Server>, StoreError> {
    let found: QueryResult<(ServerRow, FlavorRow)> =
        on_backend!(connection, |backend| Locking(server!(uuid), "servers")
            .get_result(backend));
    Ok(found.optional()?.map(Server::from))
}

/// A server, unless deleted.
pub(crate) fn load(
    connection: &mut Database,
    uuid: ServerUuid,
) -> Result<Option<Server>, StoreError> {
    Ok(load_any(connection, uuid)?.filter(|server| server.deleted_at.is_none()))
}

/// Those of these servers that exist, with their disks.
pub(crate) fn with_hardware(
    connection: &mut Database,
    uuids: &[String],
) -> Result<Vec<(Server, Hardware)>, StoreError> {
    let rows: Vec<(ServerRow, HardwareRow, i64)> = load_all_among!(connection, uuids, |uuids| {
        servers::table
            .filter(among(servers::uuid, uuids))
            .filter(servers::deleted_at.is_null())
            .select((
                ServerRow::as_select(),
                HardwareRow::as_select(),
                servers::flavor_id,
            ))
    });
    let flavors = flavors_by_id(connection, rows.iter().map(|(.., flavor)| *flavor))?;
    let rows = rows.into_iter().map(|(row, hardware, flavor)| {
        let known = flavors.get(&flavor);
        let unknown = || StoreError::Corrupt(format!("there is no flavor {flavor}").into());
        let server = row.with_flavor(known.ok_or_else(unknown)?.clone());
        Ok((server, Hardware::from(hardware)))
    });
    rows.collect()
}

/// Every server that exists, of `project` or of all, the newest first.
pub(crate) fn load_all(
    connection: &mut Database,
    project: Option<&str>,
) -> Result<Vec<Server>, StoreError> {
    let filter = ServerFilter {
        project_id: project.map(str::to_owned),
        ..ServerFilter::default()
    };
    list::load_all(connection, &filter)
}

impl Store {
    /// A server, unless deleted.
    pub async fn server_find(&self, uuid: ServerUuid) -> Result<Option<Server>, StoreError> {
        self.server_find_visible(uuid, None).await
    }

    /// A server with its hardware, unless deleted.
    pub async fn server_find_with_hardware(
        &self,
        uuid: ServerUuid,
    ) -> Result<Option<(Server, Hardware)>, StoreError> {
        self.read(move |connection| {
            let found: QueryResult<(ServerRow, FlavorRow, HardwareRow)> =
                on_backend!(connection, |backend| servers::table
                    .inner_join(flavors::table)
                    .filter(servers::uuid.eq(text(uuid)))
                    .filter(servers::deleted_at.is_null())
                    .select((
                        ServerRow::as_select(),
                        FlavorRow::as_select(),
                        HardwareRow::as_select(),
                    ))
                    .first(backend));
            Ok(found.optional()?.map(|(server, flavor, hardware)| {
                (Server::from((server, flavor)), Hardware::from(hardware))
            }))
        })
        .await
    }

    /// A server, deleted or not, unless (where `project` is given) it is another project's.
    pub async fn server_find_deleted_too(
        &self,
        uuid: ServerUuid,
        project: Option<&str>,
    ) -> Result<Option<Server>, StoreError> {
        let project = project.map(str::to_owned);
        self.read(move |connection| {
            let visible = |server: &Server| server.is_visible_to(project.as_deref());
            Ok(load_any(connection, uuid)?.filter(visible))
        })
        .await
    }

    /// What a server is on its hypervisor, in its driver's words, as its host last told;
    /// `None` if it never did, or there is no such server.
    pub async fn server_definition(&self, uuid: ServerUuid) -> Result<Option<String>, StoreError> {
        self.read(move |connection| {
            let found: Option<Option<String>> = servers::table
                .filter(servers::uuid.eq(text(uuid)))
                .select(servers::definition)
                .first(connection)
                .optional()?;
            Ok(found.flatten())
        })
        .await
    }

    /// A server, unless deleted or (where `project` is given) another project's.
    pub async fn server_find_visible(
        &self,
        uuid: ServerUuid,
        project: Option<&str>,
    ) -> Result<Option<Server>, StoreError> {
        let project = project.map(str::to_owned);
        self.read(move |connection| {
            let visible = |server: &Server| server.is_visible_to(project.as_deref());
            Ok(load(connection, uuid)?.filter(visible))
        })
        .await
    }
}
