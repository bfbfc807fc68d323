//! How migrations begin: one transaction each, whatever the type.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Text, Timestamp as SqlTimestamp};
use godwit_core::begin::{self, Asked, Beginning};
use godwit_core::event::Event;
use godwit_core::ids::{HostName, MigrationUuid, OperationUuid, ServerUuid};
use godwit_core::migration::{
    ColdRequest, EvacuationRequest, Limits, LiveRequest, Migration, Request,
};
use godwit_core::time::Timestamp;
use godwit_core::trace::TraceContext;
use godwit_core::transition::Transition;

use super::commit::Locked;
use super::write::write;
use super::{CommitError, CommitNote, MigrationRecord, Progress};
use crate::columns::{instant, instants, json, stored, text};
use crate::connection::Database;
use crate::prepared::Prepare as _;
use crate::{
    ActionNote, Actor, MigrationEvent, Server, Store, StoreError, effects, events,
    instance_actions, servers,
};

/// A migration to begin.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct NewMigration<R> {
    /// Its uuid, made by the caller.
    pub uuid: MigrationUuid,
    pub server: ServerUuid,
    pub request: R,
    /// Limits until it is placed; only `accepted` matters.
    pub limits: Limits,
    pub user_id: Option<String>,
    /// The project of who asks.
    pub project_id: Option<String>,
    /// The HTTP request; without one there is no instance action.
    pub request_id: Option<String>,
    /// The same in its trace, where it is traced.
    pub trace: Option<TraceContext>,
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

/// Why no migration began, or no action on a server's power. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum BeginError<E> {
    /// No such server, or it is deleted.
    #[error("there is no such server")]
    NoSuchServer,
    /// The caller's check said no.
    #[error("the server's state does not allow it")]
    Refused(E),
    /// The server has a task, an unfinished migration that may not be superseded, or no host:
    /// it lost a race that the caller's check did not look for, or somebody reset its state.
    #[error("the server is not free")]
    NotFree,
    /// Its guest was to be started, and somebody was told that its host may be switched off.
    #[error("the server's host is in maintenance, and may be switched off at any moment")]
    InMaintenance,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A request by itself, as what any of them is.
pub(crate) trait AnyRequest: Clone {
    fn any(self) -> Request;
}

impl AnyRequest for LiveRequest {
    fn any(self) -> Request {
        Request::Live(self)
    }
}

impl AnyRequest for ColdRequest {
    fn any(self) -> Request {
        Request::Cold(self)
    }
}

impl AnyRequest for EvacuationRequest {
    fn any(self) -> Request {
        Request::Evacuation(self)
    }
}

/// Begins a migration of any kind within a transaction that does more, for an operation of a run.
pub(crate) fn begin_any<R: AnyRequest, E>(
    connection: &mut Database,
    (new, operation): (&NewMigration<R>, OperationUuid),
    check: impl Fn(&Server) -> Result<(), E>,
) -> Result<(), BeginError<E>> {
    let new = new.clone().with(R::any);
    begin(connection, (&new, Some(operation)), check).map(drop)
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
            trace: self.trace,
            at: self.at,
        }
    }
}

impl NewMigration<Request> {
    fn asked(&self) -> Asked {
        Asked {
            uuid: self.uuid,
            server: self.server,
            request: self.request.clone(),
            limits: self.limits.clone(),
            at: self.at,
        }
    }

    fn action_note(&self) -> Option<ActionNote> {
        Some(ActionNote {
            request_id: self.request_id.clone()?,
            user_id: self.user_id.clone(),
            project_id: self.project_id.clone(),
            trace: self.trace,
            at: self.at,
        })
    }
}

#[derive(QueryableByName)]
struct Made {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

fn insert(
    connection: &mut Database,
    (new, operation): (&NewMigration<Request>, Option<OperationUuid>),
    beginning: &Beginning,
    server: &Server,
) -> Result<MigrationRecord, StoreError> {
    let migration = &beginning.migration;
    let shown = beginning.shown_destination.as_ref().map(HostName::as_str);
    let flavor = beginning.shows_flavor.then_some(server.flavor.id);
    let made: Made = sql_query(
        "INSERT INTO migrations (uuid, instance_uuid, migration_type, status, request, limits,
                                 source_compute, source_node, dest_compute, old_instance_type_id,
                                 new_instance_type_id, user_id, project_id, server_project_id,
                                 request_id, deadline, generation, effect_sequence,
                                 event_sequence, created_at, status_since, operation_uuid)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11, $12, $13, $14, $15, $16, $17, 1,
                 $18, $18, $19)
         RETURNING id",
    )
    .bind::<Text, _>(text(migration.uuid))
    .bind::<Text, _>(text(migration.server))
    .bind::<Text, _>(migration.kind.as_str())
    .bind::<Text, _>(migration.status().as_str())
    .bind::<Text, _>(json(&migration.request))
    .bind::<Text, _>(json(&migration.limits))
    .bind::<Text, _>(migration.source_compute.as_str())
    .bind::<Nullable<Text>, _>(&beginning.source_node)
    .bind::<Nullable<Text>, _>(shown)
    .bind::<Nullable<BigInt>, _>(flavor)
    .bind::<Nullable<Text>, _>(&new.user_id)
    .bind::<Nullable<Text>, _>(&new.project_id)
    .bind::<Text, _>(&server.project_id)
    .bind::<Nullable<Text>, _>(&new.request_id)
    .bind::<Nullable<SqlTimestamp>, _>(instants(migration.deadline))
    .bind::<BigInt, _>(migration.generation)
    .bind::<BigInt, _>(migration.effect_sequence)
    .bind::<SqlTimestamp, _>(instant(new.at))
    .bind::<Nullable<Text>, _>(operation.map(text))
    .prepared()
    .get_result(connection)?;
    Ok(MigrationRecord {
        id: made.id,
        migration: Migration {
            deadline: migration.deadline.map(stored),
            ..migration.clone()
        },
        source_node: beginning.source_node.clone(),
        dest_compute: beginning.shown_destination.clone(),
        dest_node: None,
        dest_host: None,
        old_flavor_id: flavor,
        new_flavor_id: flavor,
        user_id: new.user_id.clone(),
        project_id: new.project_id.clone(),
        request_id: new.request_id.clone(),
        progress: Progress::default(),
        created_at: new.at,
        updated_at: None,
        status_since: new.at,
        started_at: None,
        ended_at: None,
        hidden: false,
        imported: false,
    })
}

/// Ends the migration that is in the way.
fn supersede<E>(
    connection: &mut Database,
    locked: &Locked,
    (event, transition): &(Event, Transition),
    new: &NewMigration<Request>,
) -> Result<(), BeginError<E>> {
    let note = match new.action_note() {
        Some(action) => CommitNote::requested(action),
        None => CommitNote::new(Actor::Api, new.at),
    };
    match write(connection, locked, event, transition, &note) {
        Ok(_) => Ok(()),
        Err(CommitError::Store(error)) => Err(BeginError::Store(error)),
        // It is locked, and nothing is taken.
        Err(
            CommitError::Lost
            | CommitError::NoSlot { .. }
            | CommitError::NoRoom { .. }
            | CommitError::Disabled { .. }
            | CommitError::Unmanaged { .. }
            | CommitError::GroupPolicy { .. }
            | CommitError::InMaintenance { .. },
        ) => Err(BeginError::NotFree),
    }
}

/// Locks the server's unfinished migration, then the server, as every step does. Two that begin
/// at once for the same server wait for each other here, or at the latest at the index that
/// permits one unfinished migration of a server.
fn begin<E>(
    connection: &mut Database,
    (new, operation): (&NewMigration<Request>, Option<OperationUuid>),
    check: impl Fn(&Server) -> Result<(), E>,
) -> Result<MigrationRecord, BeginError<E>> {
    let unfinished = Locked::unfinished_of(connection, new.server)?;
    let server = servers::load_locked(connection, new.server)?.ok_or(BeginError::NoSuchServer)?;
    check(&server).map_err(BeginError::Refused)?;
    let in_the_way = unfinished.as_ref().map(|locked| &locked.record.migration);
    let beginning =
        begin::begin(&new.asked(), &server.state(), in_the_way).map_err(|_| BeginError::NotFree)?;
    // The old one before the new one: a server has one unfinished migration.
    if let (Some(locked), Some(superseded)) = (&unfinished, &beginning.superseded) {
        supersede(connection, locked, superseded, new)?;
    }
    // A dead host is not waited for, nor is anybody whose task was reset.
    servers::supersede_power(connection, &server, "A migration took over.", new.at)?;
    let record = insert(connection, (new, operation), &beginning, &server).map_err(|error| {
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
        to_status: record.migration.status(),
        actor: Actor::Api.to_string(),
        request_id: new.request_id.clone(),
        user_id: new.user_id.clone(),
        project_id: new.project_id.clone(),
        detail: serde_json::to_value(&record.migration.request).unwrap_or_default(),
    };
    events::append(connection, record.id, &requested)?;
    let effect = (record.migration.effect_sequence, beginning.effect);
    effects::insert(connection, record.id, effect, new.trace, new.at)?;
    servers::write_patch(connection, &server, &beginning.server, new.at)?;
    if let Some(note) = new.action_note() {
        instance_actions::begun(connection, &record, &note)?;
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
    pub async fn server_begin_live_migration<E: Send + 'static>(
        &self,
        new: NewLiveMigration,
        check: impl Fn(&Server) -> Result<(), E> + Send + 'static,
    ) -> Result<MigrationRecord, BeginError<E>> {
        let new = new.with(LiveRequest::any);
        self.write(move |connection| begin(connection, (&new, None), &check))
            .await
    }

    /// Begins a cold migration, as [`Self::server_begin_live_migration`] a live one.
    pub async fn cold_migration_begin<E: Send + 'static>(
        &self,
        new: NewColdMigration,
        check: impl Fn(&Server) -> Result<(), E> + Send + 'static,
    ) -> Result<MigrationRecord, BeginError<E>> {
        let new = new.with(ColdRequest::any);
        self.write(move |connection| begin(connection, (&new, None), &check))
            .await
    }

    /// Begins an evacuation, as [`Self::server_begin_live_migration`] a live one. But the
    /// server's host is dead, so a task does not count, and an unfinished migration is
    /// superseded, unless its guest may be running elsewhere.
    pub async fn evacuation_begin<E: Send + 'static>(
        &self,
        new: NewEvacuation,
        check: impl Fn(&Server) -> Result<(), E> + Send + 'static,
    ) -> Result<MigrationRecord, BeginError<E>> {
        let new = new.with(EvacuationRequest::any);
        self.write(move |connection| begin(connection, (&new, None), &check))
            .await
    }
}
