//! Keystone's errors.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde_json::json;

fn error(status: StatusCode, message: &str) -> HttpResponse {
    let title = status.canonical_reason().unwrap_or_default();
    HttpResponse::build(status).json(json!({ "error": {
        "code": status.as_u16(),
        "message": message,
        "title": title,
    }}))
}

pub(super) fn unauthorized() -> HttpResponse {
    error(
        StatusCode::UNAUTHORIZED,
        "The request you have made requires authentication.",
    )
}

pub(super) fn bad_request(message: &str) -> HttpResponse {
    error(StatusCode::BAD_REQUEST, message)
}

pub(super) fn forbidden() -> HttpResponse {
    error(
        StatusCode::FORBIDDEN,
        "You are not authorized to perform the requested action.",
    )
}

pub(super) fn not_found(what: &str) -> HttpResponse {
    error(StatusCode::NOT_FOUND, &format!("Could not find {what}."))
}

pub(super) async fn no_such_resource() -> HttpResponse {
    error(StatusCode::NOT_FOUND, "The resource could not be found.")
}

pub(super) fn failed(cause: &dyn std::error::Error) -> HttpResponse {
    tracing::error!(error = %cause, "the development identity failed");
    error(
        StatusCode::INTERNAL_SERVER_ERROR,
        "An unexpected error prevented the server from fulfilling your request.",
    )
}
