//! What Nova calls instance actions: what was asked of a server, and the steps of it.
//!
//! An action belongs to a request; its events say what was done for it, in the words that
//! Nova's RPC methods have, because that is what its clients look for (`contract: actions.md
//! §7`). A migration writes events into the action of the request that began it, and into those
//! of requests that came later: a confirmation, a revert. [`begun`], [`requested`] and
//! [`changes`] say which, and whoever commits a transition writes them in the same transaction.

use crate::event::Event;
use crate::migration::{Migration, Request};
use crate::status::{MigrationKind, words};

mod steps;

pub use self::steps::changes;

words!(
    /// What was asked of a server, as `os-instance-actions` names it.
    #[allow(missing_docs, reason = "the words are Nova's")]
    ActionName, "instance action", {
        LiveMigration = "live-migration",
        /// A live migration was to be aborted.
        LiveMigrationCancel = "live_migration_cancel",
        /// A live migration was to be got over with.
        LiveMigrationForceComplete = "live_migration_force_complete",
        Migrate = "migrate",
        /// `resize`; only in imported rows.
        Resize = "resize",
        /// `confirmResize`, or the end of the time to confirm.
        ConfirmResize = "confirmResize",
        RevertResize = "revertResize",
        Evacuate = "evacuate",
        Lock = "lock",
        Unlock = "unlock",
        ResetState = "resetState",
        Stop = "stop",
        Start = "start",
        /// `reboot`, of either type.
        Reboot = "reboot",
    }
);

/// Where a step was done.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ActionHost {
    /// By the conductor; its name is that of the actor who writes.
    Conductor,
    /// By the migration's source.
    Source,
    /// By the migration's destination.
    Destination,
}

words!(
    /// How a step ended, in Nova's words.
    ActionResult, "result of a step", {
        /// It did what it should.
        Success = "Success",
        /// It did not; the action's `message` becomes `Error` with it.
        Error = "Error",
    }
);

/// What becomes of a step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ActionProgress {
    /// It began.
    Started {
        /// What it waits for, where that is worth knowing: shown as `details`.
        details: Option<String>,
    },
    /// It began and ended at once, or nobody noted when it began.
    Happened,
    /// It ended: the event of this name that is open is closed. Where none is open, nothing
    /// happens.
    Finished {
        /// How.
        result: ActionResult,
        /// Why, when it failed: shown as `details`.
        details: Option<String>,
    },
}

/// One thing to write about a step.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct ActionEventChange {
    /// Of which action. The migration's own is found by the migration's request id; any other is
    /// the server's newest of this name that is not older than the migration. Where there is
    /// none, such as for a confirmation that nobody asked for, nothing is written.
    pub action: ActionName,
    pub event: &'static str,
    pub host: ActionHost,
    pub progress: ActionProgress,
}

/// What the request that begins a migration is called, and what is known of it at once.
pub fn begun(migration: &Migration) -> (ActionName, Vec<ActionEventChange>) {
    let action = action_of(migration);
    let choosing = ActionEventChange {
        action,
        event: conductor_event(migration),
        host: ActionHost::Conductor,
        progress: ActionProgress::Started { details: None },
    };
    (action, vec![choosing])
}

/// What a request to a migration under way is called; `None` for events that are no requests.
pub const fn requested(event: &Event) -> Option<ActionName> {
    match event {
        Event::AbortRequested => Some(ActionName::LiveMigrationCancel),
        Event::ForceCompleteRequested => Some(ActionName::LiveMigrationForceComplete),
        Event::ConfirmRequested => Some(ActionName::ConfirmResize),
        Event::RevertRequested => Some(ActionName::RevertResize),
        Event::Placed(..)
        | Event::NotPlaced(_)
        | Event::Admitted
        | Event::CancelledUnstarted
        | Event::Prepared
        | Event::NotPrepared(_)
        | Event::PostCopyStarted
        | Event::HandedOver
        | Event::MoveCancelled
        | Event::MoveFailed(_)
        | Event::GuestLost(_)
        | Event::Finished { .. }
        | Event::RolledBack { .. }
        | Event::SourceStopped
        | Event::Booted
        | Event::NotBooted(_)
        | Event::Withdrawn
        | Event::SourceReturned
        | Event::FoundAtDestination
        | Event::SourceSilent(..)
        | Event::SourceDied(_)
        | Event::DestinationDied(_)
        | Event::Superseded(_)
        | Event::DeadlinePassed => None,
    }
}

const fn action_of(migration: &Migration) -> ActionName {
    match migration.kind {
        MigrationKind::LiveMigration => ActionName::LiveMigration,
        MigrationKind::Migration => ActionName::Migrate,
        MigrationKind::Resize => ActionName::Resize,
        MigrationKind::Evacuation => ActionName::Evacuate,
    }
}

/// The step that lasts until a destination is chosen.
fn conductor_event(migration: &Migration) -> &'static str {
    match &migration.request {
        Request::Live(request) if request.synchronous => "conductor_migrate_server",
        Request::Live(_) => "conductor_live_migrate_instance",
        Request::Cold(_) => "cold_migrate",
        Request::Evacuation(_) => "rebuild_server",
    }
}

#[cfg(test)]
mod tests;
