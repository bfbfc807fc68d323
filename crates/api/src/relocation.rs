//! `/relocation/v1`: what Nova has no word for.
//!
//! ```text
//!   request ─► pipeline ─► routes ─► migrations, events, … ─► views ─► answer
//!                 │           │          │
//!          token, query,    table     policy, store
//!          body, key
//! ```
//!
//! - [`routes::OPERATIONS`] is the one table: routes, policy rules, query keys.
//! - [`problem`] is how anything goes wrong here, [`page`] what all lists have in common.
//! - [`visibility`] is what a caller sees: whose things, and whether hosts by name.
//! - [`plans`], [`runs`] and [`maintenance`] ask for what a conductor does, and show how it goes.
//! - [`streams`] tell events as they happen, [`webhooks`] call whoever wants to know of them.
//! - [`openapi`] is the document of all of it. Tests compare it with the table and with answers.

pub mod allocation;
pub mod call;
pub mod candidates;
mod document;
pub mod drain_check;
pub mod etag;
pub mod events;
pub mod fence;
mod fields;
pub mod groups;
pub mod hosts;
pub mod maintenance;
pub mod management;
pub mod migrations;
pub mod openapi;
pub mod page;
pub mod params;
pub mod pipeline;
pub mod plans;
pub mod pools;
pub mod problem;
mod reply;
pub mod routes;
pub mod rules;
pub mod runs;
pub mod scopes;
pub mod servers;
pub mod snapshot;
pub mod streams;
pub mod topology;
pub mod views;
pub mod visibility;
pub mod webhooks;

/// What every path begins with.
pub(crate) const ROOT: &str = "/relocation/v1";
