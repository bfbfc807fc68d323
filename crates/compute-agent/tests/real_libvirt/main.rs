//! The libvirt driver on real hosts and guests.
#![cfg(feature = "libvirt")]

mod hosts;
mod scene;

mod faults;
mod moves;
mod steered;
