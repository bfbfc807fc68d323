//! What requests may say, as data: one file a resource.

pub mod flavors;
pub mod live_migration;
pub mod migrations;
pub mod server_migrations;
pub mod servers;
mod values;
