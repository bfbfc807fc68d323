//! `/metrics`, `/healthz/live` and `/healthz/ready`.

use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::header;
use actix_web::web::{self, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use futures::future::BoxFuture;
use godwit_telemetry::exemplars;
use prometheus::{Registry, TextEncoder};

use super::openmetrics;

/// Something that has to work for the process to be of use.
pub type Readiness = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

#[derive(Clone)]
pub struct Observed {
    /// The metrics of all roles in this process.
    pub registry: Registry,
    /// What has to work, by name.
    pub readiness: Vec<(&'static str, Readiness)>,
}

impl fmt::Debug for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.readiness.iter().map(|(name, _)| name).collect();
        f.debug_struct("Observed")
            .field("readiness", &names)
            .finish_non_exhaustive()
    }
}

/// How long a check may take before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(2);

/// Serves on `listener` until stopped. Returns where, and the server: a future to be awaited.
pub fn serve(listener: TcpListener, observed: Observed) -> std::io::Result<(SocketAddr, Server)> {
    let address = listener.local_addr()?;
    let observed = Data::new(observed);
    let app = move || {
        App::new()
            .app_data(observed.clone())
            .route("/metrics", web::get().to(metrics))
            .route("/healthz/live", web::get().to(HttpResponse::Ok))
            .route("/healthz/ready", web::get().to(ready))
    };
    let server = HttpServer::new(app)
        .workers(1)
        .disable_signals()
        .listen(listener)?
        .run();
    Ok((address, server))
}

/// In the older format, for people and whoever does not ask for OpenMetrics.
async fn metrics(observed: Data<Observed>, request: HttpRequest) -> HttpResponse {
    let families = observed.registry.gather();
    let (format, encoded) = if takes_openmetrics(&request) {
        let encoded = openmetrics::encode(&families, exemplars::of);
        let encoded = encoded.map_err(|error| error.to_string());
        (openmetrics::FORMAT, encoded)
    } else {
        let encoded = TextEncoder::new().encode_to_string(&families);
        let encoded = encoded.map_err(|error| error.to_string());
        (prometheus::TEXT_FORMAT, encoded)
    };
    match encoded {
        Ok(text) => HttpResponse::Ok()
            .insert_header((header::CONTENT_TYPE, format))
            .body(text),
        Err(error) => {
            tracing::error!(%error, "the metrics have no text form");
            HttpResponse::InternalServerError().finish()
        }
    }
}

fn takes_openmetrics(request: &HttpRequest) -> bool {
    let name = openmetrics::FORMAT.split(';').next().unwrap_or_default();
    let mut accepted = request.headers().get_all(header::ACCEPT);
    accepted.any(|it| it.to_str().is_ok_and(|it| it.contains(name)))
}

/// 200 when everything works, else 503 with what does not.
async fn ready(observed: Data<Observed>) -> HttpResponse {
    let mut failed = serde_json::Map::new();
    for (name, check) in &observed.readiness {
        let outcome = tokio::time::timeout(PATIENCE, check()).await;
        let outcome = outcome.unwrap_or_else(|_| Err("it takes too long".to_owned()));
        if let Err(reason) = outcome {
            failed.insert((*name).to_owned(), reason.into());
        }
    }
    if failed.is_empty() {
        HttpResponse::Ok().finish()
    } else {
        HttpResponse::ServiceUnavailable().json(failed)
    }
}
