//! What every API needs that this service serves: who asks and what policy allows, how bodies and
//! queries are read, what links begin with, ids of requests, what operators see. Nothing here
//! knows of Nova's API, and `cargo xtask arrows` keeps it so.

pub mod auth;
pub(crate) mod body;
pub mod caller;
pub mod config;
pub(crate) mod debug;
pub mod host_id;
pub(crate) mod idempotency;
pub mod ids;
pub(crate) mod json;
pub mod links;
pub(crate) mod networks;
pub mod observability;
pub(crate) mod outgoing;
pub mod policy;
pub mod query;
pub(crate) mod request_id;
pub(crate) mod request_log;
pub mod route;
pub mod sealing;
pub(crate) mod state;
pub(crate) mod timestamps;
pub(crate) mod token;

use godwit_core::seconds;
