//! What Keystone says of a token.

use chrono::{DateTime, Utc};
use godwit_policy::Identity;
use serde::Deserialize;

use crate::http::auth::Principal;

/// The answer to the validation of a token, and to a login.
#[derive(Deserialize)]
pub(super) struct Document {
    pub(super) token: Token,
}

/// A token. What is not read here is there too, and none of our business.
#[derive(Deserialize)]
pub(super) struct Token {
    pub(super) expires_at: DateTime<Utc>,
    pub(super) issued_at: DateTime<Utc>,
    user: InDomain,
    project: Option<InDomain>,
    domain: Option<Named>,
    system: Option<System>,
    #[serde(default)]
    roles: Vec<Role>,
    /// Absent where nobody configured a project for administration.
    is_admin_project: Option<bool>,
}

#[derive(Deserialize)]
struct InDomain {
    id: String,
    domain: Named,
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

#[derive(Deserialize)]
struct Role {
    name: String,
}

#[derive(Deserialize)]
struct System {
    #[serde(default)]
    all: bool,
}

impl From<Token> for Principal {
    fn from(token: Token) -> Self {
        let (project_id, project_domain_id) = token
            .project
            .map(|project| (project.id, project.domain.id))
            .unzip();
        let system = token.system.filter(|system| system.all);
        let identity = Identity {
            user_id: Some(token.user.id),
            user_domain_id: Some(token.user.domain.id),
            project_id,
            project_domain_id,
            domain_id: token.domain.map(|domain| domain.id),
            system_scope: system.map(|_| "all".to_owned()),
            roles: token.roles.into_iter().map(|role| role.name).collect(),
            is_admin_project: token.is_admin_project.unwrap_or(true),
            ..Identity::default()
        };
        Self::new(identity, token.expires_at.into(), None)
    }
}
