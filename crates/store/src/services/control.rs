//! What operators change of services: whether a host may be a destination, whether it counts as
//! dead, and that one is gone for good.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Bool, Nullable, Text, Timestamp as SqlTimestamp};
use godwit_core::fence::Declaration;
use godwit_core::host::event::{HostEvent, of_declaration};
use godwit_core::ids::HostName;
use godwit_core::status::{MigrationKind, MigrationStatus};
use uuid::Uuid;

use super::{Service, ServiceBinary};
use crate::columns::{instant, instants, json, text};
use crate::connection::Database;
use crate::dialect::{self, ZoneLock};
use crate::events::{self, Cause};
use crate::prepared::Prepare as _;
use crate::schema::{hosts, migrations, servers, services, sightings};
use crate::scopes::management;
use crate::{ActionNote, Store, StoreError, aggregates};

/// How a service is named.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ServiceKey {
    /// By its uuid.
    Uuid(Uuid),
    /// By its integer id.
    Id(i64),
    /// By where it runs and what it is.
    On(HostName, ServiceBinary),
}

/// What shall change of a service; `None` stays as it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServiceChange {
    /// Disabled, or enabled.
    pub status: Option<ServiceStatus>,
    /// Declared dead, or no longer.
    pub forced_down: Option<bool>,
    /// Who asks for it, and when.
    pub note: ActionNote,
}

/// May a service's host be used as a destination?
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ServiceStatus {
    /// It may. Forgets why it might not.
    Enabled,
    /// It may not.
    Disabled {
        /// Why; `None` forgets an earlier reason.
        reason: Option<String>,
    },
}

/// What still needs a service's host.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ServiceUse {
    /// Servers recorded on it.
    pub servers: i64,
    /// Unfinished migrations from or to it.
    pub unfinished_migrations: i64,
    /// Evacuations from it whose leftovers it has not cleaned yet.
    pub done_evacuations: i64,
}

/// Why a service was not changed. Nothing was.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError<E> {
    /// There is none.
    #[error("there is no such service")]
    NoSuchService,
    /// The caller's check said no.
    #[error("what the service is used for does not allow it")]
    Refused(E),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

pub(super) fn load(
    connection: &mut Database,
    key: &ServiceKey,
) -> Result<Option<Service>, StoreError> {
    let rows = services::table.select(Service::as_select()).into_boxed();
    let rows = match key {
        ServiceKey::Uuid(uuid) => rows.filter(services::uuid.eq(text(uuid))),
        ServiceKey::Id(id) => rows.filter(services::id.eq(*id)),
        ServiceKey::On(host, binary) => rows
            .filter(services::host.eq(host.as_str()))
            .filter(services::binary.eq(binary.as_str())),
    };
    Ok(rows.first(connection).optional()?)
}

/// Counts what needs a service's host. Nothing needs that of a service which is no agent.
fn count_use(connection: &mut Database, service: &Service) -> Result<ServiceUse, StoreError> {
    if service.binary != ServiceBinary::Compute {
        return Ok(ServiceUse::default());
    }
    let host = service.host.as_str();
    let destination = migrations::dest_compute.assume_not_null();
    let takes_part = migrations::source_compute
        .eq(host)
        .or(migrations::dest_compute
            .is_not_null()
            .and(destination.eq(host)));
    Ok(ServiceUse {
        servers: servers::table
            .filter(servers::host.eq(host))
            .filter(servers::deleted_at.is_null())
            .count()
            .get_result(connection)?,
        unfinished_migrations: migrations::table
            .filter(migrations::ended_at.is_null())
            .filter(migrations::deleted_at.is_null())
            .filter(takes_part)
            .count()
            .get_result(connection)?,
        done_evacuations: migrations::table
            .filter(migrations::source_compute.eq(host))
            .filter(migrations::status.eq(MigrationStatus::Done.as_str()))
            .filter(migrations::migration_type.eq(MigrationKind::Evacuation.as_str()))
            .filter(migrations::deleted_at.is_null())
            .count()
            .get_result(connection)?,
    })
}

/// The service, and what needs it, checked and locked.
fn checked<E>(
    connection: &mut Database,
    uuid: Uuid,
    check: impl Fn(&Service, &ServiceUse) -> Result<(), E>,
) -> Result<Service, ServiceError<E>> {
    dialect::lock_service(connection, &text(uuid)).map_err(StoreError::from)?;
    let key = ServiceKey::Uuid(uuid);
    let service = load(connection, &key)?.ok_or(ServiceError::NoSuchService)?;
    let used = count_use(connection, &service)?;
    check(&service, &used).map_err(ServiceError::Refused)?;
    Ok(service)
}

/// Changes a service; `dead_because` is how it is known that it is dead, where that is said.
pub(super) fn write(
    connection: &mut Database,
    mut service: Service,
    change: &ServiceChange,
    dead_because: Option<&str>,
) -> Result<Service, StoreError> {
    let before = service.clone();
    if let Some(status) = &change.status {
        let wanted = match status {
            ServiceStatus::Enabled => (false, None),
            ServiceStatus::Disabled { reason } => (true, reason.clone()),
        };
        let switch = before
            .switch()
            .turned(wanted, Some(change.note.requester()), change.note.at);
        service.disabled = switch.disabled;
        service.disabled_reason = switch.reason;
        service.disabled_by = switch.by;
        service.disabled_since = switch.since;
    }
    service.forced_down = change.forced_down.unwrap_or(service.forced_down);
    if let Some(reason) = dead_because {
        service.forced_down_reason = Some(reason.to_owned());
    }
    if !service.forced_down {
        service.forced_down_reason = None;
    }
    if service == before {
        return Ok(service);
    }
    service.updated_at = Some(change.note.at);
    (service.forced_down_at, service.forced_down_by) =
        match (before.forced_down, service.forced_down) {
            (_, false) => (None, None),
            // Who says how it is known answers for that; it has been so since it was declared.
            (true, true) if service.forced_down_reason != before.forced_down_reason => {
                (before.forced_down_at, Some(change.note.requester()))
            }
            (true, true) => (before.forced_down_at, before.forced_down_by.clone()),
            (false, true) => (Some(change.note.at), Some(change.note.requester())),
        };
    diesel::update(services::table.find(service.id))
        .set((
            services::disabled.eq(service.disabled),
            services::disabled_reason.eq(&service.disabled_reason),
            services::forced_down.eq(service.forced_down),
            services::disabled_by.eq(service.disabled_by.as_ref().map(json)),
            services::disabled_since.eq(instants(service.disabled_since)),
            services::forced_down_at.eq(instants(service.forced_down_at)),
            services::forced_down_by.eq(service.forced_down_by.as_ref().map(json)),
            services::forced_down_reason.eq(&service.forced_down_reason),
            services::updated_at.eq(instant(change.note.at)),
        ))
        .prepared()
        .execute(connection)?;
    if service.binary == ServiceBinary::Compute {
        let cause = Cause::asked(&change.note);
        for event in of_declaration(before.declared(), service.declared()) {
            events::append_of_host(connection, &service, event, &cause)?;
        }
        if service.forced_down && !before.forced_down {
            management::not_waited_for(connection, &service.host, change.note.at)?;
        }
    }
    Ok(service)
}

/// With an agent's service goes its host, from its aggregates too, and what the host said of
/// servers. What operators said of it stays: it may still be there, and comes back with its next sign of life.
fn delete(
    connection: &mut Database,
    service: &Service,
    note: &ActionNote,
) -> Result<(), StoreError> {
    sql_query(
        "INSERT INTO deleted_services (host, \"binary\", disabled, disabled_reason, forced_down,
                                       deleted_at, disabled_by, disabled_since, forced_down_at,
                                       forced_down_by, forced_down_reason)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         ON CONFLICT (host, \"binary\") DO UPDATE SET
             disabled = excluded.disabled, disabled_reason = excluded.disabled_reason,
             forced_down = excluded.forced_down, deleted_at = excluded.deleted_at,
             disabled_by = excluded.disabled_by, disabled_since = excluded.disabled_since,
             forced_down_at = excluded.forced_down_at, forced_down_by = excluded.forced_down_by,
             forced_down_reason = excluded.forced_down_reason",
    )
    .bind::<Text, _>(service.host.as_str())
    .bind::<Text, _>(service.binary.as_str())
    .bind::<Bool, _>(service.disabled)
    .bind::<Nullable<Text>, _>(&service.disabled_reason)
    .bind::<Bool, _>(service.forced_down)
    .bind::<SqlTimestamp, _>(instant(note.at))
    .bind::<Nullable<Text>, _>(service.disabled_by.as_ref().map(json))
    .bind::<Nullable<SqlTimestamp>, _>(instants(service.disabled_since))
    .bind::<Nullable<SqlTimestamp>, _>(instants(service.forced_down_at))
    .bind::<Nullable<Text>, _>(service.forced_down_by.as_ref().map(json))
    .bind::<Nullable<Text>, _>(&service.forced_down_reason)
    .prepared()
    .execute(connection)?;
    if service.binary == ServiceBinary::Compute {
        aggregates::forget_host(connection, &service.host)?;
        diesel::delete(hosts::table.filter(hosts::service_id.eq(service.id)))
            .prepared()
            .execute(connection)?;
        diesel::delete(sightings::table.filter(sightings::host.eq(service.host.as_str())))
            .prepared()
            .execute(connection)?;
    }
    diesel::delete(services::table.find(service.id))
        .prepared()
        .execute(connection)?;
    if service.binary == ServiceBinary::Compute {
        let cause = Cause::asked(note);
        events::append_of_host(connection, service, HostEvent::Removed, &cause)?;
        management::not_waited_for(connection, &service.host, note.at)?;
    }
    Ok(())
}

impl Store {
    /// Whether a host is declared dead, by whom and when; `None`: it has no service.
    pub async fn host_declaration(
        &self,
        host: &HostName,
    ) -> Result<Option<Declaration>, StoreError> {
        let key = ServiceKey::On(host.clone(), ServiceBinary::Compute);
        let found = self.service_find(key).await?;
        Ok(found.map(|service| Declaration {
            forced_down: service.forced_down,
            forced_down_at: service.forced_down_at,
            forced_down_by: service.forced_down_by,
            forced_down_reason: service.forced_down_reason,
            last_heard_at: service.last_seen_up,
        }))
    }

    /// A service.
    pub async fn service_find(&self, key: ServiceKey) -> Result<Option<Service>, StoreError> {
        self.read(move |connection| load(connection, &key)).await
    }

    /// Changes a service, and returns it as it is then. A change to what it already is leaves
    /// no trace. `check` sees it inside the transaction, with what needs its host.
    pub async fn service_update<E: Send + 'static>(
        &self,
        uuid: Uuid,
        change: ServiceChange,
        check: impl Fn(&Service, &ServiceUse) -> Result<(), E> + Send + 'static,
    ) -> Result<Service, ServiceError<E>> {
        self.write(move |connection| {
            if change.status.is_some() {
                // Whoever claims room of the host relies on its switch.
                dialect::lock_zones(connection, ZoneLock::Write).map_err(StoreError::from)?;
            }
            let service = checked(connection, uuid, &check)?;
            Ok(write(connection, service, &change, None)?)
        })
        .await
    }

    /// Deletes a service; an agent's goes with its host. Should it give a sign of life again it
    /// comes back as a new one, disabled or forced down if it was so. `check` as in
    /// [`Self::service_update`].
    pub async fn service_delete<E: Send + 'static>(
        &self,
        uuid: Uuid,
        note: ActionNote,
        check: impl Fn(&Service, &ServiceUse) -> Result<(), E> + Send + 'static,
    ) -> Result<(), ServiceError<E>> {
        self.write(move |connection| {
            let service = checked(connection, uuid, &check)?;
            Ok(delete(connection, &service, &note)?)
        })
        .await
    }
}
