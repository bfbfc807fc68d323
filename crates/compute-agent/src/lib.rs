//! The service on each hypervisor host.
//!
//! - [`driver`]: what is asked of a hypervisor, and what it must guarantee; [`drivers`] has
//!   them, and [`conformance`] is what each of them has to pass.
//! - [`agent`]: the service around a driver: commands, journal, reports, enrolment.
//! - [`links`]: the networks of the host, as its operator describes them.
//! - [`journal`]: what must not be forgotten.
//! - [`holds`]: moments that tests can hold open.

pub mod agent;
pub mod checks;
pub mod config;
pub mod conformance;
pub mod driver;
pub mod drivers;
pub mod holds;
pub mod journal;
pub mod links;
pub mod metrics;

mod replace;
