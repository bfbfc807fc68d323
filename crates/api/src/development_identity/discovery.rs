//! Where clients find the version they speak.

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use crate::http::links::{Base, LinkRules};

pub(super) fn mount(identity: &mut ServiceConfig) {
    identity
        .route("", web::get().to(versions))
        .route("/", web::get().to(versions))
        .route("/v3", web::get().to(version))
        .route("/v3/", web::get().to(version));
}

/// Scheme and host that the client used; it is on this machine.
pub(super) fn base(request: &HttpRequest) -> Base {
    Base::of(request, &LinkRules::default())
}

fn document(request: &HttpRequest) -> Value {
    json!({
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{ "rel": "self", "href": format!("{}/identity/v3/", base(request)) }],
        "media-types": [{
            "base": "application/json",
            "type": "application/vnd.openstack.identity-v3+json",
        }],
    })
}

async fn versions(request: HttpRequest) -> HttpResponse {
    let document = json!({ "versions": { "values": [document(&request)] } });
    HttpResponse::MultipleChoices().json(document)
}

async fn version(request: HttpRequest) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "version": document(&request) }))
}
