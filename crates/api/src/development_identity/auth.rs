//! `/v3/auth`: log in, look at a token, take it back.

use std::sync::Arc;

use actix_web::web::{self, Bytes, ServiceConfig};
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

async fn log_in(request: HttpRequest, body: Bytes) -> HttpResponse {
    let identity = DevelopmentIdentity::of(&request);
    let Ok(asked) = serde_json::from_slice::<LogIn>(&body) else {
        return reply::bad_request("Expecting to find valid JSON with `auth.identity` in it.");
    };
    let claims = match asked.grant(identity, identity.clock.now()) {
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

async fn show(request: HttpRequest) -> HttpResponse {
    match subject(&request) {
        Ok((token, claims)) => HttpResponse::Ok()
            .insert_header((SUBJECT, token))
            .json(document(&claims, &base(&request))),
        Err(refusal) => refusal(),
    }
}

async fn revoke(request: HttpRequest) -> HttpResponse {
    match subject(&request) {
        Ok((token, claims)) => {
            let identity = DevelopmentIdentity::of(&request);
            let now = identity.clock.now();
            let until = claims.expires_at().unwrap_or(now);
            identity.revoked.add(TokenHash::of(token), until, now);
            HttpResponse::NoContent().finish()
        }
        Err(refusal) => refusal(),
    }
}

async fn own_catalog(request: HttpRequest) -> HttpResponse {
    match bearer(&request) {
        Some(_) => HttpResponse::Ok().json(json!({ "catalog": catalog::catalog(&base(&request)) })),
        None => reply::unauthorized(),
    }
}

async fn own_projects(request: HttpRequest) -> HttpResponse {
    let Some((_, bearer)) = bearer(&request) else {
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
async fn own_domains(request: HttpRequest) -> HttpResponse {
    if bearer(&request).is_none() {
        return reply::unauthorized();
    }
    HttpResponse::Ok().json(json!({ "domains": [], "links": { "next": null } }))
}

async fn own_systems(request: HttpRequest) -> HttpResponse {
    let Some((_, bearer)) = bearer(&request) else {
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
pub(super) fn bearer(request: &HttpRequest) -> Option<(&str, Arc<Principal>)> {
    let token = request.headers().get("X-Auth-Token")?.to_str().ok()?;
    let verifier = &DevelopmentIdentity::of(request).verifier;
    Some((token, verifier.verify(token).ok()?))
}

/// Is this the token of an administrator?
pub(super) fn is_admin(request: &HttpRequest, token: &str) -> bool {
    let claims = DevelopmentIdentity::of(request).verifier.claims(token);
    claims.is_ok_and(|own| own.roles.iter().any(|it| it == "admin"))
}

/// What is answered instead.
type Refusal = fn() -> HttpResponse;

/// The token that a request is about: one's own, or for administrators anybody's.
fn subject(request: &HttpRequest) -> Result<(&str, Claims), Refusal> {
    let missing: Refusal = || reply::bad_request("X-Subject-Token is missing");
    let unknown: Refusal = || reply::not_found("token");
    let (own, bearer) = bearer(request).ok_or(reply::unauthorized as Refusal)?;
    let subject = request.headers().get(SUBJECT);
    let subject = subject.and_then(|it| it.to_str().ok()).ok_or(missing)?;
    let verifier = &DevelopmentIdentity::of(request).verifier;
    let principal = verifier.verify(subject).map_err(|_| unknown)?;
    if !is_admin(request, own) && principal.user_id != bearer.user_id {
        return Err(reply::forbidden);
    }
    let claims = verifier.claims(subject).map_err(|_| unknown)?;
    Ok((subject, claims))
}
