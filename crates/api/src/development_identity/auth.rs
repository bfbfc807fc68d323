//! `/v3/auth`: log in, look at a token, take it back.

use std::sync::Arc;

use actix_web::web::{self, Bytes, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::DevelopmentIdentity;
use super::catalog;
use super::directory::user_with_id;
use super::discovery::base;
use super::grant::{LogIn, Refused};
use super::lookup::project_document;
use super::reply;
use super::token::document;
use crate::http::auth::Principal;
use crate::http::auth::claims::Claims;
use crate::http::auth::revocation::TokenHash;

const SUBJECT: &str = "X-Subject-Token";

pub(super) fn mount(identity: &mut ServiceConfig) {
    let tokens = web::resource("/v3/auth/tokens")
        .route(web::post().to(log_in))
        .route(web::get().to(show))
        .route(web::head().to(show))
        .route(web::delete().to(revoke));
    identity
        .service(tokens)
        .route("/v3/auth/catalog", web::get().to(own_catalog))
        .route("/v3/auth/projects", web::get().to(own_projects))
        .route("/v3/auth/domains", web::get().to(own_domains))
        .route("/v3/auth/system", web::get().to(own_systems));
}

async fn log_in(
    request: HttpRequest,
    body: Bytes,
    identity: Data<DevelopmentIdentity>,
) -> HttpResponse {
    let Ok(asked) = serde_json::from_slice::<LogIn>(&body) else {
        return reply::bad_request("Expecting to find valid JSON with `auth.identity` in it.");
    };
    let claims = match asked.grant(&identity, identity.clock.now()) {
        Ok(claims) => claims,
        Err(Refused::Malformed(why)) => return reply::bad_request(why),
        Err(Refused::Unauthorized) => return reply::unauthorized(),
    };
    match identity.signer.sign(&claims) {
        Ok(token) => HttpResponse::Created()
            .insert_header((SUBJECT, token))
            .json(document(&claims, &base(&request))),
        Err(error) => reply::failed(&error),
    }
}

async fn show(request: HttpRequest, identity: Data<DevelopmentIdentity>) -> HttpResponse {
    match subject(&request, &identity) {
        Ok((token, claims)) => HttpResponse::Ok()
            .insert_header((SUBJECT, token))
            .json(document(&claims, &base(&request))),
        Err(refusal) => refusal.response(),
    }
}

async fn revoke(request: HttpRequest, identity: Data<DevelopmentIdentity>) -> HttpResponse {
    match subject(&request, &identity) {
        Ok((token, claims)) => {
            let now = identity.clock.now();
            let until = claims.expires_at().unwrap_or(now);
            identity.revoked.add(TokenHash::of(&token), until, now);
            HttpResponse::NoContent().finish()
        }
        Err(refusal) => refusal.response(),
    }
}

async fn own_catalog(request: HttpRequest, identity: Data<DevelopmentIdentity>) -> HttpResponse {
    match bearer(&request, &identity) {
        Some(_) => HttpResponse::Ok().json(json!({ "catalog": catalog::catalog(&base(&request)) })),
        None => reply::unauthorized(),
    }
}

async fn own_projects(request: HttpRequest, identity: Data<DevelopmentIdentity>) -> HttpResponse {
    let Some((_, bearer)) = bearer(&request, &identity) else {
        return reply::unauthorized();
    };
    let user = bearer.user_id.as_deref().and_then(user_with_id);
    let projects: Vec<_> = user
        .map(|user| project_document(user.project))
        .into_iter()
        .collect();
    HttpResponse::Ok().json(json!({ "projects": projects, "links": { "next": null } }))
}

/// Nobody has a role in the domain itself.
async fn own_domains(request: HttpRequest, identity: Data<DevelopmentIdentity>) -> HttpResponse {
    if bearer(&request, &identity).is_none() {
        return reply::unauthorized();
    }
    HttpResponse::Ok().json(json!({ "domains": [], "links": { "next": null } }))
}

async fn own_systems(request: HttpRequest, identity: Data<DevelopmentIdentity>) -> HttpResponse {
    let Some((_, bearer)) = bearer(&request, &identity) else {
        return reply::unauthorized();
    };
    let user = bearer.user_id.as_deref().and_then(user_with_id);
    let systems: Vec<_> = user
        .filter(|user| !user.system_roles.is_empty())
        .map(|_| json!({ "all": true }))
        .into_iter()
        .collect();
    HttpResponse::Ok().json(json!({ "system": systems, "links": { "next": null } }))
}

/// The request's own token, and who bears it.
pub(super) fn bearer<'a>(
    request: &'a HttpRequest,
    identity: &DevelopmentIdentity,
) -> Option<(&'a str, Arc<Principal>)> {
    let token = request.headers().get("X-Auth-Token")?.to_str().ok()?;
    Some((token, identity.verifier.verify(token).ok()?))
}

/// Is this the token of an administrator?
pub(super) fn is_admin(identity: &DevelopmentIdentity, token: &str) -> bool {
    let claims = identity.verifier.claims(token);
    claims.is_ok_and(|own| own.roles.iter().any(|it| it == "admin"))
}

/// Why a request about a token is refused.
enum Refusal {
    Unauthorized,
    NoSubject,
    NoSuchToken,
    NotAllowed,
}

impl Refusal {
    fn response(&self) -> HttpResponse {
        match self {
            Self::Unauthorized => reply::unauthorized(),
            Self::NoSubject => reply::bad_request("X-Subject-Token is missing"),
            Self::NoSuchToken => reply::not_found("token"),
            Self::NotAllowed => reply::forbidden(),
        }
    }
}

/// The token that a request is about: one's own, or for administrators anybody's.
fn subject(
    request: &HttpRequest,
    identity: &DevelopmentIdentity,
) -> Result<(String, Claims), Refusal> {
    let (own, bearer) = bearer(request, identity).ok_or(Refusal::Unauthorized)?;
    let subject = request
        .headers()
        .get(SUBJECT)
        .and_then(|it| it.to_str().ok());
    let subject = subject.ok_or(Refusal::NoSubject)?;
    let verifier = &identity.verifier;
    let principal = verifier.verify(subject).map_err(|_| Refusal::NoSuchToken)?;
    if !is_admin(identity, own) && principal.user_id != bearer.user_id {
        return Err(Refusal::NotAllowed);
    }
    let claims = verifier.claims(subject).map_err(|_| Refusal::NoSuchToken)?;
    Ok((subject.to_owned(), claims))
}
