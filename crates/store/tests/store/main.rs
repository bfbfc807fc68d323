//! The store on both databases: every case runs on SQLite and on a PostgreSQL of its own.

#[macro_use]
mod bench;

mod begin;
mod cold;
mod concurrency;
mod details;
mod effects;
mod evacuation;
mod events;
mod gather;
mod host_events;
mod hosts;
mod hypervisors;
mod idempotency;
mod import;
mod import_groups;
mod imported;
mod instance_actions;
mod interleavings;
mod invariants;
mod lists;
mod notifications;
mod nova;
mod observation;
mod opening;
mod power;
mod progress;
mod queue;
mod random;
mod random_groups;
mod registry;
mod released;
mod repairs;
mod requesters;
mod restored;
mod retention;
mod schema;
mod scopes;
mod server_groups;
mod server_lists;
mod services;
mod steps;
mod upgrade;
mod webhooks;
mod words;
