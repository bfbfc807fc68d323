//! An [`Agent`] on the wire.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::BoxStream;
use tonic::{Request, Response, Status};

use super::Agent;
use super::verbs::for_each_verb;
use crate::convert::{Native, parsed};
use crate::gate::Gate;
use crate::identity::Role;
use crate::proto::agent_server::AgentServer as Wire;
use crate::refusal::Refusal;
use crate::transport::{LARGEST_MESSAGE, Service};
use crate::version::Speaks;
use crate::{command, facts, proto};

/// Serves an agent. Only conductors get through.
#[derive(Debug)]
pub struct AgentServer<A> {
    agent: Arc<A>,
    speaks: Speaks,
}

impl<A: Agent> AgentServer<A> {
    /// What [`crate::transport::serve`] serves.
    pub fn service(agent: Arc<A>, speaks: Speaks) -> Service {
        let gate = Gate {
            role: Role::Conductor,
            speaks: speaks.clone(),
        };
        let wire = Wire::new(Self { agent, speaks })
            .max_decoding_message_size(LARGEST_MESSAGE)
            .max_encoding_message_size(LARGEST_MESSAGE);
        Service::guarded(wire, gate)
    }
}

type Reply<T> = Result<Response<T>, Status>;

/// Understands the message, calls, renders the answer.
async fn relay<Q: Native, A: Native, F: Future<Output = Result<A, Refusal>>>(
    request: Request<Q::Wire>,
    call: impl FnOnce(Q) -> F,
) -> Reply<A::Wire> {
    let message = Q::from_wire(request.into_inner())?;
    Ok(Response::new(call(message).await?.to_wire()))
}

macro_rules! serve_verbs {
    ($(
        $(#[$doc:meta])*
        $verb:ident($($request:ident: $Request:ty)?) -> $Reply:ty, $deadline:ident, since ($major:literal, $minor:literal);
    )+) => {
        #[expect(unused_parens, reason = "the request of a verb that has none is ()")]
        #[tonic::async_trait]
        impl<A: Agent> proto::agent_server::Agent for AgentServer<A> {
            async fn hello(&self, _: Request<proto::HelloRequest>) -> Reply<proto::HelloReply> {
                Ok(Response::new(self.speaks.clone().into()))
            }

            $(
                async fn $verb(
                    &self,
                    request: Request<<($($Request)?) as Native>::Wire>,
                ) -> Reply<<$Reply as Native>::Wire> {
                    relay(request, |($($request)?): ($($Request)?)| self.agent.$verb($($request)?))
                        .await
                }
            )+

            type WatchStream = BoxStream<'static, Result<proto::WatchEvent, Status>>;

            async fn watch(&self, request: Request<proto::Watch>) -> Reply<Self::WatchStream> {
                let watch = request.into_inner();
                let migration = parsed("migration", &watch.migration)?;
                let server = parsed("server", &watch.server)?;
                let events = self.agent.watch(migration, server).await?;
                Ok(Response::new(events.map(|event| Ok(event.to_wire())).boxed()))
            }
        }
    };
}

for_each_verb!(serve_verbs);
