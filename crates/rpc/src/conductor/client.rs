//! Calling a conductor.

use std::sync::Arc;

use tonic::transport::Channel;

use crate::enrolment::{Heard, Heartbeat, Registered, Registration, Report};
use crate::proto::conductor_client::ConductorClient as Wire;
use crate::refusal::CallError;
use crate::session::{Deadlines, Session};
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
    pub async fn hello(&self) -> Result<Speaks, CallError> {
        let mut wire = self.wire.clone();
        let hello = |request| async move { wire.hello(request).await };
        self.session.greet(hello).await
    }

    /// See [`super::Conductor::register`].
    pub async fn register(&self, registration: Registration) -> Result<Registered, CallError> {
        self.hello().await?;
        let mut wire = self.wire.clone();
        let send = |request| async move { wire.register(request).await };
        let within = self.session.deadlines.inquiry;
        self.session.call(within, registration, send).await
    }

    /// See [`super::Conductor::heartbeat`].
    pub async fn heartbeat(&self, heartbeat: Heartbeat) -> Result<Heard, CallError> {
        self.hello().await?;
        let mut wire = self.wire.clone();
        let send = |request| async move { wire.heartbeat(request).await };
        let within = self.session.deadlines.brief;
        self.session.call(within, heartbeat, send).await
    }

    /// See [`super::Conductor::report`].
    pub async fn report(&self, report: Report) -> Result<(), CallError> {
        self.hello().await?;
        let mut wire = self.wire.clone();
        let send = |request| async move { wire.report(request).await };
        let within = self.session.deadlines.brief;
        self.session.call(within, report, send).await
    }
}
