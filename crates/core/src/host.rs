//! Hosts: where they belong, whether anything is put on them, and what is told of them.

pub mod event;
pub mod management;
pub mod scope;
