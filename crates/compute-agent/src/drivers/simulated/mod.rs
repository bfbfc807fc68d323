//! Hypervisors that exist only in memory: for demonstrations, scale, and faults.
//!
//! All simulated hosts of a process share one [`Fabric`]: who is where, how fast the links are,
//! what shall go wrong. The [`Simulated`] driver of a host looks at it through the same trait as
//! a real one, and the same conformance suite holds both to the same promises.
//!
//! ```text
//!   fleet      what there is: hosts and guests    transfer  pre-copy, as one move sees it
//!   world      where everything is now            faults    what goes wrong, and when
//!   inventory  what hosts report of it            steps     what is done to it
//!   cold       guests that power off here and on elsewhere
//!   power      guests that power off and on where they are
//!   guests     who is on which host               storage   where their disks lie
//!   fabric     the world behind a lock, with a clock      kept      its files
//! ```
//!
//! Time is tokio's, multiplied by the fabric's speed. Nothing runs in the background: whoever
//! looks at the world first brings it up to now, so a test that drives tokio's clock drives every
//! move.
//!
//! A simulated guest proves nothing about a real one; claims about real guests are tested on
//! real hypervisors.

mod cold;
mod driver;
mod fabric;
mod faults;
mod fleet;
mod guests;
mod inventory;
mod kept;
mod power;
mod steps;
mod storage;
mod transfer;
mod world;

pub use driver::Simulated;
pub use fabric::{Fabric, FabricError};
pub use faults::{Fault, Step};
pub use fleet::{Fleet, GuestSpec, HostSpec, Place, PoolSpec, Power};
pub use world::Disturbed;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod tests;
