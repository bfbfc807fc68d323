//! Projects, users and the domain, for clients that turn names into ids.

use actix_web::web::{self, Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::DevelopmentIdentity;
use super::auth::bearer;
use super::directory::{DOMAIN, PROJECTS, Project, USERS, User, project_with_id, user_with_id};
use super::reply;
use crate::query::Query;

pub(super) fn mount(identity: &mut ServiceConfig) {
    identity
        .route("/v3/projects", web::get().to(projects))
        .route("/v3/projects/{id}", web::get().to(project))
        .route("/v3/users", web::get().to(users))
        .route("/v3/users/{id}", web::get().to(user))
        .route("/v3/domains", web::get().to(domains))
        .route("/v3/domains/{id}", web::get().to(domain));
}

pub(super) fn project_document(project: Project) -> Value {
    json!({
        "id": project.id(),
        "name": project.name,
        "domain_id": DOMAIN.id,
        "parent_id": DOMAIN.id,
        "description": "",
        "enabled": true,
        "is_domain": false,
        "options": {},
        "tags": [],
        "links": {},
    })
}

fn user_document(user: User) -> Value {
    json!({
        "id": user.id(),
        "name": user.name,
        "domain_id": DOMAIN.id,
        "default_project_id": user.project.id(),
        "enabled": true,
        "options": {},
        "password_expires_at": null,
        "links": {},
    })
}

fn domain_document() -> Value {
    json!({ "id": DOMAIN.id, "name": DOMAIN.name, "description": "", "enabled": true, "links": {} })
}

async fn projects(request: HttpRequest, identity: Data<DevelopmentIdentity>) -> HttpResponse {
    let all = PROJECTS.map(project_document);
    list(&request, &identity, "projects", &all)
}

async fn users(request: HttpRequest, identity: Data<DevelopmentIdentity>) -> HttpResponse {
    let all = USERS.map(user_document);
    list(&request, &identity, "users", &all)
}

async fn domains(request: HttpRequest, identity: Data<DevelopmentIdentity>) -> HttpResponse {
    list(&request, &identity, "domains", &[domain_document()])
}

async fn project(
    request: HttpRequest,
    id: Path<String>,
    identity: Data<DevelopmentIdentity>,
) -> HttpResponse {
    one(
        &request,
        &identity,
        "project",
        &id,
        project_with_id(&id).map(project_document),
    )
}

async fn user(
    request: HttpRequest,
    id: Path<String>,
    identity: Data<DevelopmentIdentity>,
) -> HttpResponse {
    one(
        &request,
        &identity,
        "user",
        &id,
        user_with_id(&id).map(user_document),
    )
}

async fn domain(
    request: HttpRequest,
    id: Path<String>,
    identity: Data<DevelopmentIdentity>,
) -> HttpResponse {
    one(
        &request,
        &identity,
        "domain",
        &id,
        (*id == DOMAIN.id).then(domain_document),
    )
}

/// Those of `all` that have the name asked for.
fn list(
    request: &HttpRequest,
    identity: &DevelopmentIdentity,
    kind: &str,
    all: &[Value],
) -> HttpResponse {
    if bearer(request, identity).is_none() {
        return reply::unauthorized();
    }
    let Ok(query) = Query::parse(request.query_string()) else {
        return reply::bad_request("The query is not UTF-8.");
    };
    let name = query.last("name");
    let fits = |item: &&Value| name.is_none_or(|name| item["name"] == name);
    let found: Vec<_> = all.iter().filter(fits).collect();
    HttpResponse::Ok().json(json!({ kind: found, "links": { "next": null } }))
}

fn one(
    request: &HttpRequest,
    identity: &DevelopmentIdentity,
    kind: &str,
    id: &str,
    found: Option<Value>,
) -> HttpResponse {
    if bearer(request, identity).is_none() {
        return reply::unauthorized();
    }
    match found {
        Some(document) => HttpResponse::Ok().json(json!({ kind: document })),
        None => reply::not_found(&format!("{kind}: {id}")),
    }
}
