//! Nova's API.
//!
//! ```text
//!   request ─► pipeline ─► routes ─► handlers ─► views ─► answer
//!                │           │          │
//!              token       table      policy, store
//! ```
//!
//! - [`pipeline`] checks in Nova's order: size, token, route, version, type, action, project,
//!   schema. [`call::Call`] is what is left for a handler, and [`call::Guarded`] makes it ask
//!   policy before it touches anything.
//! - [`routes::OPERATIONS`] is the one table: routes, versions, policy rules, queries, actions.
//! - [`schema`] speaks the validator's language, [`schemas`] is what is valid, as data.
//! - [`views`] are the documents, one constructor each, gated by version and visibility.
//! - What changes a migration leaves an intent in the database and returns; who drives it finds
//!   it there. A 202 is sent after the commit.

mod body;
pub mod call;
pub mod error;
pub mod handlers;
pub mod links;
pub mod microversion;
pub mod negotiation;
pub mod pipeline;
mod python;
mod reply;
mod root;
pub mod routes;
pub mod rules;
pub mod schema;
pub mod schemas;
pub mod views;
