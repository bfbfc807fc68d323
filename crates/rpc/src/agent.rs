//! The service on each hypervisor host.

mod client;
mod pool;
mod server;
mod verbs;

pub use client::{AgentClient, WatchEvents};
pub use pool::AgentPool;
pub use server::AgentServer;
pub use verbs::Agent;
