//! What each route does, one file a resource.

pub mod aggregates;
pub mod availability_zones;
pub mod cold_migration;
mod compute_hosts;
pub mod evacuation;
pub mod extensions;
pub mod flavor_extra_specs;
pub mod flavors;
mod held;
pub mod hypervisors;
pub mod instance_actions;
pub mod limits;
pub mod live_migration;
pub mod locks;
pub mod migrations;
mod new_migration;
mod paging;
pub mod power;
mod preconditions;
pub mod quotas;
pub mod reset_state;
pub mod resize;
pub mod server_groups;
pub mod server_migrations;
pub mod server_parts;
pub mod servers;
pub mod services;
pub mod tenant_usage;
pub mod versions;
pub mod volume_attachments;

// What nearly every one of them needs.
use crate::nova::call::Call;
use crate::nova::error::ApiError;
use crate::nova::microversion::milestone;
use crate::nova::reply::Reply;
use crate::nova::routes::Answer;
use crate::nova::rules;
