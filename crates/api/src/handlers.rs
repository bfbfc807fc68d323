//! What each route does, one file a resource.

pub mod flavors;
pub mod live_migration;
pub mod migrations;
mod paging;
pub mod server_migrations;
pub mod servers;
pub mod versions;
