//! The HTTP APIs of the service, in rooms of which each knows only those below it:
//!
//! ```text
//!   nova     relocation     development_identity
//!     └──────────►  http  ◄──────────┘
//! ```
//!
//! - [`nova`] is Nova's API, as its clients see it.
//! - [`relocation`] is the service's own API, for all that Nova has no word for.
//! - [`development_identity`] lets clients log in where there is no Keystone.
//! - [`http`] is what they share.
//!
//! [`serve`] puts them behind an address. What a process is put together from stands here.

#![allow(
    missing_docs,
    reason = "only this service is built on it, and most names say what there is to say"
)]

mod app;
pub mod development_identity;
pub mod http;
pub mod nova;
pub mod relocation;

pub use app::{ServeError, mount, serve};
pub use http::outgoing::OutgoingError;
pub use http::request_log::RequestLog;
pub use http::state::{ApiState, ConfigError, Parts, Wake};
pub use http::{auth, config, ids, observability, policy};
