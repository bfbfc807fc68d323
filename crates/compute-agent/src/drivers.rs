//! The hypervisors that the agent can drive.

pub mod simulated;

#[cfg(feature = "libvirt")]
pub mod libvirt;
