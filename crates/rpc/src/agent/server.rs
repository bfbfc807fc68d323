//! An [`Agent`] on the wire.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::BoxStream;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use super::Agent;
use crate::convert::parsed;
use crate::gate::Gate;
use crate::identity::Role;
use crate::proto;
use crate::proto::agent_server::AgentServer as Wire;
use crate::refusal::Refusal;
use crate::transport::{LARGEST_MESSAGE, Service};
use crate::version::Speaks;

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
        let guarded = tonic::service::interceptor::InterceptedService::new(wire, gate);
        Service(Routes::new(guarded))
    }
}

type Reply<T> = Result<Response<T>, Status>;

/// Understands the message, calls, renders the answer.
async fn relay<W, N, A, F, R>(request: Request<W>, call: impl FnOnce(N) -> F) -> Reply<R>
where
    N: TryFrom<W, Error = Refusal>,
    F: Future<Output = Result<A, Refusal>>,
    R: From<A>,
{
    let message = N::try_from(request.into_inner())?;
    let answer = call(message).await?;
    Ok(Response::new(answer.into()))
}

macro_rules! empty_replies {
    ($($reply:ident),+) => {$(
        impl From<()> for proto::$reply {
            fn from((): ()) -> Self {
                Self {}
            }
        }
    )+};
}

empty_replies!(
    CheckDestinationReply,
    PrepareReply,
    StartReply,
    AbortReply,
    FinishReply,
    RollBackReply,
    CheckBootReply,
    BootReply,
    WithdrawReply
);

#[tonic::async_trait]
impl<A: Agent> proto::agent_server::Agent for AgentServer<A> {
    async fn hello(&self, _: Request<proto::HelloRequest>) -> Reply<proto::HelloReply> {
        Ok(Response::new(self.speaks.clone().into()))
    }

    async fn facts(&self, _: Request<proto::FactsRequest>) -> Reply<proto::HostFacts> {
        Ok(Response::new(self.agent.facts().await?.into()))
    }

    async fn take_inventory(
        &self,
        _: Request<proto::TakeInventoryRequest>,
    ) -> Reply<proto::Inventory> {
        Ok(Response::new(self.agent.inventory().await?.into()))
    }

    async fn check_source(
        &self,
        request: Request<proto::CheckSourceRequest>,
    ) -> Reply<proto::CheckSourceReply> {
        relay(request, |check| self.agent.check_source(check)).await
    }

    async fn check_destination(
        &self,
        request: Request<proto::CheckDestinationRequest>,
    ) -> Reply<proto::CheckDestinationReply> {
        relay(request, |check| self.agent.check_destination(check)).await
    }

    async fn prepare(&self, request: Request<proto::PrepareRequest>) -> Reply<proto::PrepareReply> {
        relay(request, |prepare| self.agent.prepare(prepare)).await
    }

    async fn start(&self, request: Request<proto::StartRequest>) -> Reply<proto::StartReply> {
        relay(request, |start| self.agent.start(start)).await
    }

    type WatchStream = BoxStream<'static, Result<proto::WatchEvent, Status>>;

    async fn watch(&self, request: Request<proto::WatchRequest>) -> Reply<Self::WatchStream> {
        let watch = request.into_inner();
        let migration = parsed("migration_uuid", &watch.migration_uuid)?;
        let server = parsed("server_uuid", &watch.server_uuid)?;
        let events = self.agent.watch(migration, server).await?;
        Ok(Response::new(events.map(|event| Ok(event.into())).boxed()))
    }

    async fn abort(&self, request: Request<proto::AbortRequest>) -> Reply<proto::AbortReply> {
        relay(request, |command| self.agent.abort(command)).await
    }

    async fn force_complete(
        &self,
        request: Request<proto::ForceCompleteRequest>,
    ) -> Reply<proto::ForceCompleteReply> {
        relay(request, |command| self.agent.force_complete(command)).await
    }

    async fn finish(&self, request: Request<proto::FinishRequest>) -> Reply<proto::FinishReply> {
        relay(request, |command| self.agent.finish(command)).await
    }

    async fn roll_back(
        &self,
        request: Request<proto::RollBackRequest>,
    ) -> Reply<proto::RollBackReply> {
        relay(request, |roll_back| self.agent.roll_back(roll_back)).await
    }

    async fn check_boot(
        &self,
        request: Request<proto::CheckBootRequest>,
    ) -> Reply<proto::CheckBootReply> {
        relay(request, |check| self.agent.check_boot(check)).await
    }

    async fn boot(&self, request: Request<proto::BootRequest>) -> Reply<proto::BootReply> {
        relay(request, |boot| self.agent.boot(boot)).await
    }

    async fn withdraw(
        &self,
        request: Request<proto::WithdrawRequest>,
    ) -> Reply<proto::WithdrawReply> {
        relay(request, |withdraw| self.agent.withdraw(withdraw)).await
    }
    async fn power(&self, request: Request<proto::PowerRequest>) -> Reply<proto::PowerReply> {
        relay(request, |power| self.agent.power(power)).await
    }
}
