//! From a request to the bearer of its token, or to the answer that refuses it.

use std::sync::Arc;

use actix_web::http::header::{self, HeaderMap};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use crate::http::auth::{AuthError, Principal};
use crate::http::links::Base;
use crate::http::state::ApiState;

pub(crate) async fn authenticate(
    request: &HttpRequest,
    state: &ApiState,
) -> Result<Arc<Principal>, HttpResponse> {
    let unauthorized = || {
        let own = || format!("{}/identity", Base::of(request, &state.link_rules));
        let configured = state.www_authenticate_uri.as_deref().map(str::to_owned);
        unauthorized(&configured.unwrap_or_else(own))
    };
    let token = token(request.headers()).ok_or_else(unauthorized)?;
    match state.authenticator.authenticate(token).await {
        Ok(principal) => Ok(principal),
        Err(AuthError::Invalid(reason)) => {
            tracing::info!(%reason, "the request's token is not good");
            Err(unauthorized())
        }
        Err(AuthError::Unavailable(reason)) => {
            tracing::error!(%reason, "tokens cannot be checked");
            Err(tokens_cannot_be_checked())
        }
    }
}

/// The token of a request. Two of them are none: nobody can say which one counts. Clients of the
/// object store call it by another name, and as in Keystone's middleware that is looked at where
/// the usual one is missing.
fn token(headers: &HeaderMap) -> Option<&str> {
    const NAMES: [&str; 2] = ["x-auth-token", "x-storage-token"];
    let name = NAMES.into_iter().find(|name| headers.contains_key(*name))?;
    let mut values = headers.get_all(name);
    let token = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(token)
}

/// No token, or none that is good. Which of the two, and why, is nobody's business.
fn unauthorized(identity: &str) -> HttpResponse {
    let body = json!({ "error": {
        "code": 401,
        "title": "Unauthorized",
        "message": "The request you have made requires authentication.",
    }});
    HttpResponse::Unauthorized()
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .insert_header((
            header::WWW_AUTHENTICATE,
            format!("Keystone uri=\"{identity}\""),
        ))
        .body(body.to_string())
}

/// Nobody can say whether the token is good.
fn tokens_cannot_be_checked() -> HttpResponse {
    let body = json!({ "serviceUnavailable": {
        "code": 503,
        "message": "The identity service cannot be asked, so the request's token cannot be \
                    checked. Try again later.",
    }});
    HttpResponse::ServiceUnavailable()
        .insert_header((header::CONTENT_TYPE, "application/json; charset=UTF-8"))
        .body(body.to_string())
}
