//! The API over HTTP, on a store of its own.
//!
//! A test makes a [`world::World`]: a served API on a real SQLite database, with rows as they
//! are needed and tokens for everybody who might ask.

mod answers;
mod seed;
mod world;

mod access;
mod aggregates;
mod authentication;
mod cold_migration;
mod dashboards;
mod development_identity;
mod discovery;
mod doubts;
mod evacuation;
mod flavors;
mod force_and_abort;
mod hypervisors;
mod instance_actions;
mod limits;
mod live_migration;
mod locks;
mod logs;
mod migration_pages;
mod migrations;
mod observability;
mod order_of_checks;
mod policy;
mod power;
mod random_requests;
mod reference;
mod relocation;
mod remote_policy;
mod reset_state;
mod resize;
mod server_groups;
mod server_lists;
mod server_migrations;
mod servers;
mod services;
