//! A migration that begins may put an end to another of its server.
//!
//! An evacuation does, because the host that the other one needs is dead. Any other move does
//! only to a cold one that waits for a confirmation which cannot come any more, because
//! somebody reset the server's state.

use diesel::prelude::*;
use godwit_core::event::Event;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::ids::{MigrationUuid, ServerUuid};
use godwit_core::migration::Migration;
use godwit_core::server::VmState;
use godwit_core::status::{MigrationKind, MigrationStatus as Status};
use godwit_core::time::Timestamp;
use godwit_core::transition;

use super::commit::Locked;
use super::write::write;
use super::{CommitError, CommitNote};
use crate::columns::text;
use crate::connection::Database;
use crate::schema::migrations;
use crate::{Actor, Server, StoreError, dialect};

/// What a superseded migration remembers of its successor.
pub(super) struct Note {
    pub(super) by: MigrationKind,
    pub(super) request_id: Option<String>,
    pub(super) at: Timestamp,
}

/// Locks a server's unfinished migration, which must come before the server. Imported ones are
/// history, and stand in nobody's way.
pub(crate) fn lock_unfinished(
    connection: &mut Database,
    server: ServerUuid,
) -> Result<Option<MigrationUuid>, StoreError> {
    let found: Option<MigrationUuid> = migrations::table
        .filter(migrations::instance_uuid.eq(text(server)))
        .filter(migrations::ended_at.is_null())
        .filter(migrations::imported.eq(false))
        .select(migrations::uuid)
        .first(connection)
        .optional()?;
    if let Some(uuid) = found {
        dialect::lock_migration(connection, &text(uuid))?;
    }
    Ok(found)
}

/// Ends a server's unfinished migration, if there still is one. `false`: it must not be.
pub(super) fn supersede(
    connection: &mut Database,
    server: &Server,
    unfinished: Option<MigrationUuid>,
    note: &Note,
) -> Result<bool, StoreError> {
    let Some(uuid) = unfinished else {
        return Ok(true);
    };
    let Some(locked) = Locked::load(connection, uuid)? else {
        return Ok(true);
    };
    let migration = &locked.record.migration;
    if migration.status.has_ended() {
        return Ok(true);
    }
    let allowed = match note.by {
        MigrationKind::Evacuation => !may_run_elsewhere(migration),
        MigrationKind::LiveMigration | MigrationKind::Migration | MigrationKind::Resize => {
            migration.status == Status::Finished && server.vm_state != VmState::Resized
        }
    };
    if !allowed {
        return Ok(false);
    }
    let event = Event::Superseded(Failure::new(
        FailureCode::Superseded,
        format!("Superseded by a migration of type {}.", note.by),
    ));
    let Ok(transition) = transition::step(migration, &event, note.at) else {
        return Ok(false);
    };
    let note = CommitNote {
        request_id: note.request_id.clone(),
        ..CommitNote::new(Actor::Api, note.at)
    };
    match write(connection, &locked, &event, &transition, &note) {
        Ok(_) => Ok(true),
        Err(CommitError::Store(error)) => Err(error),
        // It is locked, and nothing is taken.
        Err(
            CommitError::Lost
            | CommitError::NoSlot { .. }
            | CommitError::NoRoom { .. }
            | CommitError::GroupPolicy { .. },
        ) => Ok(false),
    }
}

/// May the guest be running on a host that is not the server's recorded one? Then nobody may
/// start it on a third.
fn may_run_elsewhere(migration: &Migration) -> bool {
    match migration.kind {
        // Where the guest is when its source dies under it, the destination has to say first.
        MigrationKind::LiveMigration => {
            matches!(migration.status, Status::Running | Status::RunningPostCopy)
        }
        MigrationKind::Evacuation => migration.status != Status::Accepted,
        // It counts as where it was stopped until it is recorded where it is started.
        MigrationKind::Migration | MigrationKind::Resize => false,
    }
}
