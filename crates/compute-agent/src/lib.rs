//! The service on each hypervisor host.

pub mod checks;
pub mod driver;
pub mod drivers;
pub mod holds;
