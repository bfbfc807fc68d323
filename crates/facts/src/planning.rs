//! Plans: what the planner is told of the inventory, and what it is asked for.
//!
//! ```text
//!   target ──► scope ──► inventory ──► fleet ──► planner::plan::make      the conductor's
//!     │                                  │
//!     └──────► asked ────────────────────┴─────► fingerprint ──► differences    the API's
//!   operations ► scope of them, plan of them ──► fingerprint
//! ```
//!
//! Whoever makes a plan and whoever asks later what has changed for it read the same facts here.

mod asked;
mod compared;
mod fleet;

pub use asked::{Asked, Homes, NotAsked, Wanted};
pub use compared::{differences, fingerprint, plan_of, returning, scope_of_plan};
pub use fleet::{Planning, is_fenced, planning};
