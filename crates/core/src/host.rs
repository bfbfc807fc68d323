//! Hosts: what happens to them.

pub mod event;
