//! Projects, users and the domain, for clients that turn names into ids.

use actix_web::web::{self, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::auth::{bearer, is_admin};
use super::directory::{
    DOMAIN, PROJECTS, Project, ROLES, USERS, User, project_with_id, role_id, user_with_id,
};
use super::reply;
use crate::http::query::{Query, boolean};

pub(super) fn mount(identity: &mut ServiceConfig) {
    identity
        .route("/v3/projects", web::get().to(projects))
        .route("/v3/projects/{id}", web::get().to(project))
        .route("/v3/users", web::get().to(users))
        .route("/v3/users/{id}", web::get().to(user))
        .route("/v3/users/{id}/projects", web::get().to(projects_of_user))
        .route("/v3/roles", web::get().to(roles))
        .route("/v3/groups", web::get().to(groups))
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

async fn projects(request: HttpRequest) -> HttpResponse {
    list(&request, "projects", &PROJECTS.map(project_document))
}

async fn users(request: HttpRequest) -> HttpResponse {
    list(&request, "users", &USERS.map(user_document))
}

/// One's own project; administrators may ask about everybody.
async fn projects_of_user(request: HttpRequest, id: Path<String>) -> HttpResponse {
    let Some((token, bearer)) = bearer(&request) else {
        return reply::unauthorized();
    };
    if bearer.user_id.as_deref() != Some(id.as_str()) && !is_admin(&request, token) {
        return reply::forbidden();
    }
    match user_with_id(&id) {
        Some(user) => list(&request, "projects", &[project_document(user.project)]),
        None => reply::not_found(&format!("user: {}", *id)),
    }
}

async fn roles(request: HttpRequest) -> HttpResponse {
    let all = ROLES.map(|name| {
        json!({ "id": role_id(name), "name": name, "domain_id": null, "options": {}, "links": {} })
    });
    list(&request, "roles", &all)
}

async fn groups(request: HttpRequest) -> HttpResponse {
    list(&request, "groups", &[])
}

async fn domains(request: HttpRequest) -> HttpResponse {
    list(&request, "domains", &[domain_document()])
}

async fn project(request: HttpRequest, id: Path<String>) -> HttpResponse {
    let found = project_with_id(&id).map(project_document);
    one(&request, "project", &id, found)
}

async fn user(request: HttpRequest, id: Path<String>) -> HttpResponse {
    let found = user_with_id(&id).map(user_document);
    one(&request, "user", &id, found)
}

async fn domain(request: HttpRequest, id: Path<String>) -> HttpResponse {
    let found = (*id == DOMAIN.id).then(domain_document);
    one(&request, "domain", &id, found)
}

/// Those of `all` that are as the query says, as far as it names what they have.
pub(super) fn list(request: &HttpRequest, kind: &str, all: &[Value]) -> HttpResponse {
    if bearer(request).is_none() {
        return reply::unauthorized();
    }
    let Ok(query) = Query::parse(request.query_string()) else {
        return reply::bad_request("The query is not UTF-8.");
    };
    let fits = |item: &&Value| {
        query.pairs().all(|(name, value)| match &item[name] {
            Value::String(text) => text == value,
            Value::Bool(yes) => boolean(value).is_none_or(|asked| asked == *yes),
            Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => true,
        })
    };
    let found: Vec<_> = all.iter().filter(fits).collect();
    HttpResponse::Ok().json(json!({ kind: found, "links": { "next": null } }))
}

pub(super) fn one(
    request: &HttpRequest,
    kind: &str,
    id: &str,
    found: Option<Value>,
) -> HttpResponse {
    if bearer(request).is_none() {
        return reply::unauthorized();
    }
    match found {
        Some(document) => HttpResponse::Ok().json(json!({ kind: document })),
        None => reply::not_found(&format!("{kind}: {id}")),
    }
}
