//! OpenStack's versioned notifications: what happens to migrations and hosts, told as Nova tells it, so that
//! whoever listens to a Nova (Masakari, Watcher, Ceilometer) can listen to this.
//!
//! ```text
//!   events ──► table ──► payload ──► envelope ──► broker ──► cursor
//!   one log    which     Nova's      oslo.         it has    a row
//!              are told  objects     messaging's   them
//! ```
//!
//! - [`table`]: which event is told as which notifications. Pure, as are
//! - [`payload`] and [`service`], what Nova's samples have in them, and
//! - [`envelope`], what oslo.messaging puts around that.
//! - [`broker`]: the connection to RabbitMQ.
//! - [`publisher`]: the loop, of which one process at a time does something.
//!
//! Decision 20.

#![warn(missing_docs)]

mod address;
mod broker;
mod config;
mod envelope;
#[cfg(test)]
mod fixtures;
mod metrics;
mod payload;
mod publisher;
mod service;
mod sockets;
mod table;

pub use address::SetupError;
pub use broker::{Broker, BrokerError};
pub use config::{Config, Retries, TlsConfig};
pub use publisher::{Parts, Publisher, PublisherError, READER};
