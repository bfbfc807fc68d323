//! Serving until told to stop.

use futures::future::BoxFuture;
use std::convert::Infallible;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::service::interceptor::{InterceptedService, ResponseBody};
use tonic::transport::Server;
use tower::util::BoxCloneSyncService;

use super::Listener;
use crate::gate::Gate;

/// Watchers follow a move for as long as it lasts; stopping does not wait for them longer.
const FAREWELL: Duration = Duration::from_secs(2);

const PING_EVERY: Duration = Duration::from_secs(10);
const PONG_WITHIN: Duration = Duration::from_secs(10);
const STREAMS_PER_CONNECTION: u32 = 1024;

/// What is served.
#[derive(Clone, Debug)]
pub struct Service(BoxCloneSyncService<Request<Body>, Response<ResponseBody<Body>>, Infallible>);

impl Service {
    /// What `wire` answers, to whoever `gate` lets through.
    pub(crate) fn guarded<S>(wire: S, gate: Gate) -> Self
    where
        S: tower::Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
        S: Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        let guarded = InterceptedService::new(wire, gate);
        Self(BoxCloneSyncService::new(guarded))
    }
}

/// Serving ended otherwise than by being told to.
#[derive(Debug, thiserror::Error)]
#[error("serving failed")]
pub struct ServeError(#[from] tonic::transport::Error);

/// Serves until `stop`, and a moment longer for calls under way.
///
/// # Errors
/// [`ServeError`] when the transport fails as a whole; single connections do not matter.
pub fn serve(
    listener: Listener,
    service: Service,
    stop: CancellationToken,
) -> BoxFuture<'static, Result<(), ServeError>> {
    // Boxed, it is compiled here and not for each crate that awaits it.
    Box::pin(serve_all(listener, service, stop))
}

async fn serve_all(
    listener: Listener,
    service: Service,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    let serving = Server::builder()
        .http2_keepalive_interval(Some(PING_EVERY))
        .http2_keepalive_timeout(Some(PONG_WITHIN))
        .max_concurrent_streams(STREAMS_PER_CONNECTION)
        .serve_with_incoming_shutdown(
            service.0,
            listener.connections(),
            stop.clone().cancelled_owned(),
        );
    let farewell = async {
        stop.cancelled().await;
        tokio::time::sleep(FAREWELL).await;
    };
    tokio::select! {
        served = serving => Ok(served?),
        () = farewell => Ok(()),
    }
}
