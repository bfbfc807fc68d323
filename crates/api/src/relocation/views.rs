//! Documents: what rows look like to a caller, one file a resource.

pub mod event;
pub mod migration;
pub mod reason;
pub mod requester;
pub mod snapshot;
pub mod webhook;
