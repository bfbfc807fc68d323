//! What a token's document says of it.

use serde_json::{Value, json};

use super::catalog::catalog;
use super::directory::{DOMAIN, project_with_id, role_id, user_with_id};
use crate::http::auth::claims::Claims;
use crate::http::links::Base;
use crate::http::timestamps::micros_zulu;

/// `{"token": {…}}`. A token that was issued elsewhere may name users and projects that are
/// not known here; their ids then stand for their names.
pub(super) fn document(claims: &Claims, base: &Base) -> Value {
    let user_id = claims.user().unwrap_or_default();
    let user_name = user_with_id(user_id).map_or(user_id, |user| user.name);
    let time = |at: Option<_>| at.map(micros_zulu);
    let mut token = json!({
        "methods": ["password"],
        "audit_ids": claims.jti.iter().collect::<Vec<_>>(),
        "expires_at": time(claims.expires_at()),
        "issued_at": time(claims.issued_at()),
        "user": {
            "id": user_id,
            "name": user_name,
            "domain": DOMAIN,
            "password_expires_at": null,
        },
    });
    if let Some(id) = &claims.project_id {
        let name = project_with_id(id).map_or(id.as_str(), |project| project.name);
        token["project"] = json!({ "id": id, "name": name, "domain": DOMAIN });
        token["is_domain"] = false.into();
    }
    if claims.system_scope.is_some() {
        token["system"] = json!({ "all": true });
    }
    let role = |name: &String| json!({ "id": role_id(name), "name": name });
    if !claims.roles.is_empty() {
        token["roles"] = claims.roles.iter().map(role).collect();
        token["catalog"] = catalog(base);
    }
    json!({ "token": token })
}
