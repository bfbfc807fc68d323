//! How migrations begin: one transaction each, whatever the type.

use diesel::prelude::*;
use diesel::result::Error as DieselError;
use godwit_core::effect::Effect;
use godwit_core::ids::{HostName, MigrationUuid, ServerUuid};
use godwit_core::instance_action;
use godwit_core::migration::{ColdRequest, EvacuationRequest, Limits, LiveRequest, Request};
use godwit_core::server::{TaskState, VmState, was_off};
use godwit_core::status::{MigrationKind, MigrationStatus};
use godwit_core::time::Timestamp;

use super::{MigrationRecord, row, supersede};
use crate::columns::{instant, json, text};
use crate::connection::Database;
use crate::error::TransactionError;
use crate::schema::migrations;
use crate::{
    ActionNote, Actor, MigrationEvent, Server, Store, StoreError, effects, events,
    instance_actions, servers,
};

/// A migration to begin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewMigration<R> {
    /// Its uuid, made by the caller.
    pub uuid: MigrationUuid,
    /// Which server shall move.
    pub server: ServerUuid,
    /// What is wanted.
    pub request: R,
    /// Limits until it is placed; only `accepted` matters.
    pub limits: Limits,
    /// Who asks.
    pub user_id: Option<String>,
    /// The project of who asks.
    pub project_id: Option<String>,
    /// The HTTP request; without one there is no instance action.
    pub request_id: Option<String>,
    /// The present.
    pub at: Timestamp,
}

/// A live migration to begin.
pub type NewLiveMigration = NewMigration<LiveRequest>;

/// A cold migration to begin. What the server was is read inside the transaction, whatever the
/// request says of it.
pub type NewColdMigration = NewMigration<ColdRequest>;

/// An evacuation to begin. What the server was is read inside the transaction, whatever the
/// request says of it; one that was stopped stays so.
pub type NewEvacuation = NewMigration<EvacuationRequest>;

/// Why no migration began. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum BeginError<E> {
    /// No such server, or it is deleted.
    #[error("there is no such server")]
    NoSuchServer,
    /// The caller's check said no.
    #[error("the server's state does not allow it")]
    Refused(E),
    /// The server has a task, an unfinished migration that may not be superseded, or no host:
    /// it lost a race that the caller's check did not look for.
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

impl<R> NewMigration<R> {
    fn with<S>(self, request: impl FnOnce(R) -> S) -> NewMigration<S> {
        NewMigration {
            uuid: self.uuid,
            server: self.server,
            request: request(self.request),
            limits: self.limits,
            user_id: self.user_id,
            project_id: self.project_id,
            request_id: self.request_id,
            at: self.at,
        }
    }
}

impl NewMigration<Request> {
    /// The request, with what only the transaction can say of the server.
    fn request_for(&self, server: &Server) -> Request {
        let off = was_off(server.vm_state, server.power_state);
        match self.request.clone() {
            Request::Live(request) => Request::Live(request),
            Request::Cold(request) => Request::Cold(ColdRequest {
                was: if off {
                    VmState::Stopped
                } else {
                    server.vm_state
                },
                ..request
            }),
            Request::Evacuation(request) => Request::Evacuation(EvacuationRequest {
                was: server.vm_state,
                end_stopped: request.end_stopped || off,
                ..request
            }),
        }
    }

    const fn kind(&self) -> MigrationKind {
        match self.request {
            Request::Live(_) => MigrationKind::LiveMigration,
            Request::Cold(_) => MigrationKind::Migration,
            Request::Evacuation(_) => MigrationKind::Evacuation,
        }
    }

    const fn first_status(&self) -> MigrationStatus {
        match self.request {
            Request::Live(_) | Request::Evacuation(_) => MigrationStatus::Accepted,
            Request::Cold(_) => MigrationStatus::PreMigrating,
        }
    }

    const fn task(&self) -> TaskState {
        match self.request {
            Request::Live(_) => TaskState::Migrating,
            Request::Cold(_) => TaskState::ResizePrep,
            Request::Evacuation(_) => TaskState::Rebuilding,
        }
    }

    /// The destination that is shown before one was accepted.
    fn shown_destination(&self) -> Option<&HostName> {
        match &self.request {
            Request::Live(request) => request.host.as_ref().filter(|_| request.forced),
            Request::Cold(_) => None,
            Request::Evacuation(request) => request.host.as_ref(),
        }
    }

    fn action_note(&self) -> Option<ActionNote> {
        Some(ActionNote {
            request_id: self.request_id.clone()?,
            user_id: self.user_id.clone(),
            project_id: self.project_id.clone(),
            at: self.at,
        })
    }
}

/// The first row of a migration; its number.
fn insert(
    connection: &mut Database,
    new: &NewMigration<Request>,
    request: &Request,
    server: &Server,
    source: &HostName,
) -> Result<i64, StoreError> {
    // An evacuation rebuilds what there was; Nova tells no flavors of it.
    let flavor = match request {
        Request::Live(_) | Request::Cold(_) => Some(server.flavor.id),
        Request::Evacuation(_) => None,
    };
    let source_node = match request {
        Request::Cold(_) | Request::Evacuation(_) => server.node.as_ref(),
        Request::Live(_) => None,
    };
    diesel::insert_into(migrations::table)
        .values((
            migrations::uuid.eq(text(new.uuid)),
            migrations::instance_uuid.eq(text(new.server)),
            migrations::migration_type.eq(new.kind().as_str()),
            migrations::status.eq(new.first_status().as_str()),
            migrations::request.eq(json(request)),
            migrations::limits.eq(json(&new.limits)),
            migrations::source_compute.eq(source.as_str()),
            migrations::source_node.eq(source_node),
            migrations::dest_compute.eq(new.shown_destination().map(HostName::as_str)),
            migrations::old_instance_type_id.eq(flavor),
            migrations::new_instance_type_id.eq(flavor),
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

/// What a cold move that is about to be superseded found the server to be, if it is off for that
/// move's sake.
fn kept_off(
    connection: &mut Database,
    unfinished: Option<MigrationUuid>,
) -> Result<Option<VmState>, StoreError> {
    let Some(uuid) = unfinished else {
        return Ok(None);
    };
    let row = row::load(connection, uuid)?.map(MigrationRecord::from);
    Ok(row.and_then(|record| record.migration.keeps_off()))
}

fn begin<E>(
    connection: &mut Database,
    new: &NewMigration<Request>,
    check: impl Fn(&Server) -> Result<(), E>,
) -> Result<MigrationRecord, BeginError<E>> {
    let unfinished = supersede::lock_unfinished(connection, new.server)?;
    let mut server =
        servers::load_locked(connection, new.server)?.ok_or(BeginError::NoSuchServer)?;
    check(&server).map_err(BeginError::Refused)?;
    let Some(source) = server.host.clone() else {
        return Err(BeginError::NotFree);
    };
    let evacuates = new.kind() == MigrationKind::Evacuation;
    if server.task_state.is_some() && !evacuates {
        return Err(BeginError::NotFree);
    }
    let note = supersede::Note {
        by: new.kind(),
        request_id: new.request_id.clone(),
        at: new.at,
    };
    let kept_off = kept_off(connection, unfinished)?;
    if !supersede::supersede(connection, &server, unfinished, &note)? {
        return Err(BeginError::NotFree);
    }
    if let Some(was) = kept_off {
        server.power_state = servers::give_back_power(connection, new.server, was)?;
    }
    // A dead host is not waited for, nor is anybody whose task was reset.
    servers::supersede_power(connection, &server, "A migration took over.", new.at)?;
    let request = new.request_for(&server);
    let id = insert(connection, new, &request, &server, &source).map_err(|error| {
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
        to_status: new.first_status(),
        actor: Actor::Api.to_string(),
        request_id: new.request_id.clone(),
        detail: serde_json::to_value(&request).unwrap_or_default(),
    };
    events::append(connection, id, &requested)?;
    effects::insert(connection, id, (1, Effect::Schedule), new.at)?;
    servers::set_task(connection, new.server, new.task(), new.at)?;
    let row = row::load(connection, new.uuid)?;
    let record = MigrationRecord::from(row.ok_or(StoreError::Refused(DieselError::NotFound))?);
    if let Some(note) = new.action_note() {
        let (action, steps) = instance_action::begun(&record.migration);
        instance_actions::began(connection, new.server, action, &note)?;
        instance_actions::apply(connection, &record, steps, new.at)?;
    }
    Ok(record)
}

impl Store {
    /// Begins a live migration: in one transaction the server gets its `task_state`, and the
    /// migration's row, its first event, its instance action and the effect that will choose a
    /// destination appear. When this returns `Ok`, all of it is durable.
    ///
    /// `check` sees the server as it is inside the transaction, so that what it permits still
    /// holds when the change is made. The store's own rule comes after it: a host, no task, and
    /// no unfinished migration. One that waits for its confirmation is superseded if somebody
    /// reset the server's state, as it can then be neither confirmed nor reverted.
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
        let new = new.with(Request::Live);
        self.write(move |connection| begin(connection, &new, &check))
            .await
    }

    /// Begins a cold migration, as [`Self::server_begin_live_migration`] a live one.
    ///
    /// # Errors
    /// [`BeginError`].
    pub async fn cold_migration_begin<E, F>(
        &self,
        new: NewColdMigration,
        check: F,
    ) -> Result<MigrationRecord, BeginError<E>>
    where
        E: Send + 'static,
        F: Fn(&Server) -> Result<(), E> + Send + 'static,
    {
        let new = new.with(Request::Cold);
        self.write(move |connection| begin(connection, &new, &check))
            .await
    }

    /// Begins an evacuation, as [`Self::server_begin_live_migration`] a live one. But the
    /// server's host is dead, so a task does not count, and an unfinished migration is
    /// superseded, unless its guest may be running elsewhere.
    ///
    /// # Errors
    /// [`BeginError`].
    pub async fn evacuation_begin<E, F>(
        &self,
        new: NewEvacuation,
        check: F,
    ) -> Result<MigrationRecord, BeginError<E>>
    where
        E: Send + 'static,
        F: Fn(&Server) -> Result<(), E> + Send + 'static,
    {
        let new = new.with(Request::Evacuation);
        self.write(move |connection| begin(connection, &new, &check))
            .await
    }
}
