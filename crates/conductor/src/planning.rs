//! Plans that were asked for, made; and, while they are carried out, held against the fleet as it is.
//!
//! ```text
//!   effect `make` ──► inventory ──► planner ──► linter ──► ready, or aborted with reasons
//!   an operation that is to begin ──► check ──► nothing against it, or reasons
//!   one whose destination does not do any more ──► replan ──► another one, or reasons
//! ```
//!
//! - [`make`]: the effect.
//! - [`expire`]: the loop over plans whose time is over.
//! - [`replan`]: what whoever carries a plan out asks of single operations.

mod expire;
mod make;
mod replan;
mod written;

pub(crate) use self::expire::run;
pub(crate) use self::make::perform;
pub(crate) use self::replan::{Replanned, check, replan};
