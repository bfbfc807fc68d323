//! Abort and force-complete: the same request but for what they check, and how they say no.

use godwit_core::event::Event;
use godwit_core::ids::ServerUuid;
use godwit_core::server::{TaskState, VmState};
use godwit_core::status::{MigrationKind, MigrationStatus as Status};
use godwit_store::{CommitError, CommitNote, MigrationRecord, Server, StepError};

use crate::nova::handlers::{ApiError, Call, Reply, rules};
use crate::nova::microversion::{Microversion, milestone};

pub(super) struct Request {
    rule: &'static str,
    /// What the server's texts call it.
    action: &'static str,
    /// What the migration's texts call it.
    purpose: &'static str,
    event: Event,
    locked: fn(ServerUuid) -> ApiError,
    /// Must the server be active?
    active_only: bool,
    /// Says no where there is no such migration.
    not_found: fn(String) -> ApiError,
    /// The statuses in which it makes sense.
    statuses: fn(Microversion) -> &'static [Status],
}

pub(super) static ABORT: Request = Request {
    rule: rules::ABORT,
    action: "abort live migration",
    purpose: "abort live migration",
    event: Event::AbortRequested,
    locked: |server| ApiError::invalid_state(server, "abort live migration"),
    active_only: false,
    not_found: ApiError::NotFound,
    statuses: |version| {
        if version >= milestone::ABORT_EARLY {
            &[Status::Running, Status::Queued, Status::Preparing]
        } else {
            &[Status::Running]
        }
    },
};

pub(super) static FORCE_COMPLETE: Request = Request {
    rule: rules::FORCE_COMPLETE,
    action: "force_complete",
    purpose: "force complete",
    event: Event::ForceCompleteRequested,
    locked: ApiError::locked,
    active_only: true,
    not_found: ApiError::BadRequest,
    statuses: |_| &[Status::Running],
};

impl Request {
    fn check_lock(&self, server: &Server, admin: bool) -> Result<(), ApiError> {
        if server.lock.is_some() && !admin {
            return Err((self.locked)(server.uuid));
        }
        Ok(())
    }

    fn check_states(&self, server: &Server) -> Result<(), ApiError> {
        let wrong = |attribute, value| {
            Err(ApiError::wrong_state(
                server.uuid,
                self.action,
                attribute,
                value,
            ))
        };
        if self.active_only && server.vm_state != VmState::Active {
            return wrong("vm_state", Some(server.vm_state.as_str()));
        }
        if server.task_state != Some(TaskState::Migrating) {
            return wrong("task_state", server.task_state.map(TaskState::as_str));
        }
        Ok(())
    }

    fn check_status(
        &self,
        record: &MigrationRecord,
        version: Microversion,
    ) -> Result<(), ApiError> {
        if (self.statuses)(version).contains(&record.migration.status()) {
            return Ok(());
        }
        Err(self.wrong_status(record))
    }

    fn wrong_status(&self, record: &MigrationRecord) -> ApiError {
        let migration = &record.migration;
        ApiError::BadRequest(format!(
            "Migration {} state of instance {} is {}. Cannot {} while the migration is in this \
             state.",
            record.id,
            migration.server,
            migration.status(),
            self.purpose
        ))
    }

    fn no_such_migration(&self, call: &Call) -> ApiError {
        (self.not_found)(format!(
            "Migration {} not found for instance {}",
            call.ids.migration, call.ids.server
        ))
    }
}

/// Did somebody reset the server's state while it moves? A live migration sets the server's task
/// when it begins and keeps it to its end, so that nothing else takes it away. What the server's
/// states say then is no longer about the move, and must not keep anybody from ending it. (In
/// Nova it does, and only a restart of the source's agent helps.)
fn was_reset(record: &MigrationRecord, server: &Server) -> bool {
    let migration = &record.migration;
    migration.kind == MigrationKind::LiveMigration
        && !migration.status().has_ended()
        && !record.imported
        && server.task_state != Some(TaskState::Migrating)
}

/// Checks in Nova's order, then again inside the transaction that leaves the intent.
pub(super) async fn record(call: &Call, request: &'static Request) -> Result<Reply, ApiError> {
    let server = call.allowed_server(request.rule).await?;
    let (admin, version) = (call.caller.is_admin(), call.version);
    request.check_lock(&server, admin)?;
    let found = match call.migration_id() {
        Some(id) => {
            call.state
                .store
                .migration_find_for_server(server.uuid, id)
                .await?
        }
        None => None,
    };
    // Nova's order: the states of the server come before the question which migration is meant.
    if !found.as_ref().is_some_and(|it| was_reset(it, &server)) {
        request.check_states(&server)?;
    }
    let record = found.ok_or_else(|| request.no_such_migration(call))?;
    tracing::Span::current().record("migration", tracing::field::display(record.migration.uuid));

    let note = CommitNote::requested(call.note());
    let decide = move |record: &MigrationRecord, server: &Server| {
        request.check_lock(server, admin)?;
        if !was_reset(record, server) {
            request.check_states(server)?;
        }
        request.check_status(record, version)?;
        Ok(request.event.clone())
    };
    let stepped = call
        .state
        .store
        .migration_step(record.migration.uuid, note, decide)
        .await;
    match stepped {
        Ok(_) => {
            (call.state.wake)();
            Ok(Reply::accepted())
        }
        Err(StepError::Refused(error)) => Err(error),
        Err(StepError::NotFound) => Err(request.no_such_migration(call)),
        // Its table has no place for this: in Nova's words, the state does not allow it.
        Err(StepError::Rejected(_)) => Err(request.wrong_status(&record)),
        Err(StepError::Commit(CommitError::Store(error))) => Err(error.into()),
        Err(StepError::Commit(other)) => Err(ApiError::internal(other)),
    }
}
