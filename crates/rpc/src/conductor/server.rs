//! A [`Conductor`] on the wire.

use std::sync::Arc;

use godwit_core::ids::HostName;
use tonic::{Request, Response, Status};
use tracing::Instrument as _;

use super::Conductor;
use crate::convert::Native;
use crate::enrolment::{Heartbeat, Registration, Report};
use crate::gate::{Gate, peer_of};
use crate::identity::{PeerIdentity, Role};
use crate::proto;
use crate::proto::conductor_server::ConductorServer as Wire;
use crate::refusal::Refusal;
use crate::trace;
use crate::transport::{LARGEST_MESSAGE, Service};
use crate::version::Speaks;

/// Serves a conductor. Only agents get through, each in the name of its own host.
#[derive(Debug)]
pub struct ConductorServer<C> {
    conductor: Arc<C>,
    speaks: Speaks,
}

impl<C: Conductor> ConductorServer<C> {
    /// What [`crate::transport::serve`] serves.
    pub fn service(conductor: Arc<C>, speaks: Speaks) -> Service {
        let gate = Gate {
            role: Role::Agent,
            speaks: speaks.clone(),
        };
        let wire = Wire::new(Self { conductor, speaks })
            .max_decoding_message_size(LARGEST_MESSAGE)
            .max_encoding_message_size(LARGEST_MESSAGE);
        Service::guarded(wire, gate)
    }
}

type Reply<T> = Result<Response<T>, Status>;

/// The message and its sender, who speaks for the host that the message is about.
fn open<N: Native>(
    request: Request<N::Wire>,
    host: impl FnOnce(&N) -> &HostName,
) -> Result<(PeerIdentity, N), Refusal> {
    let peer = peer_of(&request)?;
    let message = N::from_wire(request.into_inner())?;
    let host = host(&message);
    if host.as_str() == peer.name {
        return Ok((peer, message));
    }
    Err(Refusal::Forbidden(format!(
        "{peer} does not speak for {host}"
    )))
}

#[tonic::async_trait]
impl<C: Conductor> proto::conductor_server::Conductor for ConductorServer<C> {
    async fn hello(&self, _: Request<proto::HelloRequest>) -> Reply<proto::HelloReply> {
        Ok(Response::new(self.speaks.clone().into()))
    }

    async fn register(&self, request: Request<proto::Registration>) -> Reply<proto::Registered> {
        let (peer, registration) = open(request, |r: &Registration| &r.inventory.facts.host)?;
        let registered = self.conductor.register(&peer, registration).await?;
        Ok(Response::new(registered.to_wire()))
    }

    async fn heartbeat(&self, request: Request<proto::Heartbeat>) -> Reply<proto::Heard> {
        let (peer, heartbeat) = open(request, |h: &Heartbeat| &h.host)?;
        if let Some(inventory) = &heartbeat.inventory
            && inventory.facts.host != heartbeat.host
        {
            return Err(Refusal::Forbidden("another host's inventory".to_owned()).into());
        }
        let heard = self.conductor.heartbeat(&peer, heartbeat).await?;
        Ok(Response::new(heard.to_wire()))
    }

    async fn report(&self, request: Request<proto::Report>) -> Reply<proto::Empty> {
        let span = trace::span(&request, "report");
        let (peer, report) = open(request, |r: &Report| &r.host)?;
        let reported = self.conductor.report(&peer, report);
        reported.instrument(span).await?;
        Ok(Response::new(proto::Empty {}))
    }
}
