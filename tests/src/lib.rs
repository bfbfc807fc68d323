//! All of Godwit on real parts, as system tests and `scripts/real-hosts` bring it up.
//!
//! - [`collector`]: who is sent traces.
//! - [`deployment`]: PostgreSQL, conductors, API and agents around real libvirt hosts.
//! - [`outage`]: a database that does not answer.
//! - [`package`]: the Debian package, and the tree in which it is tried.
//! - [`process`]: one role as a process, to be killed and started again.
//! - [`simulated`]: the same around simulated hosts, where hypervisors are not the point.
//! - [`native`]: the native API, asked directly.
//! - [`notifications`]: who listens to notifications, with oslo.messaging.
//! - [`operator`]: the command line, as an operator uses it.
//! - [`prometheus`]: what scrapes it and evaluates the alert rules.
//! - [`readers`]: many who read events, and are cut off again and again.
//! - [`sdk`]: the unmodified Python clients.
//! - [`shaped`]: a host that is emptied over links of a known speed.
//! - [`upgrade`]: one binary after the other becomes another one, while servers move.
//! - [`story`]: what the database says beyond Nova's API.
//! - [`scene`]: what scenarios have in common: a guest, its story, and the oracle's verdict.

pub mod collector;
pub mod deployment;
pub mod maintained;
pub mod native;
pub mod notifications;
pub mod operator;
pub mod outage;
pub mod package;
pub mod process;
pub mod prometheus;
pub mod readers;
pub mod scene;
pub mod sdk;
pub mod shaped;
pub mod simulated;
pub mod story;
pub mod upgrade;
