//! The service on each hypervisor host.

use async_trait::async_trait;
use futures::stream::BoxStream;
use godwit_core::ids::{MigrationUuid, ServerUuid};

use crate::command::{
    Boot, CheckBoot, CheckDestination, CheckSource, Command, ForceMeans, Movable, Power, Powered,
    Prepare, RollBack, Start, Withdraw,
};
use crate::facts::{HostFacts, Inventory};
use crate::progress::WatchEvent;
use crate::refusal::Refusal;

mod client;
mod pool;
mod server;

pub use client::{AgentClient, WatchEvents};
pub use pool::AgentPool;
pub use server::AgentServer;

/// What an agent does when a conductor asks. [`AgentServer`] puts it on the wire, and only
/// conductors get through to it.
///
/// Every command is idempotent by its migration (or server) and [`crate::command::Rank`]: it may arrive
/// again, also after the agent was restarted, and then answers as it did or would have. An
/// older one is refused with [`Refusal::Stale`].
#[async_trait]
pub trait Agent: Send + Sync + 'static {
    /// The host, without its domains: cheap.
    async fn facts(&self) -> Result<HostFacts, Refusal>;

    /// The host and its domains, looked at now.
    async fn inventory(&self) -> Result<Inventory, Refusal>;

    /// Source: may the guest leave? Changes nothing.
    async fn check_source(&self, check: CheckSource) -> Result<Movable, Refusal>;

    /// Destination: may the guest come? Changes nothing.
    async fn check_destination(&self, check: CheckDestination) -> Result<(), Refusal>;

    /// Destination: make ready; answers when it is. [`Refusal::Failed`] is final.
    async fn prepare(&self, prepare: Prepare) -> Result<(), Refusal>;

    /// Destination: could the guest be started here from its definition? Changes nothing.
    async fn check_boot(&self, check: CheckBoot) -> Result<(), Refusal>;

    /// Source: begin; answers when the job runs, or has ended already. Failures of the move
    /// are its outcome, to be had by watching; [`Refusal::Failed`] means it never began.
    async fn start(&self, start: Start) -> Result<(), Refusal>;

    /// Source: follow a move to its end.
    async fn watch(
        &self,
        migration: MigrationUuid,
        server: ServerUuid,
    ) -> Result<BoxStream<'static, WatchEvent>, Refusal>;

    /// Source: give up. Answers when the hypervisor took it; the outcome is told as any other.
    /// Before `start`, nothing will ever start, and the outcome is "cancelled" at once.
    async fn abort(&self, command: Command) -> Result<(), Refusal>;

    /// Source: get it over with, by the means the host permits.
    async fn force_complete(&self, command: Command) -> Result<ForceMeans, Refusal>;

    /// Destination: confirm that the guest executes here and will survive a reboot of the
    /// host. Source: remove what is left over.
    async fn finish(&self, command: Command) -> Result<(), Refusal>;

    /// Destination: remove what a move left that never executed. Source: confirm that the
    /// guest is as it was.
    async fn roll_back(&self, roll_back: RollBack) -> Result<(), Refusal>;

    /// Destination: define the guest and, where asked to, start it; answers when it executes.
    /// [`Refusal::Failed`]: it does not, and nothing will start it.
    async fn boot(&self, boot: Boot) -> Result<(), Refusal>;

    /// Either side: power the guest off, forget it, and remove what the migration made here;
    /// shared disks stay. Answers when the guest is gone. [`Refusal::Failed`] where it cannot
    /// be proven that this guest is the one to give up; then nothing was done.
    async fn withdraw(&self, withdraw: Withdraw) -> Result<(), Refusal>;

    /// The server's host: power it off, on, or off and on; answers when it is done, or when it is
    /// certain that it does not work. Repeated, a reboot is not done twice.
    async fn power(&self, power: Power) -> Result<Powered, Refusal>;
}
