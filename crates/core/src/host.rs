//! Hosts: where they belong, and whether anything is put on them.

pub mod scope;
