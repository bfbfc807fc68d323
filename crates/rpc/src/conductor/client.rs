//! Calling a conductor.

use std::sync::Arc;
use std::time::Duration;

use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use crate::convert::Native;
use crate::enrolment::{Heard, Heartbeat, Registered, Registration, Report};
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
    pub async fn hello(&self) -> Result<Speaks, CallError> {
        let mut wire = self.wire.clone();
        let hello = |request| async move { wire.hello(request).await };
        self.session.greet(hello).await
    }

    async fn call<Q: Native, A: Native, F: Future<Output = Result<Response<A::Wire>, Status>>>(
        &self,
        deadline: Duration,
        message: Q,
        send: impl FnOnce(Wire<Channel>, Request<Q::Wire>) -> F,
    ) -> Result<A, CallError> {
        self.hello().await?;
        let request = self.session.request(message.to_wire(), Some(deadline));
        let sent = send(self.wire.clone(), request);
        A::from_wire(self.session.answer(deadline, sent).await?).map_err(protocol)
    }

    /// See [`super::Conductor::register`].
    pub async fn register(&self, registration: Registration) -> Result<Registered, CallError> {
        let within = self.session.deadlines.inquiry;
        let send = async |mut wire: Wire<Channel>, request| wire.register(request).await;
        self.call(within, registration, send).await
    }

    /// See [`super::Conductor::heartbeat`].
    pub async fn heartbeat(&self, heartbeat: Heartbeat) -> Result<Heard, CallError> {
        let within = self.session.deadlines.brief;
        let send = async |mut wire: Wire<Channel>, request| wire.heartbeat(request).await;
        self.call(within, heartbeat, send).await
    }

    /// See [`super::Conductor::report`].
    pub async fn report(&self, report: Report) -> Result<(), CallError> {
        let within = self.session.deadlines.brief;
        let send = async |mut wire: Wire<Channel>, request| wire.report(request).await;
        self.call(within, report, send).await
    }
}
