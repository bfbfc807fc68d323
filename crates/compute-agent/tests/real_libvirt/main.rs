//! The libvirt driver on real hosts and guests.
#![cfg(feature = "libvirt")]

mod hosts;
mod scene;

mod faults;
mod killed_agent;
mod moves;
mod powered;
mod real_conformance;
mod refusals;
mod rehosted;
mod steered;
