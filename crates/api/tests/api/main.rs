//! The API over HTTP, on a store of its own.
//!
//! A test makes a [`world::World`]: a served API on a real SQLite database, with rows as they
//! are needed and tokens for everybody who might ask.

mod answers;
mod seed;
mod world;

mod authentication;
mod development_identity;
mod discovery;
mod flavors;
mod force_and_abort;
mod live_migration;
mod logs;
mod migration_pages;
mod migrations;
mod observability;
mod order_of_checks;
mod policy;
mod random_requests;
mod reference;
mod remote_policy;
mod server_lists;
mod server_migrations;
mod servers;
