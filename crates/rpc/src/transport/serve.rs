//! Serving until told to stop.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::Server;

use super::Listener;

/// Watchers follow a move for as long as it lasts; stopping does not wait for them longer.
const FAREWELL: Duration = Duration::from_secs(2);

const PING_EVERY: Duration = Duration::from_secs(10);
const PONG_WITHIN: Duration = Duration::from_secs(10);
const STREAMS_PER_CONNECTION: u32 = 1024;

/// What is served.
#[derive(Clone, Debug)]
pub struct Service(pub(crate) Routes);

/// Serving ended otherwise than by being told to.
#[derive(Debug, thiserror::Error)]
#[error("serving failed")]
pub struct ServeError(#[from] tonic::transport::Error);

/// Serves until `stop`, and a moment longer for calls under way.
///
/// # Errors
/// [`ServeError`] when the transport fails as a whole; single connections do not matter.
pub async fn serve(
    listener: Listener,
    service: Service,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    let serving = Server::builder()
        .http2_keepalive_interval(Some(PING_EVERY))
        .http2_keepalive_timeout(Some(PONG_WITHIN))
        .max_concurrent_streams(STREAMS_PER_CONNECTION)
        .add_routes(service.0)
        .serve_with_incoming_shutdown(listener.connections(), stop.clone().cancelled_owned());
    let farewell = async {
        stop.cancelled().await;
        tokio::time::sleep(FAREWELL).await;
    };
    tokio::select! {
        served = serving => Ok(served?),
        () = farewell => Ok(()),
    }
}
