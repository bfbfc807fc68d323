//! An image service without images.

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::discovery::base;
use super::reply;

pub(super) fn mount(image: &mut ServiceConfig) {
    image
        .route("", web::get().to(versions))
        .route("/", web::get().to(versions))
        .route("/versions", web::get().to(versions))
        .route("/v2/images", web::get().to(index))
        .route("/v2/images/{id}", web::get().to(show));
}

async fn versions(request: HttpRequest) -> HttpResponse {
    let href = format!("{}/image/v2/", base(&request));
    HttpResponse::MultipleChoices().json(json!({ "versions": [
        { "id": "v2.0", "status": "CURRENT", "links": [{ "rel": "self", "href": href }] },
    ]}))
}

async fn index() -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "images": [],
        "first": "/v2/images",
        "schema": "/v2/schemas/images",
    }))
}

async fn show(id: web::Path<String>) -> HttpResponse {
    reply::not_found(&format!("image: {id}"))
}
