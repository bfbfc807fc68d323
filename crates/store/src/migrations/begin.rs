//! How a live migration begins.

use diesel::prelude::*;
use diesel::result::Error as DieselError;
use godwit_core::effect::Effect;
use godwit_core::ids::{HostName, MigrationUuid, ServerUuid};
use godwit_core::migration::{Limits, LiveRequest};
use godwit_core::status::{MigrationKind, MigrationStatus};
use godwit_core::time::Timestamp;

use super::{MigrationRecord, row};
use crate::columns::{instant, json, text};
use crate::connection::Database;
use crate::error::TransactionError;
use crate::schema::migrations;
use crate::{Actor, MigrationEvent, Server, Store, StoreError, dialect, effects, events, servers};

/// A live migration to begin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewLiveMigration {
    /// Its uuid, made by the caller.
    pub uuid: MigrationUuid,
    /// Which server shall move.
    pub server: ServerUuid,
    /// What is wanted.
    pub request: LiveRequest,
    /// Limits until it is placed; only `accepted` matters.
    pub limits: Limits,
    /// Who asks.
    pub user_id: Option<String>,
    /// The project of who asks.
    pub project_id: Option<String>,
    /// The HTTP request.
    pub request_id: Option<String>,
    /// The present.
    pub at: Timestamp,
}

/// Why no live migration began. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum BeginError<E> {
    /// No such server, or it is deleted.
    #[error("there is no such server")]
    NoSuchServer,
    /// The caller's check said no.
    #[error("the server's state does not allow it")]
    Refused(E),
    /// The server has a task, an unfinished migration, or no host: it lost a race that the
    /// caller's check did not look for.
    #[error("the server is not free to move")]
    NotFree,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<E: Send + 'static> TransactionError for BeginError<E> {
    fn store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            Self::NoSuchServer | Self::Refused(_) | Self::NotFree => None,
        }
    }
}

/// The first row of a live migration; its number.
fn insert(
    connection: &mut Database,
    new: &NewLiveMigration,
    server: &Server,
    source: &HostName,
) -> Result<i64, StoreError> {
    let forced = new.request.host.as_ref().filter(|_| new.request.forced);
    diesel::insert_into(migrations::table)
        .values((
            migrations::uuid.eq(text(new.uuid)),
            migrations::instance_uuid.eq(text(new.server)),
            migrations::migration_type.eq(MigrationKind::LiveMigration.as_str()),
            migrations::status.eq(MigrationStatus::Accepted.as_str()),
            migrations::request.eq(json(&new.request)),
            migrations::limits.eq(json(&new.limits)),
            migrations::source_compute.eq(source.as_str()),
            migrations::dest_compute.eq(forced.map(HostName::as_str)),
            migrations::old_instance_type_id.eq(server.flavor.id),
            migrations::new_instance_type_id.eq(server.flavor.id),
            migrations::user_id.eq(&new.user_id),
            migrations::project_id.eq(&new.project_id),
            migrations::request_id.eq(&new.request_id),
            migrations::deadline.eq(instant(new.at.plus(new.limits.accepted))),
            migrations::generation.eq(1),
            migrations::effect_sequence.eq(1),
            migrations::event_sequence.eq(1),
            migrations::created_at.eq(instant(new.at)),
            migrations::status_since.eq(instant(new.at)),
        ))
        .execute(connection)?;
    Ok(migrations::table
        .filter(migrations::uuid.eq(text(new.uuid)))
        .select(migrations::id)
        .first(connection)?)
}

fn begin<E>(
    connection: &mut Database,
    new: &NewLiveMigration,
    check: impl Fn(&Server) -> Result<(), E>,
) -> Result<MigrationRecord, BeginError<E>> {
    dialect::lock_servers(connection, &[text(new.server)]).map_err(StoreError::from)?;
    let server = servers::load(connection, new.server)?.ok_or(BeginError::NoSuchServer)?;
    check(&server).map_err(BeginError::Refused)?;
    let (Some(source), None) = (&server.host, server.task_state) else {
        return Err(BeginError::NotFree);
    };
    let id = insert(connection, new, &server, source).map_err(|error| {
        if error.is_duplicate() {
            BeginError::NotFree
        } else {
            BeginError::Store(error)
        }
    })?;
    let requested = MigrationEvent {
        sequence: 1,
        at: new.at,
        name: "requested".to_owned(),
        from_status: None,
        to_status: MigrationStatus::Accepted,
        actor: Actor::Api.to_string(),
        request_id: new.request_id.clone(),
        detail: serde_json::to_value(&new.request).unwrap_or_default(),
    };
    events::append(connection, id, &requested)?;
    effects::insert(connection, id, (1, Effect::Schedule), new.at)?;
    servers::set_migrating(connection, new.server, new.at)?;
    let row = row::load(connection, new.uuid)?;
    Ok(row
        .ok_or(StoreError::Refused(DieselError::NotFound))?
        .into())
}

impl Store {
    /// Begins a live migration: in one transaction the server gets its `task_state`, and the
    /// migration's row, its first event and the effect that will choose a destination appear.
    /// When this returns `Ok`, all of it is durable.
    ///
    /// `check` sees the server as it is inside the transaction, so that what it permits still
    /// holds when the change is made. The store's own rule comes after it: no task, no
    /// unfinished migration, a host.
    ///
    /// # Errors
    /// [`BeginError`].
    pub async fn server_begin_live_migration<E, F>(
        &self,
        new: NewLiveMigration,
        check: F,
    ) -> Result<MigrationRecord, BeginError<E>>
    where
        E: Send + 'static,
        F: Fn(&Server) -> Result<(), E> + Send + 'static,
    {
        self.write(move |connection| begin(connection, &new, &check))
            .await
    }
}
