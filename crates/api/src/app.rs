//! Puts the API behind an address.

use std::net::{SocketAddr, TcpListener};

use actix_web::dev::Server;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{App, HttpServer};
use tracing_actix_web::TracingLogger;

use crate::development_identity::{self, DevelopmentIdentity};
use crate::http::request_log::RequestLog;
use crate::http::state::ApiState;
use crate::nova::pipeline;
use crate::relocation;
use crate::relocation::streams::Streams;

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("cannot serve on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    /// The development identity's passwords are known to everybody, and nobody said that it may be
    /// reached from elsewhere.
    #[error("the development identity serves loopback addresses only, and {0} is none")]
    NotLoopback(SocketAddr),
}

/// Serves the API on `listener` until the server is stopped; signals are the caller's. With
/// `identity`, clients can also log in there.
pub fn serve(
    listener: TcpListener,
    state: ApiState,
    identity: Option<DevelopmentIdentity>,
) -> Result<(SocketAddr, Server), ServeError> {
    let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
    let address = listener
        .local_addr()
        .map_err(|error| ServeError::Listen(nowhere, error))?;
    let confined = identity.as_ref().is_some_and(|it| !it.beyond_loopback);
    if confined && !address.ip().is_loopback() {
        return Err(ServeError::NotLoopback(address));
    }
    let config = std::sync::Arc::clone(&state.config);
    let streams = Data::new(Streams::new(state.store.clone()));
    let (state, identity) = (Data::new(state), identity.map(Data::new));
    let app = move || {
        let (state, streams, identity) = (state.clone(), streams.clone(), identity.clone());
        App::new()
            .wrap(TracingLogger::<RequestLog>::new())
            .configure(move |app| mount(app, state, streams, identity))
    };
    let mut server = HttpServer::new(app)
        .client_request_timeout(config.head_timeout)
        .max_connections(config.max_connections)
        .disable_signals();
    if let Some(workers) = config.workers {
        server = server.workers(workers);
    }
    let server = server
        .listen(listener)
        .map_err(|error| ServeError::Listen(address, error))?;
    Ok((address, server.run()))
}

/// Mounts everything below the root: the development identity where there is one, the service's
/// own API, and Nova's at every other path.
pub fn mount(
    app: &mut ServiceConfig,
    state: Data<ApiState>,
    streams: Data<Streams>,
    identity: Option<Data<DevelopmentIdentity>>,
) {
    app.app_data(state);
    app.app_data(streams);
    if let Some(identity) = identity {
        app.app_data(identity);
        app.configure(development_identity::mount);
    }
    let relocation = web::scope(relocation::ROOT);
    app.service(relocation.default_service(web::to(relocation::pipeline::entry)));
    app.default_service(web::to(pipeline::entry));
}
