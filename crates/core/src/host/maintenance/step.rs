//! The table.

use crate::host::maintenance::change::Change;
use crate::host::maintenance::event::{Event, Rejected, Transition, is_due};
use crate::host::maintenance::{Maintenance, State};
use crate::ids::RunUuid;
use crate::time::Timestamp;

/// Says what follows from `event` at `now`. A run that has to be made is given the id `fresh`,
/// which nothing else has, so that whoever asked can be told where it will be.
///
/// # Errors
/// The event does not apply; nothing changes.
pub fn step(
    maintenance: &Maintenance,
    event: &Event,
    fresh: RunUuid,
    now: Timestamp,
) -> Result<Transition, Rejected> {
    let to = Change::of(maintenance, fresh, now);
    match (maintenance.state, event) {
        (
            State::None,
            Event::Held {
                holder,
                guests,
                placements_in_flight,
                run,
            },
        ) => to
            .enter(guests, *placements_in_flight)
            .hold(holder)
            .begin_emptying(*run)
            .held(),
        // Its guests may be on their way back, and arrivals count from now on. Home stays home, and
        // becomes that of those who have arrived since.
        (
            State::Leaving,
            Event::Held {
                holder,
                guests,
                placements_in_flight,
                run,
            },
        ) => to
            .enter(guests, *placements_in_flight)
            .hold(holder)
            .begin_emptying(*run)
            .held(),
        (
            State::Entering | State::Empty | State::InMaintenance,
            Event::Held {
                holder,
                run: Some(run),
                ..
            },
        ) => to.hold(holder).join(maintenance, *run).held(),
        (
            State::Entering | State::Empty | State::InMaintenance,
            Event::Held {
                holder, run: None, ..
            },
        ) => to.hold(holder).ask_again(maintenance, true).held(),

        (
            State::Entering | State::Empty | State::InMaintenance,
            Event::Released {
                holder,
                return_home,
            },
        ) => {
            let to = to.release(holder)?;
            if to.is_held() {
                to.ask_again(maintenance, false).held()
            } else {
                to.leave(*return_home)
            }
        }
        (State::None | State::Leaving, Event::Released { holder, .. }) => {
            Err(Rejected::HolderUnknown(holder.clone()))
        }

        (State::Entering | State::Empty, Event::Planned { run, left }) => {
            to.planned(*run, left)?.held()
        }
        (
            State::Entering | State::Empty,
            Event::RunEnded {
                run,
                left,
                cancelled_by,
            },
        ) => to.end_run(*run, left, cancelled_by.as_deref())?.held(),
        (
            State::Leaving,
            Event::RunEnded {
                run,
                left,
                cancelled_by,
            },
        ) => to.end_run(*run, left, cancelled_by.as_deref())?.left(),

        (State::Entering | State::Empty | State::InMaintenance, Event::Seen(inventory)) => {
            to.see(inventory).held()
        }
        (
            State::Entering | State::Empty | State::InMaintenance,
            Event::PlacementsChanged(placements),
        ) => to.in_flight(*placements).held(),
        (State::Entering | State::Empty | State::InMaintenance, Event::AgentDied) => {
            to.void().held()
        }
        (
            State::Entering | State::Empty | State::InMaintenance,
            Event::ServerLeft {
                server,
                by_maintenance,
            },
        ) => to.forget(*server, *by_maintenance).held(),
        (
            State::Leaving,
            Event::ServerLeft {
                server,
                by_maintenance,
            },
        ) => to.forget(*server, *by_maintenance).left(),
        (
            State::Entering | State::Empty | State::InMaintenance,
            Event::NoLongerShutDown(server),
        ) => to.no_longer_shut_down(*server).held(),
        (State::Leaving, Event::NoLongerShutDown(server)) => to.no_longer_shut_down(*server).left(),

        (State::Entering | State::Empty, Event::RetryDue) if is_due(maintenance.retry_at, now) => {
            to.retry().held()
        }
        (State::Leaving, Event::RetryDue) if is_due(maintenance.retry_at, now) => {
            to.return_again().left()
        }
        (State::Entering | State::Empty | State::Leaving, Event::RetryDue) => {
            Err(Rejected::TooEarly)
        }

        // Every other pair. Written out, so that a new state or event has to come by here.
        (
            State::None | State::InMaintenance | State::Leaving,
            Event::Planned { .. }
            | Event::RunEnded { .. }
            | Event::Seen(_)
            | Event::PlacementsChanged(_)
            | Event::AgentDied
            | Event::ServerLeft { .. }
            | Event::NoLongerShutDown(_)
            | Event::RetryDue,
        ) => Err(Rejected::OutOfPlace {
            state: maintenance.state,
            event: event.name(),
        }),
    }
}
