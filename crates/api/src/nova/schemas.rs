//! What requests may say, as data: one file a resource.

pub mod aggregates;
pub mod evacuation;
pub mod flavors;
pub mod hypervisors;
pub mod instance_actions;
pub mod limits;
pub mod live_migration;
pub mod migrations;
pub mod quotas;
pub mod server_actions;
pub mod server_groups;
pub mod server_migrations;
pub mod servers;
pub mod services;
pub mod tenant_usage;
mod values;
pub mod volume_attachments;

// What nearly every query needs.
use crate::nova::microversion::{Microversion, milestone};
use crate::nova::schema::query::{Edition, Parameter, QuerySchema};
