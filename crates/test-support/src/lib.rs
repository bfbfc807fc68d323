//! What tests share: real parts of their own, ways to wait for them, and one [`fleet`] to talk
//! about.
//!
//! Nothing here stands in for a part of Godwit. A test that needs a database gets a real
//! PostgreSQL, one that needs mTLS gets a real certificate authority, and one that needs
//! hypervisors gets real libvirt daemons. Everything belongs to the test that asked for it and
//! goes away with it, so tests never share a port, a database or a directory.

mod child;
mod directory;
mod process;

pub mod ca;
pub mod clock;
pub mod fleet;
pub mod http;
pub mod keystone;
pub mod oracle;
pub mod ports;
pub mod postgres;
pub mod rabbitmq;
pub mod receiver;
pub mod testbed;
pub mod token;
pub mod wait;

pub use directory::database_directory;
pub use wait::{wait_for, wait_for_blocking};
