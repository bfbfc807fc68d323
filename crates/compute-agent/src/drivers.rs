//! The hypervisors that the agent can drive.

#[cfg(feature = "libvirt")]
pub mod libvirt;
