//! Documents: what rows look like to a caller, one file a resource.

pub mod allocation;
pub mod candidate;
pub mod event;
pub mod fence;
pub mod host;
pub mod management;
pub mod migration;
pub mod pool;
pub mod reason;
pub mod requester;
pub mod scope;
pub mod server;
pub mod snapshot;
pub mod webhook;
