//! Who can go where, and who goes next. Pure: an inventory comes in, hosts and reasons go out.
//!
//! ```text
//!   hosts + need + target ──► candidates ──► Search ──► one host after the other, or a Failure
//!   hosts + needs         ──► emptying ──► a place for each, and what has to change for that
//!   queue + slots in use  ──► admission  ──► those that begin now
//! ```
//!
//! - [`inventory`]: what the planner knows of hosts, and what a server needs.
//! - [`candidates`]: which hosts may be tried, the best first, and why the others may not.
//! - [`emptying`]: what would let all servers of a host go elsewhere.
//! - [`reason`]: why a host is out of the question.
//! - [`search`]: which host to try next, and what to say when there is none.
//! - [`texts`]: Nova's wording of every such end.
//! - [`admission`]: first come, first served, within limits per host.
//! - [`completion`]: how long a move may take.
//!
//! Nothing here asks an agent. A host that fits may still refuse in its pre-check; the caller
//! tells [`search::Search`] and gets the next one.

pub mod admission;
pub mod candidates;
pub mod completion;
pub mod emptying;
pub mod inventory;
pub mod reason;
pub mod search;
pub mod texts;

#[cfg(test)]
mod fixtures;
