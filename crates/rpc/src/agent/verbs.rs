//! What agents are told. Each verb is declared here, once: its request, its reply, how long it may
//! take ([`crate::Deadlines`]), and since which version of the protocol it is understood. From
//! this table follow the trait that agents implement, the calls of [`super::AgentClient`], and
//! what [`super::AgentServer`] serves. Only [`Agent::watch`], whose reply is a stream, is written
//! out in all three places.

use async_trait::async_trait;
use futures::stream::BoxStream;
use godwit_core::ids::{MigrationUuid, ServerUuid};

use crate::progress::WatchEvent;
use crate::refusal::Refusal;
use crate::{command, facts};

macro_rules! for_each_verb {
    ($render:ident) => {
        $render! {
            /// The host, without its domains: cheap.
            facts() -> facts::HostFacts, brief, since (2, 0);

            /// The host and its domains, looked at now.
            inventory() -> facts::Inventory, inquiry, since (2, 0);

            /// Source: may the guest leave? Changes nothing.
            check_source(check: command::CheckSource) -> command::Movable, inquiry, since (2, 0);

            /// Destination: may the guest come? Changes nothing.
            check_destination(check: command::CheckDestination) -> (), inquiry, since (2, 0);

            /// Destination: could the guest be started here from its definition? Changes nothing.
            check_boot(check: command::CheckBoot) -> (), inquiry, since (2, 0);

            /// Destination: make ready; answers when it is, with what the source has to know.
            /// [`Refusal::Failed`] is final.
            prepare(prepare: command::Prepare) -> command::Receiver, work, since (2, 0);

            /// Source: begin; answers when the job runs, or has ended already. Failures of the
            /// move are its outcome, to be had by watching; [`Refusal::Failed`] means it never
            /// began.
            start(start: command::Start) -> (), work, since (2, 0);

            /// Source: give up. Answers when the hypervisor took it; the outcome is told as any
            /// other. Before `start`, nothing will ever start, and the outcome is "cancelled" at
            /// once.
            abort(command: command::Command) -> (), command, since (2, 0);

            /// Source: get it over with, by the means the host permits.
            force_complete(command: command::Command) -> command::ForceMeans, command, since (2, 0);

            /// Destination: confirm that the guest executes here and will survive a reboot of the
            /// host. Source: remove what is left over.
            finish(command: command::Command) -> (), work, since (2, 0);

            /// Destination: remove what a move left that never executed. Source: confirm that the
            /// guest is as it was.
            roll_back(roll_back: command::RollBack) -> (), work, since (2, 0);

            /// Destination: define the guest and, where asked to, start it; answers when it
            /// executes. [`Refusal::Failed`]: it does not, and nothing will start it.
            boot(boot: command::Boot) -> (), work, since (2, 0);

            /// Either side: power the guest off, forget it, and remove what the migration made
            /// here; shared disks stay. Answers when the guest is gone. [`Refusal::Failed`] where
            /// it cannot be proven that this guest is the one to give up; then nothing was done.
            withdraw(withdraw: command::Withdraw) -> (), work, since (2, 0);

            /// The server's host: power it off, on, or off and on; answers when it is done, or
            /// when it is certain that it does not work. Repeated, a reboot is not done twice.
            power(power: command::Power) -> command::Powered, work, since (2, 0);
        }
    };
}
pub(super) use for_each_verb;

macro_rules! agent_trait {
    ($(
        $(#[$doc:meta])*
        $verb:ident($($request:ident: $Request:ty)?) -> $Reply:ty, $deadline:ident, since ($major:literal, $minor:literal);
    )+) => {
        /// What an agent does when a conductor asks. [`super::AgentServer`] puts it on the wire,
        /// and only conductors get through to it.
        ///
        /// Every command is idempotent by its migration (or server) and
        /// [`crate::command::Rank`]: it may arrive again, also after the agent was restarted, and
        /// then answers as it did or would have. An older one is refused with [`Refusal::Stale`].
        #[async_trait]
        pub trait Agent: Send + Sync + 'static {
            $(
                $(#[$doc])*
                async fn $verb(&self $(, $request: $Request)?) -> Result<$Reply, Refusal>;
            )+

            /// Source: follow a move to its end.
            async fn watch(
                &self,
                migration: MigrationUuid,
                server: ServerUuid,
            ) -> Result<BoxStream<'static, WatchEvent>, Refusal>;
        }
    };
}

for_each_verb!(agent_trait);
