//! The libvirt driver on real hosts and guests.
#![cfg(feature = "libvirt")]

mod fixture;
mod hosts;

mod cold;
mod faults;
mod killed_agent;
mod moves;
mod powered;
mod real_conformance;
mod refusals;
mod tuned;
