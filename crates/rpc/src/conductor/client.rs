//! Calling a conductor.

use std::sync::Arc;
use std::time::Duration;

use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use crate::enrolment::{Heard, Heartbeat, Registered, Registration, Report};
use crate::proto;
use crate::proto::conductor_client::ConductorClient as Wire;
use crate::refusal::CallError;
use crate::session::{Deadlines, Session, protocol};
use crate::transport::{Address, Expect, LARGEST_MESSAGE, Transport};
use crate::version::Speaks;

/// Calls one conductor. Cheap to clone; connects when first used, and again whenever the
/// connection broke. The calls are those of [`super::Conductor`].
#[derive(Clone, Debug)]
pub struct ConductorClient {
    wire: Wire<Channel>,
    session: Arc<Session>,
}

impl ConductorClient {
    /// A client of whichever conductor serves at `address`. Nothing is sent yet.
    pub fn new(
        transport: &Transport,
        address: Address,
        deadlines: Deadlines,
        speaks: Speaks,
    ) -> Self {
        let expect = Expect::conductor();
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

    /// See [`super::Conductor::register`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn register(&self, registration: Registration) -> Result<Registered, CallError> {
        let within = self.session.deadlines.inquiry;
        let sent = self.call(within, registration, async |mut wire, request| {
            wire.register(request).await
        });
        sent.await?.try_into().map_err(protocol)
    }

    /// See [`super::Conductor::heartbeat`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn heartbeat(&self, heartbeat: Heartbeat) -> Result<Heard, CallError> {
        let within = self.session.deadlines.brief;
        let sent = self.call(within, heartbeat, async |mut wire, request| {
            wire.heartbeat(request).await
        });
        Ok(sent.await?.into())
    }

    /// See [`super::Conductor::report`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn report(&self, report: Report) -> Result<(), CallError> {
        let within = self.session.deadlines.brief;
        let sent = self.call(within, report, async |mut wire, request| {
            wire.report(request).await
        });
        let proto::ReportReply {} = sent.await?;
        Ok(())
    }
}
