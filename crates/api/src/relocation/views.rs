//! Documents: what rows look like to a caller, one file a resource.

pub mod allocation;
pub mod candidate;
pub mod difference;
pub mod event;
pub mod fence;
pub mod group;
pub mod host;
pub mod maintenance;
pub mod management;
pub mod message;
pub mod migration;
pub mod operation;
pub mod plan;
pub mod pool;
pub mod reason;
pub mod requester;
pub mod run;
pub mod scope;
pub mod server;
pub mod snapshot;
pub mod webhook;
