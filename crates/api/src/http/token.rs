//! From a request to the bearer of its token, or to why there is none.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;

use crate::http::auth::{AuthError, Principal};
use crate::http::links::Base;
use crate::http::state::ApiState;

/// A request without a bearer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Unauthenticated {
    /// No token, or none that is good. Which of the two, and why, is nobody's business; where
    /// good ones come from is, as the value of `WWW-Authenticate`.
    NoGoodToken(String),
    /// Nobody can say whether the token is good.
    CannotBeChecked,
}

pub(crate) async fn authenticate(
    request: &HttpRequest,
    state: &ApiState,
) -> Result<Arc<Principal>, Unauthenticated> {
    let no_good_token = || {
        let own = || format!("{}/identity", Base::of(request, &state.link_rules));
        let configured = state.www_authenticate_uri.as_deref().map(str::to_owned);
        let identity = configured.unwrap_or_else(own);
        Unauthenticated::NoGoodToken(format!("Keystone uri=\"{identity}\""))
    };
    let token = token(request.headers()).ok_or_else(no_good_token)?;
    match state.authenticator.authenticate(token).await {
        Ok(principal) => Ok(principal),
        Err(AuthError::Invalid(reason)) => {
            tracing::info!(%reason, "the request's token is not good");
            Err(no_good_token())
        }
        Err(AuthError::Unavailable(reason)) => {
            tracing::error!(%reason, "tokens cannot be checked");
            Err(Unauthenticated::CannotBeChecked)
        }
    }
}

/// The token of a request. Two of them are none: nobody can say which one counts. Clients of the
/// object store call it by another name, and as in Keystone's middleware that is looked at where
/// the usual one is missing.
pub(crate) fn token(headers: &HeaderMap) -> Option<&str> {
    const NAMES: [&str; 2] = ["x-auth-token", "x-storage-token"];
    let name = NAMES.into_iter().find(|name| headers.contains_key(*name))?;
    let mut values = headers.get_all(name);
    let token = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(token)
}
