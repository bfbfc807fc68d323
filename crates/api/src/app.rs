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

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("cannot serve on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    /// The development identity's passwords are known to everybody.
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
    if identity.is_some() && !address.ip().is_loopback() {
        return Err(ServeError::NotLoopback(address));
    }
    let config = std::sync::Arc::clone(&state.config);
    let (state, identity) = (Data::new(state), identity.map(Data::new));
    let app = move || {
        let (state, identity) = (state.clone(), identity.clone());
        App::new()
            .wrap(TracingLogger::<RequestLog>::new())
            .configure(move |app| mount(app, state, identity))
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

/// Mounts everything below the root: the development identity where there is one, and the API
/// at every other path.
pub fn mount(
    app: &mut ServiceConfig,
    state: Data<ApiState>,
    identity: Option<Data<DevelopmentIdentity>>,
) {
    app.app_data(state);
    if let Some(identity) = identity {
        app.app_data(identity);
        app.configure(development_identity::mount);
    }
    app.default_service(web::to(pipeline::entry));
}
