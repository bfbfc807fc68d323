//! Which transition writes which step.

use super::{
    ActionEventChange, ActionHost, ActionName, ActionProgress, ActionResult, action_of,
    conductor_event, requested,
};
use crate::event::Event;
use crate::failure::Failure;
use crate::migration::Migration;
use crate::phase::Phase;
use crate::status::{MigrationKind, MigrationStatus as Status};
use crate::{cold, live};

/// What `event`, which made `next` of `before`, writes into instance actions, in this order.
/// That a step ended is also said where it may not have begun: then nothing is written.
pub fn changes(before: &Migration, event: &Event, next: &Migration) -> Vec<ActionEventChange> {
    match before.kind {
        MigrationKind::LiveMigration => of_live(before, event, next),
        MigrationKind::Migration | MigrationKind::Resize => of_cold(before, event, next),
        MigrationKind::Evacuation => of_evacuation(before, event, next),
    }
}

/// A step of an action, and where it is done.
#[derive(Clone, Copy)]
struct Step(ActionName, &'static str, ActionHost);

impl Step {
    fn with(self, progress: ActionProgress) -> ActionEventChange {
        let Self(action, event, host) = self;
        ActionEventChange {
            action,
            event,
            host,
            progress,
        }
    }

    fn started(self) -> ActionEventChange {
        self.with(ActionProgress::Started { details: None })
    }

    fn started_because(self, failure: &Failure) -> ActionEventChange {
        self.with(ActionProgress::Started {
            details: Some(failure.message.clone()),
        })
    }

    fn happened(self) -> ActionEventChange {
        self.with(ActionProgress::Happened)
    }

    fn succeeded(self) -> ActionEventChange {
        self.with(ActionProgress::Finished {
            result: ActionResult::Success,
            details: None,
        })
    }

    fn failed(self, next: &Migration) -> ActionEventChange {
        self.with(ActionProgress::Finished {
            result: ActionResult::Error,
            details: next.failure.as_ref().map(|failure| failure.message.clone()),
        })
    }
}

/// The steps of a request, and how each ends when the migration does.
struct Steps {
    /// What begins or ends with this event.
    said: Vec<ActionEventChange>,
    open: Vec<Step>,
}

impl Steps {
    /// What is still open when the migration has ended has failed.
    fn written(mut self, next: &Migration) -> Vec<ActionEventChange> {
        if next.status().has_ended() {
            let failed = self.open.iter().map(|step| step.failed(next));
            self.said.extend(failed);
        }
        self.said
    }
}

fn of_live(before: &Migration, event: &Event, next: &Migration) -> Vec<ActionEventChange> {
    let at = |name, host| Step(ActionName::LiveMigration, name, host);
    let choose = at(conductor_event(before), ActionHost::Conductor);
    let prepare = at("compute_pre_live_migration", ActionHost::Destination);
    let hand_over = at(
        "compute_post_live_migration_at_destination",
        ActionHost::Destination,
    );
    let roll_back = at(
        "compute_rollback_live_migration_at_destination",
        ActionHost::Destination,
    );
    let (from, to) = (before.phase, next.phase);
    let mut said = vec![];
    match requested(event) {
        Some(action @ ActionName::LiveMigrationCancel) => {
            said.push(Step(action, "compute_live_migration_abort", ActionHost::Source).happened());
        }
        Some(action @ ActionName::LiveMigrationForceComplete) => {
            let name = "compute_live_migration_force_complete";
            said.push(Step(action, name, ActionHost::Source).happened());
        }
        Some(_) | None => {}
    }
    if from == live::Phase::Accepted.into() && to == live::Phase::Queued.into() {
        said.extend([
            at(
                "compute_check_can_live_migrate_destination",
                ActionHost::Destination,
            )
            .happened(),
            at("compute_check_can_live_migrate_source", ActionHost::Source).happened(),
            choose.succeeded(),
            // Nova's is over as soon as the job is queued.
            at("compute_live_migration", ActionHost::Source).happened(),
        ]);
    }
    if from != to {
        match to {
            Phase::Live(live::Phase::Preparing) => said.push(prepare.started()),
            Phase::Live(live::Phase::Running) => said.push(prepare.succeeded()),
            Phase::Live(live::Phase::Finishing { .. }) => said.push(hand_over.started()),
            Phase::Live(live::Phase::Unwinding { .. }) => {
                said.extend([prepare.failed(next), roll_back.started()]);
            }
            Phase::Live(live::Phase::Accepted | live::Phase::Queued | live::Phase::PostCopy)
            | Phase::Cold(_)
            | Phase::Evacuation(_)
            | Phase::Ended(_) => {}
        }
    }
    if next.status() == Status::Completed {
        said.push(hand_over.succeeded());
    }
    if matches!(event, Event::RolledBack { .. }) {
        said.push(roll_back.succeeded());
    }
    let open = vec![choose, prepare, hand_over, roll_back];
    Steps { said, open }.written(next)
}

fn of_cold(before: &Migration, event: &Event, next: &Migration) -> Vec<ActionEventChange> {
    let action = action_of(before);
    let choose = Step(action, conductor_event(before), ActionHost::Conductor);
    let prepare = Step(action, "compute_prep_resize", ActionHost::Destination);
    let stop = Step(action, "compute_resize_instance", ActionHost::Source);
    let boot = Step(action, "compute_finish_resize", ActionHost::Destination);
    let confirm = Step(
        ActionName::ConfirmResize,
        "compute_confirm_resize",
        ActionHost::Source,
    );
    let give_up = Step(
        ActionName::RevertResize,
        "compute_revert_resize",
        ActionHost::Destination,
    );
    let take_back = Step(
        ActionName::RevertResize,
        "compute_finish_revert_resize",
        ActionHost::Source,
    );
    let said = match event {
        Event::Placed(..) => vec![choose.succeeded(), prepare.started()],
        Event::Prepared => vec![prepare.succeeded(), stop.started()],
        Event::SourceStopped => vec![stop.succeeded(), boot.started()],
        Event::Booted => vec![boot.succeeded()],
        Event::ConfirmRequested => vec![confirm.started()],
        Event::Finished { .. } => vec![confirm.succeeded()],
        Event::RevertRequested => vec![give_up.started()],
        Event::Withdrawn if before.phase == cold::Phase::Reverting.into() => {
            vec![give_up.succeeded(), take_back.started()]
        }
        Event::RolledBack { .. } if next.status() == Status::Reverted => {
            vec![take_back.succeeded()]
        }
        Event::AbortRequested
        | Event::ForceCompleteRequested
        | Event::NotPlaced(_)
        | Event::Admitted
        | Event::CancelledUnstarted
        | Event::NotPrepared(_)
        | Event::PostCopyStarted
        | Event::HandedOver
        | Event::MoveCancelled
        | Event::MoveFailed(_)
        | Event::GuestLost(_)
        | Event::RolledBack { .. }
        | Event::FoundAtDestination
        | Event::NotBooted(_)
        | Event::Withdrawn
        | Event::SourceReturned
        | Event::SourceSilent(..)
        | Event::SourceDied(_)
        | Event::DestinationDied(_)
        | Event::Superseded(_)
        | Event::DeadlinePassed => vec![],
    };
    // A move that goes back has failed, whatever becomes of it.
    let back = matches!(
        next.phase,
        Phase::Cold(cold::Phase::Withdrawing | cold::Phase::RollingBack(_))
    );
    let failed = next.failure.is_some() && back;
    let mut steps = Steps {
        said,
        open: vec![choose, prepare, stop, boot, confirm, give_up, take_back],
    };
    if failed && before.failure.is_none() {
        let ends = [prepare, stop, boot].map(|step| step.failed(next));
        steps.said.extend(ends);
    }
    steps.written(next)
}

fn of_evacuation(before: &Migration, event: &Event, next: &Migration) -> Vec<ActionEventChange> {
    let action = ActionName::Evacuate;
    let choose = Step(action, conductor_event(before), ActionHost::Conductor);
    let boot = Step(action, "compute_rebuild_instance", ActionHost::Destination);
    let stop = Step(action, "compute_stop_instance", ActionHost::Destination);
    let wait = Step(action, "wait_for_fencing", ActionHost::Conductor);
    let said = match event {
        Event::SourceSilent(failure, _) => vec![wait.started_because(failure)],
        Event::SourceDied(_) => vec![wait.succeeded()],
        Event::Placed(..) => vec![choose.succeeded(), boot.started()],
        Event::Booted if crate::evacuation::powers_on(before) => vec![boot.succeeded()],
        Event::Booted => vec![boot.succeeded(), stop.happened()],
        Event::AbortRequested
        | Event::ForceCompleteRequested
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
        | Event::FoundAtDestination
        | Event::SourceStopped
        | Event::NotBooted(_)
        | Event::ConfirmRequested
        | Event::RevertRequested
        | Event::Withdrawn
        | Event::SourceReturned
        | Event::DestinationDied(_)
        | Event::Superseded(_)
        | Event::DeadlinePassed => vec![],
    };
    let open = if before.status().has_ended() {
        vec![]
    } else {
        vec![choose, wait, boot]
    };
    Steps { said, open }.written(next)
}
