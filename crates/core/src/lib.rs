//! The pure domain of Godwit.
//!
//! Everything that decides what may happen to a migration lives here, and nothing
//! here does anything: no I/O, no clock, no randomness, no async. Time is an
//! argument, and what shall be done comes back as a list of [`effect::Effect`]s.
//! That makes the promises in the documentation provable by walking the whole
//! state space in a test.
//!
//! ```text
//!   row + event + now ──► transition::step ──► next row, server change, effects
//! ```
//!
//! - [`status`]: every status Nova's API can show, and the sets the API asks about.
//! - [`migration`]: what the tables look at.
//! - [`phase`]: where a migration is, and which of those statuses shows it.
//! - [`transition`]: the one entry point; [`live`], [`cold`] and [`evacuation`] are the tables.
//! - [`begin`]: whether a migration may begin, and how.
//! - [`server`]: what migrations make of a server, as one patch of its row.
//! - [`host`]: what may be placed on a host, its maintenance, and what is told of it.
//! - [`discrepancy`]: what the records and the hypervisors may disagree about.
//! - [`power`]: stop, start and reboot, which move nothing.
//! - [`instance_action`]: what clients of Nova read of all this.
//! - [`reason`]: why something cannot be, what shows it, and what would change it.
//! - [`recovery`]: who runs a guest after a crash, as one pure function.
//! - [`repair`]: what an operator may put right from the records alone.
//! - [`requester`]: who asked for a change.
//! - [`event_type`]: what readers of all events call them.
//! - [`fence`]: what an evacuation takes for proof that its source is dead.
//! - [`plan`] and [`run`]: moves that are seen before they happen, and carried out as one.
//! - [`idempotency`]: requests that may be sent again.
//! - [`webhook`]: how long those are called who want to know of events.
//! - [`host`]: where hosts belong, and whether anything is put on them.
//! - [`resources`] and [`slots`]: what servers and moves take of hosts.
//! - [`retention`]: how long what is over is kept.
//! - [`seconds`]: spans of time, as they are written down.
//! - [`server_group`]: which hosts a server's group leaves it.
//! - [`trace`]: what of a trace crosses from one process to the next.

#![warn(missing_docs)]
// A new phase, event or status has to be looked at wherever one is matched on.
#![cfg_attr(
    not(test),
    deny(
        clippy::wildcard_enum_match_arm,
        clippy::match_wildcard_for_single_variants
    )
)]

pub mod begin;
mod change;
pub mod cold;
pub mod discrepancy;
pub mod effect;
pub mod evacuation;
pub mod event;
pub mod event_type;
pub mod failure;
pub mod fence;
#[cfg(test)]
mod fixtures;
pub mod host;
pub mod idempotency;
pub mod ids;
pub mod instance_action;
pub mod live;
pub mod migration;
pub mod phase;
pub mod plan;
pub mod power;
pub mod reason;
pub mod recovery;
pub mod repair;
pub mod requester;
pub mod resources;
pub mod retention;
pub mod run;
pub mod seconds;
pub mod server;
pub mod server_group;
pub mod slots;
pub mod status;
pub mod time;
pub mod trace;
pub mod transition;
pub mod webhook;
