//! What the planner is told of hosts and servers, made of the store's rows.
//!
//! Whoever asks where a server could go and whoever puts it there ask the planner the same question,
//! for both build it here.
//!
//! ```text
//!   rows ──► Fleet ──► hosts, need ──► planner
//!              │
//!              └─────► verdicts, drain: what the planner says of a server, or of a host's servers
//! ```
//!
//! - [`planning`]: what plans are made of, and compared with.

mod drain;
mod fleet;
mod guest;
pub mod planning;
mod verdict;

pub use drain::{Blocked, Drain, drain};
pub use fleet::{Basis, Fleet, gib_ceil};
pub use guest::Guest;
pub use verdict::{Verdict, verdicts};
