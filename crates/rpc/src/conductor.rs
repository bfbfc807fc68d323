//! The service that agents talk to.

use async_trait::async_trait;

use crate::enrolment::{Heard, Heartbeat, Registered, Registration, Report};
use crate::identity::PeerIdentity;
use crate::refusal::Refusal;

mod client;
mod server;

pub use client::ConductorClient;
pub use server::ConductorServer;

/// What a conductor does when an agent calls. [`ConductorServer`] puts it on the wire; only
/// agents get through to it, and each only in the name of its own host.
#[async_trait]
pub trait Conductor: Send + Sync + 'static {
    /// A host enrols, or comes back.
    async fn register(
        &self,
        peer: &PeerIdentity,
        registration: Registration,
    ) -> Result<Registered, Refusal>;

    /// A host is alive.
    async fn heartbeat(&self, peer: &PeerIdentity, heartbeat: Heartbeat) -> Result<Heard, Refusal>;

    /// A move ended. Answers when that is durable; repeated reports are fine.
    /// [`Refusal::UnknownMigration`] and [`Refusal::Forbidden`] make the agent give up.
    async fn report(&self, peer: &PeerIdentity, report: Report) -> Result<(), Refusal>;
}
