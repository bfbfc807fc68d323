//! Calling an agent.

use std::sync::Arc;
use std::time::Duration;

use godwit_core::ids::{HostName, MigrationUuid, ServerUuid};
use semver::Version;
use tonic::transport::Channel;
use tonic::{Request, Response, Status, Streaming};

use crate::command::{
    Boot, CheckBoot, CheckDestination, CheckSource, Command, ForceMeans, Movable, MoveKind, Power,
    Powered, Prepare, RollBack, Start, Withdraw,
};
use crate::facts::{HostFacts, Inventory};
use crate::progress::WatchEvent;
use crate::proto;
use crate::proto::agent_client::AgentClient as Wire;
use crate::refusal::{CallError, Refusal};
use crate::session::{Deadlines, Session, call_error, protocol};
use crate::transport::{Address, Expect, LARGEST_MESSAGE, Transport};
use crate::version::{KINDS_SINCE, POWER_SINCE, Speaks};

/// Calls one agent. Cheap to clone; connects when first used, and again whenever the
/// connection broke. The calls are those of [`super::Agent`].
#[derive(Clone, Debug)]
pub struct AgentClient {
    wire: Wire<Channel>,
    session: Arc<Session>,
}

impl AgentClient {
    /// A client of the agent of `host` at `address`. Nothing is sent yet.
    pub fn new(
        transport: &Transport,
        host: &HostName,
        address: Address,
        deadlines: Deadlines,
        speaks: Speaks,
    ) -> Self {
        let expect = Expect::agent(host.as_str());
        let (session, channel) = Session::open(transport, address, expect, deadlines, speaks);
        let wire = Wire::new(channel)
            .max_decoding_message_size(LARGEST_MESSAGE)
            .max_encoding_message_size(LARGEST_MESSAGE);
        let session = Arc::new(session);
        Self { wire, session }
    }

    /// What both sides understand.
    ///
    /// # Errors
    /// [`CallError`], as from every call.
    pub async fn hello(&self) -> Result<Speaks, CallError> {
        let mut wire = self.wire.clone();
        let hello = |request| async move { wire.hello(request).await };
        self.session.greet(hello).await
    }

    /// An agent that knows live moves only would take any move for one.
    async fn understands(&self, kind: MoveKind) -> Result<(), CallError> {
        match kind {
            MoveKind::Live => self.hello().await.map(drop),
            MoveKind::Cold | MoveKind::Evacuation => self.speaks_since(KINDS_SINCE).await,
        }
    }

    async fn speaks_since(&self, needed: Version) -> Result<(), CallError> {
        let agreed = self.hello().await?.version;
        if agreed < needed {
            return Err(CallError::Refused(Refusal::Incompatible {
                ours: agreed,
                theirs: needed,
            }));
        }
        Ok(())
    }

    async fn call<Q, A, F>(
        &self,
        deadline: Duration,
        message: impl Into<Q>,
        send: impl FnOnce(Wire<Channel>, Request<Q>) -> F,
    ) -> Result<A, CallError>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        self.hello().await?;
        let request = self.session.request(message.into(), Some(deadline));
        let sent = send(self.wire.clone(), request);
        self.session.answer(deadline, sent).await
    }

    fn deadlines(&self) -> Deadlines {
        self.session.deadlines
    }

    /// See [`super::Agent::facts`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn facts(&self) -> Result<HostFacts, CallError> {
        let request = proto::FactsRequest {};
        let sent = self.call(
            self.deadlines().brief,
            request,
            async |mut wire, request| wire.facts(request).await,
        );
        sent.await?.try_into().map_err(protocol)
    }

    /// See [`super::Agent::inventory`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn inventory(&self) -> Result<Inventory, CallError> {
        let request = proto::TakeInventoryRequest {};
        let sent = self.call(
            self.deadlines().inquiry,
            request,
            async |mut wire, request| wire.take_inventory(request).await,
        );
        sent.await?.try_into().map_err(protocol)
    }

    /// See [`super::Agent::check_source`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn check_source(&self, check: CheckSource) -> Result<Movable, CallError> {
        self.understands(check.kind).await?;
        let sent = self.call(
            self.deadlines().inquiry,
            check,
            async |mut wire, request| wire.check_source(request).await,
        );
        sent.await?.try_into().map_err(protocol)
    }

    /// See [`super::Agent::check_destination`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn check_destination(&self, check: CheckDestination) -> Result<(), CallError> {
        let sent = self.call(
            self.deadlines().inquiry,
            check,
            async |mut wire, request| wire.check_destination(request).await,
        );
        let proto::CheckDestinationReply {} = sent.await?;
        Ok(())
    }

    /// See [`super::Agent::prepare`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn prepare(&self, prepare: Prepare) -> Result<(), CallError> {
        self.understands(prepare.command.what.kind).await?;
        let sent = self.call(self.deadlines().work, prepare, async |mut wire, request| {
            wire.prepare(request).await
        });
        let proto::PrepareReply {} = sent.await?;
        Ok(())
    }

    /// See [`super::Agent::start`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn start(&self, start: Start) -> Result<(), CallError> {
        self.understands(start.command.what.kind).await?;
        let sent = self.call(self.deadlines().work, start, async |mut wire, request| {
            wire.start(request).await
        });
        let proto::StartReply {} = sent.await?;
        Ok(())
    }

    /// See [`super::Agent::watch`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn watch(
        &self,
        migration: MigrationUuid,
        server: ServerUuid,
    ) -> Result<WatchEvents, CallError> {
        self.hello().await?;
        let watch = proto::WatchRequest {
            migration_uuid: migration.to_string(),
            server_uuid: server.to_string(),
        };
        // No deadline of its own: a move lasts as long as it lasts. Its silence has one.
        let request = self.session.request(watch, None);
        let mut wire = self.wire.clone();
        let opened = self
            .session
            .answer(self.deadlines().command, wire.watch(request));
        Ok(WatchEvents {
            events: opened.await?,
            silence: self.deadlines().silence,
        })
    }

    /// See [`super::Agent::abort`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn abort(&self, command: Command) -> Result<(), CallError> {
        let sent = self.call(
            self.deadlines().command,
            command,
            async |mut wire, request| wire.abort(request).await,
        );
        let proto::AbortReply {} = sent.await?;
        Ok(())
    }

    /// See [`super::Agent::force_complete`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn force_complete(&self, command: Command) -> Result<ForceMeans, CallError> {
        let sent = self.call(
            self.deadlines().command,
            command,
            async |mut wire, request| wire.force_complete(request).await,
        );
        sent.await?.try_into().map_err(protocol)
    }

    /// See [`super::Agent::finish`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn finish(&self, command: Command) -> Result<(), CallError> {
        self.understands(command.what.kind).await?;
        let sent = self.call(self.deadlines().work, command, async |mut wire, request| {
            wire.finish(request).await
        });
        let proto::FinishReply {} = sent.await?;
        Ok(())
    }

    /// See [`super::Agent::roll_back`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn roll_back(&self, roll_back: RollBack) -> Result<(), CallError> {
        self.understands(roll_back.command.what.kind).await?;
        let sent = self.call(
            self.deadlines().work,
            roll_back,
            async |mut wire, request| wire.roll_back(request).await,
        );
        let proto::RollBackReply {} = sent.await?;
        Ok(())
    }

    /// See [`super::Agent::check_boot`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn check_boot(&self, check: CheckBoot) -> Result<(), CallError> {
        self.understands(MoveKind::Evacuation).await?;
        let sent = self.call(
            self.deadlines().inquiry,
            check,
            async |mut wire, request| wire.check_boot(request).await,
        );
        let proto::CheckBootReply {} = sent.await?;
        Ok(())
    }

    /// See [`super::Agent::boot`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn boot(&self, boot: Boot) -> Result<(), CallError> {
        self.understands(boot.command.what.kind).await?;
        let sent = self.call(self.deadlines().work, boot, async |mut wire, request| {
            wire.boot(request).await
        });
        let proto::BootReply {} = sent.await?;
        Ok(())
    }

    /// See [`super::Agent::withdraw`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn withdraw(&self, withdraw: Withdraw) -> Result<(), CallError> {
        self.understands(withdraw.command.what.kind).await?;
        let sent = self.call(
            self.deadlines().work,
            withdraw,
            async |mut wire, request| wire.withdraw(request).await,
        );
        let proto::WithdrawReply {} = sent.await?;
        Ok(())
    }

    /// See [`super::Agent::power`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn power(&self, power: Power) -> Result<Powered, CallError> {
        self.speaks_since(POWER_SINCE).await?;
        let sent = self.call(self.deadlines().work, power, async |mut wire, request| {
            wire.power(request).await
        });
        sent.await?.try_into().map_err(protocol)
    }
}

/// A move being watched.
#[derive(Debug)]
pub struct WatchEvents {
    events: Streaming<proto::WatchEvent>,
    silence: Duration,
}

impl WatchEvents {
    /// The next event; `None` when the agent closed the stream without an end of the move,
    /// which it does when it stops.
    ///
    /// # Errors
    /// [`CallError::Overdue`] when the agent was silent for too long; others when the
    /// connection broke. Either way: watch again.
    pub async fn next(&mut self) -> Result<Option<WatchEvent>, CallError> {
        match tokio::time::timeout(self.silence, self.events.message()).await {
            Ok(Ok(Some(event))) => event.try_into().map(Some).map_err(protocol),
            Ok(Ok(None)) => Ok(None),
            Ok(Err(status)) => Err(call_error(&status, self.silence)),
            Err(_) => Err(CallError::Overdue(self.silence)),
        }
    }
}
