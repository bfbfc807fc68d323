//! What each route does, one file a resource.

pub mod aggregates;
mod beginning;
pub mod cold_migration;
mod compute_hosts;
pub mod evacuation;
pub mod flavor_extra_specs;
pub mod flavors;
pub mod hypervisors;
pub mod instance_actions;
pub mod limits;
pub mod live_migration;
pub mod locks;
pub mod migrations;
mod paging;
pub mod power;
mod preconditions;
pub mod reset_state;
pub mod resize;
pub mod server_groups;
pub mod server_migrations;
pub mod servers;
pub mod services;
pub mod versions;
