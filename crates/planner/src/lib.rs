//! Who can go where, and who goes next. Pure: an inventory comes in, hosts and reasons go out.
//!
//! ```text
//!   hosts + need + target ──► candidates ──► Search ──► one host after the other, or a Failure
//!   hosts + needs         ──► emptying ──► a place for each, and what has to change for that
//!   queue + slots in use  ──► admission  ──► those that begin now
//!   fleet + wish          ──► plan       ──► operations, blocked servers, estimates, a bound
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
//! - [`fleet`]: hosts with links and servers with dirty rates; from a file, or [`generate`]d.
//! - [`plan`]: what is asked of many moves, and what is answered.
//! - [`order`]: which prepared moves transfer now, and how fast.
//! - [`schedule`]: which moves begin now, as conductors let them.
//! - [`simulate`]: how a plan would go, by this order or by simpler ones.
//! - [`bound`]: how fast any plan could be at best.
//! - [`optimum`]: how fast the best plan of a few moves is, by trying all.
//! - [`lint`]: whether a plan keeps every rule; knows nothing of how it was made.
//! - [`fingerprint`]: whether a fleet has changed in a way that matters to a plan.
//!
//! Nothing here asks an agent. A host that fits may still refuse in its pre-check; the caller
//! tells [`search::Search`] and gets the next one.

pub mod admission;
pub mod bound;
mod build;
pub mod candidates;
pub mod completion;
pub mod emptying;
pub mod fingerprint;
pub mod fleet;
pub mod generate;
pub mod inventory;
pub mod lint;
pub mod optimum;
pub mod order;
pub mod plan;
pub mod precopy;
pub mod reason;
pub mod schedule;
pub mod search;
pub mod simulate;
pub mod table;
pub mod texts;

#[cfg(test)]
mod fixtures;
