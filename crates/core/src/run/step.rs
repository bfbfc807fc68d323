//! The table.

use crate::run::change::Change;
use crate::run::event::{Event, Rejected, Transition};
use crate::run::{Run, RunState as State};
use crate::time::Timestamp;

/// Says what follows from `event` at `now`.
///
/// # Errors
/// The event does not apply; nothing changes. That is ordinary: reports arrive twice and late.
pub fn step(run: &Run, event: &Event, now: Timestamp) -> Result<Transition, Rejected> {
    if run.state.is_terminal() {
        return Err(Rejected::Ended(run.state));
    }
    if *event == Event::DeadlinePassed && (run.is_late || run.deadline.is_none_or(|at| now < at)) {
        return Err(Rejected::TooEarly);
    }
    let to = Change::of(run, now);
    match (run.state, event) {
        (State::Pending, Event::RoomClaimed) => to.start().settle(),
        (State::Pending, Event::RoomRefused(failure)) => to.fail_waiting(failure).settle(),
        (State::Pending, Event::CancelRequested { .. }) => to.cancel_waiting().settle(),
        (State::Pending | State::Running, Event::SkipRequested(id)) => to.skip(*id)?.settle(),
        (State::Pending | State::Running, Event::DeadlinePassed) => to.be_late().settle(),

        (State::Running, Event::OperationBegun(id, migration)) => {
            to.begin(run, *id, *migration)?.settle()
        }
        (State::Running, Event::OperationRefused(id, failure)) => to.refuse(*id, failure)?.settle(),
        (State::Running, Event::OperationUnneeded(id, gone)) => {
            to.unneeded(*id, gone.as_ref())?.settle()
        }
        (State::Running | State::Cancelling, Event::OperationEnded(id, outcome)) => {
            to.end(*id, outcome)?.settle()
        }
        (State::Running, Event::OperationRevised(id, destination, kind)) => {
            to.revise(*id, destination, *kind)?.settle()
        }
        (State::Running, Event::OperationNotRevised(id, failure)) => {
            to.fail_replanned(*id, failure)?.settle()
        }
        (State::Running, Event::CancelRequested { abort_running }) => {
            to.cancel_waiting().abort_running(*abort_running).settle()
        }
        // Asked for already; now perhaps with what runs.
        (State::Cancelling, Event::CancelRequested { abort_running }) => {
            to.abort_running(*abort_running).settle()
        }

        (State::Running | State::Cancelling, Event::HostHeld(host)) => {
            to.host_held(host, event)?.settle()
        }
        (State::Running | State::Cancelling, Event::HostReleased(host)) => {
            to.host_released(host, event)?.settle()
        }
        (State::Running, Event::HostReady(host)) => to.host_ready(host, event)?.settle(),
        (State::Running | State::Cancelling, Event::HostDone(host)) => {
            to.host_done(run, host, event)?.settle()
        }
        (State::Running | State::Cancelling, Event::HostReturned(host)) => {
            to.host_returned(host, event)?.settle()
        }

        // Every other pair. Written out, so that a new state or event has to come by here.
        (
            State::Pending
            | State::Running
            | State::Cancelling
            | State::Completed
            | State::Partial
            | State::Failed
            | State::Cancelled,
            Event::RoomClaimed
            | Event::RoomRefused(_)
            | Event::OperationBegun(..)
            | Event::OperationRefused(..)
            | Event::OperationUnneeded(..)
            | Event::OperationEnded(..)
            | Event::OperationRevised(..)
            | Event::OperationNotRevised(..)
            | Event::SkipRequested(_)
            | Event::DeadlinePassed
            | Event::HostHeld(_)
            | Event::HostReleased(_)
            | Event::HostReady(_)
            | Event::HostDone(_)
            | Event::HostReturned(_)
            | Event::CancelRequested { .. },
        ) => Err(Rejected::OutOfPlace {
            state: run.state,
            event: event.name(),
        }),
    }
}
