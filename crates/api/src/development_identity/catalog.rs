//! Which services there are, and where: as tokens carry it, and as administrators look it up.

use actix_web::web::{self, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::discovery::base;
use super::lookup::{list, one};
use crate::http::links::Base;

const REGION: &str = "RegionOne";

/// Types, names, and where below the root. Compute, identity, and an image service.
const SERVICES: [(&str, &str, &str); 3] = [
    ("compute", "nova", "/v2.1"),
    ("identity", "keystone", "/identity"),
    ("image", "glance", "/image"),
];

const INTERFACES: [&str; 3] = ["public", "internal", "admin"];

pub(super) fn mount(identity: &mut ServiceConfig) {
    identity
        .route("/v3/services", web::get().to(services))
        .route("/v3/services/{id}", web::get().to(service))
        .route("/v3/endpoints", web::get().to(endpoints))
        .route("/v3/regions", web::get().to(regions))
        .route("/v3/regions/{id}", web::get().to(region));
}

pub(super) fn catalog(base: &Base) -> Value {
    let entry = |(kind, name, path): (&str, &str, &str)| {
        let endpoints = INTERFACES.map(|interface| {
            json!({
                "id": endpoint_id(kind, interface),
                "interface": interface,
                "region": REGION,
                "region_id": REGION,
                "url": format!("{base}{path}"),
            })
        });
        json!({ "id": kind, "type": kind, "name": name, "endpoints": endpoints })
    };
    SERVICES.map(entry).to_vec().into()
}

fn endpoint_id(kind: &str, interface: &str) -> String {
    format!("{kind}-{interface}")
}

fn service_documents() -> Vec<Value> {
    let document = |(kind, name, _): (&str, &str, &str)| json!({ "id": kind, "type": kind, "name": name, "enabled": true, "links": {} });
    SERVICES.map(document).to_vec()
}

fn endpoint_documents(base: &Base) -> Vec<Value> {
    let of_service = |(kind, _, path): (&'static str, &str, &'static str)| {
        INTERFACES.map(|interface| {
            json!({
                "id": endpoint_id(kind, interface),
                "service_id": kind,
                "interface": interface,
                "region": REGION,
                "region_id": REGION,
                "url": format!("{base}{path}"),
                "enabled": true,
                "links": {},
            })
        })
    };
    SERVICES.into_iter().flat_map(of_service).collect()
}

fn region_document() -> Value {
    json!({ "id": REGION, "description": "", "parent_region_id": null, "links": {} })
}

async fn services(request: HttpRequest) -> HttpResponse {
    list(&request, "services", &service_documents())
}

async fn service(request: HttpRequest, id: Path<String>) -> HttpResponse {
    let found = service_documents().into_iter().find(|it| it["id"] == *id);
    one(&request, "service", &id, found)
}

async fn endpoints(request: HttpRequest) -> HttpResponse {
    list(&request, "endpoints", &endpoint_documents(&base(&request)))
}

async fn regions(request: HttpRequest) -> HttpResponse {
    list(&request, "regions", &[region_document()])
}

async fn region(request: HttpRequest, id: Path<String>) -> HttpResponse {
    let found = (*id == REGION).then(region_document);
    one(&request, "region", &id, found)
}
