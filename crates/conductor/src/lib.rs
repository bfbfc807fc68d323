//! Drives every migration from the row that the API wrote to its end.
//!
//! ```text
//!            ┌────────────────────────── store ──────────────────────────┐
//!            │  outbox        queue          deadlines     sightings     │
//!            └─────▲─────────────▲───────────────▲─────────────▲─────────┘
//!    lease, perform│       admit │          pass │      compare│
//!              effects       admission       deadlines     reconcile ◄── enrolment
//!                  │             │                             │            ▲
//!                  └─── agents ──┴─────────────────────────────┘            │
//!                                                          agents: register, report
//! ```
//!
//! All state is in the store. A conductor may die at any moment: its leases run out, and
//! another one, or itself restarted, goes on from the rows. Any number of them work side by
//! side; what keeps them apart is the lease on an effect and the generation of a row, never an
//! agreement between them.
//!
//! - [`effects`]: the outbox, and who performs what it asks for.
//! - [`scheduling`]: from an inventory to a destination that both sides agreed to.
//! - [`admission`]: from `queued` to `preparing`, within the slots.
//! - [`deadlines`], [`liveness`], [`reconcile`], [`gauges`], [`pruning`], [`silence`]: the other loops.
//! - [`fencing`]: hosts that are declared dead, and who waits for that.
//! - [`cleaning`]: what ended moves have left on hosts.
//! - [`planning`]: plans that were asked for, made.
//! - [`runs`]: plans, carried out.
//! - [`maintenance`]: hosts that are to be empty, and those that are.
//! - [`testimony`]: both hypervisors asked about one guest.
//! - [`enrolment`]: what agents call.

mod admission;
mod backoff;
mod cleaning;
mod conductor;
mod config;
mod context;
mod deadlines;
mod effects;
mod enrolment;
mod evacuated;
mod fencing;
mod fleet;
mod gauges;
mod lease;
mod links;
mod liveness;
mod maintenance;
mod metrics;
mod planning;
mod progress;
mod pruning;
mod reconcile;
mod runs;
mod scheduling;
mod silence;
mod steps;
mod testimony;
mod ticks;
mod translate;
mod wake;

pub use backoff::{Backoff, Jitter};
pub use conductor::{Conductor, LoopDied, Parts};
pub use config::{Config, LinkBudgets, Slots, TimeLimits};
pub use wake::Wake;
