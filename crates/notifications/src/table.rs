//! Which event is told as which of Nova's notifications: one table, by the kind of the migration, the
//! event's name and the statuses around it. What is not in it is told nobody.
//!
//! Nova's notifications frame what a service does, `start` and `end`; events say what has happened.
//! So what begins with one event ends with a later one:
//!
//! ```text
//!   live        admitted ─ pre ─ prepared        handed_over ─ post, post_dest ─ finished
//!               move_failed ─ rollback, rollback_dest ─ rolled_back
//!   cold        placed ─ resize_prep ─ prepared ─ resize ─ source_stopped ─ resize_finish ─ booted
//!               confirm_requested ─ resize_confirm ─ finished      withdrawn ─ resize_revert ─ rolled_back
//!   evacuation  requested ─ evacuate
//!   host        registered ─ service.create   disabled, enabled, forced_down, forced_up ─ service.update
//!               removed ─ service.delete
//! ```
//!
//! One event may mean different things in phases that Nova shows as one status. What leads into an
//! undoing brings the reason for it along, and what only waits for its end does not.

use godwit_core::host::event::HostEvent;
use godwit_core::server::TaskState;
use godwit_core::status::{MigrationKind, MigrationStatus as Status};

/// An end of a move.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    Source,
    Destination,
}

/// Which of Nova's services would have told it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sender {
    Compute(End),
    Api,
    Conductor,
}

/// What a server was at that moment, as far as the event says so. Of everything else is told how it
/// is when it is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// As its row has it.
    Current,
    /// As when the move was asked for.
    Before,
    Resized,
}

/// What is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Payload {
    /// `InstanceActionPayload`.
    Action(Moment),
    /// `InstanceActionResizePrepPayload`.
    ResizePrep(Moment),
    /// `ComputeTaskPayload`: no host could be found.
    ComputeTask,
}

/// Where the server was, and what was being done to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Moment {
    pub(crate) at: End,
    pub(crate) state: State,
    pub(crate) task: Option<TaskState>,
}

/// Where it goes: oslo.messaging has a queue for each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Priority {
    Info,
    Error,
}

impl Priority {
    pub(crate) const ALL: [Self; 2] = [Self::Info, Self::Error];

    /// As in a routing key.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Error => "error",
        }
    }

    /// As in a message.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Error => "ERROR",
        }
    }
}

/// One notification.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Notice {
    pub(crate) event_type: &'static str,
    pub(crate) priority: Priority,
    pub(crate) sender: Sender,
    pub(crate) payload: Payload,
}

/// What is known of an event, as far as the table asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Happening<'a> {
    pub(crate) kind: MigrationKind,
    pub(crate) name: &'a str,
    pub(crate) from: Option<Status>,
    pub(crate) to: Status,
    /// Does it say why the move will not get there?
    pub(crate) has_reason: bool,
}

const fn action(
    event_type: &'static str,
    sender: Sender,
    at: End,
    state: State,
    task: Option<TaskState>,
) -> Notice {
    Notice {
        event_type,
        priority: Priority::Info,
        sender,
        payload: Payload::Action(Moment { at, state, task }),
    }
}

/// Of a live migration, by the service at `sender`, with the server still at its source.
const fn live(event_type: &'static str, sender: End) -> Notice {
    let task = Some(TaskState::Migrating);
    action(
        event_type,
        Sender::Compute(sender),
        End::Source,
        State::Current,
        task,
    )
}

/// Of a cold move, by the service at `sender`.
const fn cold(
    event_type: &'static str,
    sender: End,
    at: End,
    state: State,
    task: Option<TaskState>,
) -> Notice {
    action(event_type, Sender::Compute(sender), at, state, task)
}

const fn resize_prep(event_type: &'static str) -> Notice {
    Notice {
        event_type,
        priority: Priority::Info,
        sender: Sender::Compute(End::Destination),
        payload: Payload::ResizePrep(Moment {
            at: End::Source,
            state: State::Before,
            task: Some(TaskState::ResizePrep),
        }),
    }
}

const fn resize_error(sender: End, at: End, task: TaskState) -> Notice {
    Notice {
        priority: Priority::Error,
        ..cold(
            "instance.resize.error",
            sender,
            at,
            State::Before,
            Some(task),
        )
    }
}

const fn compute_task(event_type: &'static str) -> Notice {
    Notice {
        event_type,
        priority: Priority::Error,
        sender: Sender::Conductor,
        payload: Payload::ComputeTask,
    }
}

const PRE_START: Notice = live("instance.live_migration_pre.start", End::Destination);
const PRE_END: Notice = live("instance.live_migration_pre.end", End::Destination);
const POST_START: Notice = live("instance.live_migration_post.start", End::Source);
const POST_END: Notice = live("instance.live_migration_post.end", End::Source);
const POST_DEST_START: Notice = live("instance.live_migration_post_dest.start", End::Destination);
const POST_DEST_END: Notice = action(
    "instance.live_migration_post_dest.end",
    Sender::Compute(End::Destination),
    End::Destination,
    State::Current,
    None,
);
const ROLLBACK_START: Notice = live("instance.live_migration_rollback.start", End::Source);
const ROLLBACK_END: Notice = action(
    "instance.live_migration_rollback.end",
    Sender::Compute(End::Source),
    End::Source,
    State::Current,
    None,
);
const ROLLBACK_DEST_START: Notice = live(
    "instance.live_migration_rollback_dest.start",
    End::Destination,
);
const ROLLBACK_DEST_END: Notice = live(
    "instance.live_migration_rollback_dest.end",
    End::Destination,
);
const ABORT_START: Notice = live("instance.live_migration_abort.start", End::Source);
const ABORT_END: Notice = live("instance.live_migration_abort.end", End::Source);
const FORCE_START: Notice = live("instance.live_migration_force_complete.start", End::Source);
const FORCE_END: Notice = live("instance.live_migration_force_complete.end", End::Source);

const PREP_START: Notice = resize_prep("instance.resize_prep.start");
const PREP_END: Notice = resize_prep("instance.resize_prep.end");
const RESIZE_START: Notice = cold(
    "instance.resize.start",
    End::Source,
    End::Source,
    State::Before,
    Some(TaskState::ResizeMigrating),
);
const RESIZE_END: Notice = cold(
    "instance.resize.end",
    End::Source,
    End::Source,
    State::Before,
    Some(TaskState::ResizeMigrated),
);
const FINISH_START: Notice = cold(
    "instance.resize_finish.start",
    End::Destination,
    End::Destination,
    State::Before,
    Some(TaskState::ResizeFinish),
);
const FINISH_END: Notice = cold(
    "instance.resize_finish.end",
    End::Destination,
    End::Destination,
    State::Resized,
    None,
);
const CONFIRM_START: Notice = cold(
    "instance.resize_confirm.start",
    End::Source,
    End::Destination,
    State::Resized,
    None,
);
const CONFIRM_END: Notice = cold(
    "instance.resize_confirm.end",
    End::Source,
    End::Destination,
    State::Before,
    None,
);
const REVERT_START: Notice = cold(
    "instance.resize_revert.start",
    End::Source,
    End::Source,
    State::Resized,
    Some(TaskState::ResizeReverting),
);
const REVERT_END: Notice = cold(
    "instance.resize_revert.end",
    End::Source,
    End::Source,
    State::Before,
    None,
);
const PREP_FAILED: Notice = resize_error(End::Destination, End::Source, TaskState::ResizePrep);
const RESIZE_FAILED: Notice = resize_error(End::Source, End::Source, TaskState::ResizeMigrating);
const FINISH_FAILED: Notice =
    resize_error(End::Destination, End::Destination, TaskState::ResizeFinish);

const EVACUATE: Notice = action(
    "instance.evacuate",
    Sender::Api,
    End::Source,
    State::Before,
    Some(TaskState::Rebuilding),
);

const MIGRATE_SERVER_ERROR: Notice = compute_task("compute_task.migrate_server.error");
const REBUILD_SERVER_ERROR: Notice = compute_task("compute_task.rebuild_server.error");

/// How an event is told, in this order.
pub(crate) fn notices(it: Happening<'_>) -> &'static [Notice] {
    match it.kind {
        MigrationKind::LiveMigration => of_live(it),
        MigrationKind::Migration | MigrationKind::Resize => of_cold(it),
        MigrationKind::Evacuation => of_evacuation(it),
    }
}

fn of_live(it: Happening<'_>) -> &'static [Notice] {
    use Status::{Accepted, Cancelled, Error, Failed, Preparing, Queued, Running, RunningPostCopy};
    match (it.name, it.from, it.to) {
        ("admitted", _, _) => &[PRE_START],
        ("prepared", _, _) => &[PRE_END],
        // Nothing has left the source, so the end is decided with the request.
        ("abort_requested", Some(Preparing), _) if it.has_reason => {
            &[ABORT_START, ABORT_END, ROLLBACK_START, ROLLBACK_DEST_START]
        }
        // That it will be told is durable; Nova's end says that the hypervisor was told.
        ("abort_requested", _, _) => &[ABORT_START, ABORT_END],
        ("force_complete_requested", _, _) => &[FORCE_START],
        ("forced", _, _) => &[FORCE_END],
        ("not_prepared" | "move_cancelled" | "move_failed", _, _)
        | ("source_died" | "destination_died" | "deadline_passed", Some(Preparing), Preparing) => {
            &[ROLLBACK_START, ROLLBACK_DEST_START]
        }
        ("handed_over" | "found_at_destination", _, _)
        | ("destination_died", Some(RunningPostCopy), _) => &[POST_START, POST_DEST_START],
        ("finished", _, _) => &[POST_DEST_END, POST_END],
        ("rolled_back", _, _) => &[ROLLBACK_DEST_END, ROLLBACK_END],
        // The destination could not be cleaned.
        ("deadline_passed", Some(Preparing | Running), Cancelled | Failed) => &[ROLLBACK_END],
        ("superseded", _, _) => &[],
        (_, Some(Accepted | Queued), Error) => &[MIGRATE_SERVER_ERROR],
        _ => &[],
    }
}

fn of_cold(it: Happening<'_>) -> &'static [Notice] {
    use Status::{
        Confirming, Error, Finished, Migrating, PostMigrating, PreMigrating, Reverted, Reverting,
    };
    match (it.name, it.from, it.to) {
        ("placed", _, _) => &[PREP_START],
        ("prepared", _, _) => &[PREP_END, RESIZE_START],
        ("source_stopped", _, _) => &[RESIZE_END, FINISH_START],
        ("booted", _, _) => &[FINISH_END],
        ("confirm_requested" | "deadline_passed", Some(Finished), _) => &[CONFIRM_START],
        ("finished", Some(Confirming), _) => &[CONFIRM_END],
        // Nova's source tells it, once the destination has given the guest up.
        ("withdrawn" | "destination_died", Some(Reverting), Reverting) => &[REVERT_START],
        ("rolled_back", _, Reverted) => &[REVERT_END],
        (
            "not_prepared" | "source_died" | "destination_died" | "deadline_passed",
            Some(PreMigrating),
            PreMigrating,
        ) if it.has_reason => &[PREP_FAILED, PREP_END],
        (_, Some(Migrating), Migrating) if it.has_reason => &[RESIZE_FAILED],
        (_, Some(PostMigrating), PostMigrating | Migrating) if it.has_reason => &[FINISH_FAILED],
        ("not_placed" | "source_died" | "deadline_passed", Some(PreMigrating), Error) => {
            &[MIGRATE_SERVER_ERROR]
        }
        _ => &[],
    }
}

fn of_evacuation(it: Happening<'_>) -> &'static [Notice] {
    match (it.name, it.from, it.to) {
        ("requested", _, _) => &[EVACUATE],
        ("superseded", _, _) => &[],
        (_, Some(Status::Accepted), Status::Error) => &[REBUILD_SERVER_ERROR],
        _ => &[],
    }
}

/// How what happened to a host is told: as what became of its service. That an agent is silent Nova
/// tells nobody, and neither that it is heard again.
pub(crate) fn of_host(name: &str) -> Option<&'static str> {
    match name.parse().ok()? {
        HostEvent::Registered => Some("service.create"),
        HostEvent::Removed => Some("service.delete"),
        HostEvent::Disabled | HostEvent::Enabled | HostEvent::ForcedDown | HostEvent::ForcedUp => {
            Some("service.update")
        }
        HostEvent::Down
        | HostEvent::Up
        | HostEvent::Unmanaged
        | HostEvent::Managed
        | HostEvent::TopologyChanged => None,
    }
}

#[cfg(test)]
mod tests;
