//! Hosts: where they belong, whether anything is put on them, their maintenance, and what is told of
//! them.

pub mod agent;
pub mod event;
pub mod hypervisor;
pub mod link;
pub mod maintenance;
pub mod management;
pub mod scope;
