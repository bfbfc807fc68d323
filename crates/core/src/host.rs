//! A host: what may be placed on it, and its maintenance.

pub mod allocation;
pub mod maintenance;
