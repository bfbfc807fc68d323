//! Just enough of Keystone's v3 API for unmodified clients to log in where there is no
//! Keystone: on a developer's machine, and in tests.
//!
//! Users, projects and passwords are fixed and known to everybody ([`directory`]), so it is
//! served on loopback addresses only. Its tokens are signed like any other; what checks them
//! does not know that they came from here. Beside it stands an image service without images,
//! because clients that list servers insist on one.

mod auth;
mod catalog;
mod clouds;
mod directory;
mod discovery;
mod grant;
mod image;
mod lookup;
mod reply;
mod token;

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{Error, HttpRequest};
use godwit_core::time::Clock;

pub use self::clouds::clouds_yaml;
pub use self::directory::{Project, User, project_named, user_named};
use crate::http::auth::jwt::JwtAuthenticator;
use crate::http::auth::revocation::Revocations;
use crate::http::auth::signer::Signer;
use crate::http::debug::debug_partly;
use crate::http::ids::Ids;
use crate::http::observability::HttpMetrics;

pub struct DevelopmentIdentity {
    pub signer: Signer,
    /// Checks them; must trust the signer's public key.
    pub verifier: Arc<JwtAuthenticator>,
    /// Where tokens are taken back; the same that the verifier looks at.
    pub revoked: Arc<Revocations>,
    pub clock: Arc<dyn Clock>,
    /// Makes each token another one.
    pub ids: Arc<dyn Ids>,
    pub token_lifetime: Duration,
    pub metrics: HttpMetrics,
}

debug_partly!(DevelopmentIdentity {});

impl DevelopmentIdentity {
    /// The one that answers `request`.
    fn of(request: &HttpRequest) -> &Self {
        let mounted = request.app_data::<Data<Self>>();
        mounted.expect("requests come here where it is mounted")
    }
}

pub(crate) fn mount(app: &mut ServiceConfig) {
    let identity = web::scope("/identity")
        .wrap(from_fn(count))
        .configure(discovery::mount)
        .configure(auth::mount)
        .configure(catalog::mount)
        .configure(lookup::mount)
        .default_service(web::to(reply::no_such_resource));
    let image = web::scope("/image")
        .wrap(from_fn(count))
        .configure(image::mount)
        .default_service(web::to(reply::no_such_resource));
    app.service(identity).service(image);
}

async fn count(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let begin = Instant::now();
    let metrics = request
        .app_data::<Data<DevelopmentIdentity>>()
        .map(|it| it.metrics.clone());
    let response = next.call(request).await?;
    if let Some(metrics) = metrics {
        let route = response
            .request()
            .match_pattern()
            .unwrap_or_else(|| "other".to_owned());
        let method = response.request().method();
        metrics.observe(&route, method, response.status(), begin.elapsed());
    }
    Ok(response)
}
