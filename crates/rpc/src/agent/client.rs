//! Calling an agent.

use std::sync::Arc;
use std::time::Duration;

use godwit_core::ids::{HostName, MigrationUuid, ServerUuid};
use semver::Version;
use tonic::Streaming;
use tonic::transport::Channel;

use super::verbs::for_each_verb;
use crate::convert::Native;
use crate::progress::WatchEvent;
use crate::proto::agent_client::AgentClient as Wire;
use crate::refusal::CallError;
use crate::session::{Deadlines, Session, call_error, protocol};
use crate::transport::{Address, Expect, LARGEST_MESSAGE, Transport};
use crate::version::{Speaks, require};
use crate::{command, facts, proto};

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
    pub async fn hello(&self) -> Result<Speaks, CallError> {
        let mut wire = self.wire.clone();
        let hello = |request| async move { wire.hello(request).await };
        self.session.greet(hello).await
    }

    /// See [`super::Agent::watch`].
    pub async fn watch(
        &self,
        migration: MigrationUuid,
        server: ServerUuid,
    ) -> Result<WatchEvents, CallError> {
        self.hello().await?;
        let watch = proto::Watch {
            migration: migration.to_string(),
            server: server.to_string(),
        };
        // No deadline of its own: a move lasts as long as it lasts. Its silence has one.
        let request = self.session.request(watch, None);
        let mut wire = self.wire.clone();
        let opened = self
            .session
            .answer(self.session.deadlines.command, wire.watch(request));
        Ok(WatchEvents {
            events: opened.await?,
            silence: self.session.deadlines.silence,
        })
    }
}

macro_rules! client_calls {
    ($(
        $(#[$doc:meta])*
        $verb:ident($($request:ident: $Request:ty)?) -> $Reply:ty, $deadline:ident, since ($major:literal, $minor:literal);
    )+) => {
        impl AgentClient {
            $(
                #[doc = concat!("See [`super::Agent::", stringify!($verb), "`].")]
                pub async fn $verb(&self $(, $request: $Request)?) -> Result<$Reply, CallError> {
                    require(self.hello().await?.version, Version::new($major, $minor, 0))?;
                    let mut wire = self.wire.clone();
                    let send = |request| async move { wire.$verb(request).await };
                    let deadline = self.session.deadlines.$deadline;
                    self.session.call(deadline, ($($request)?), send).await
                }
            )+
        }
    };
}

for_each_verb!(client_calls);

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
            Ok(Ok(Some(event))) => Native::from_wire(event).map(Some).map_err(protocol),
            Ok(Ok(None)) => Ok(None),
            Ok(Err(status)) => Err(call_error(&status, self.silence)),
            Err(_) => Err(CallError::Overdue(self.silence)),
        }
    }
}
