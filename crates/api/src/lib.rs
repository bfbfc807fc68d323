//! Nova's HTTP API, as its clients see it.
//!
//! ```text
//!   request ─► pipeline ─► routes ─► handlers ─► views ─► answer
//!                │           │          │
//!              auth        table      policy, store
//! ```
//!
//! - [`pipeline`] checks in Nova's order: size, token, route, version, type, action, project,
//!   schema. [`call::Call`] is what is left for a handler, and [`call::Guarded`] makes it ask
//!   policy before it touches anything.
//! - [`routes::ROUTES`] is the one table of routes: versions, policy rules, queries, actions.
//! - [`schema`] speaks the validator's language, [`schemas`] is what is valid, as data.
//! - [`views`] are the documents, one constructor each, gated by version and visibility.
//! - What changes a migration leaves an intent in the database and returns; who drives it finds
//!   it there. A 202 is sent after the commit.
//!
//! [`serve`] puts it behind an address. [`development_identity`] lets clients log in where
//! there is no Keystone; [`observability`] is for every role of the process.

mod app;
pub mod auth;
mod body;
pub mod call;
pub mod config;
pub mod development_identity;
pub mod error;
pub mod handlers;
pub mod ids;
pub mod links;
pub mod microversion;
pub mod negotiation;
pub mod observability;
mod outgoing;
pub mod pipeline;
pub mod policy;
mod python;
pub mod query;
mod reply;
mod request_log;
mod root;
pub mod routes;
pub mod rules;
pub mod schema;
pub mod schemas;
mod seconds;
mod state;
mod timestamps;
pub mod views;

pub use app::{ServeError, mount, serve};
pub use outgoing::OutgoingError;
pub use request_log::RequestLog;
pub use state::{ApiState, ConfigError, Parts, Wake};
