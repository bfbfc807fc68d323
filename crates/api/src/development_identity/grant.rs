//! From what a client says of itself to what it gets: the body of a log-in
//! (`{"auth": {"identity": …, "scope": …}}`).

use godwit_core::time::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::DevelopmentIdentity;
use super::directory::{
    DOMAIN, Project, User, project_named, project_with_id, user_named, user_with_id,
};
use crate::http::auth::claims::Claims;
use crate::http::debug::debug_partly;

#[derive(Debug, Deserialize)]
pub(super) struct LogIn {
    auth: Auth,
}

#[derive(Debug, Deserialize)]
struct Auth {
    identity: Identity,
    #[serde(default)]
    scope: Option<Value>,
}

#[derive(Deserialize)]
struct Identity {
    methods: Vec<String>,
    password: Option<Password>,
    token: Option<Token>,
}

debug_partly!(Identity { methods });

#[derive(Deserialize)]
struct Password {
    user: UserRef,
}

#[derive(Deserialize)]
struct UserRef {
    #[serde(flatten)]
    named: Named,
    password: String,
}

#[derive(Deserialize)]
struct Token {
    id: String,
}

/// Something by its id, or by its name in a domain.
#[derive(Debug, Default, Deserialize)]
struct Named {
    id: Option<String>,
    name: Option<String>,
    domain: Option<DomainRef>,
}

#[derive(Debug, Deserialize)]
struct DomainRef {
    id: Option<String>,
    name: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refused {
    Malformed(&'static str),
    /// Wrong name, wrong password, or no role there.
    Unauthorized,
}

enum Scope {
    Nothing,
    Project(Project),
    System,
}

impl LogIn {
    /// The claims that the client gets.
    pub(super) fn grant(
        &self,
        identity: &DevelopmentIdentity,
        now: Timestamp,
    ) -> Result<Claims, Refused> {
        let (user, until) = self.auth.identity.user(identity, now)?;
        let mut claims = Claims::lasting(now, until);
        claims.sub = Some(user.id());
        claims.user_domain_id = Some(DOMAIN.id.to_owned());
        claims.jti = Some(identity.ids.uuid().simple().to_string());
        match scope(self.auth.scope.as_ref())? {
            Scope::Nothing => {}
            Scope::Project(project) if project == user.project => {
                claims.project_id = Some(project.id());
                claims.project_domain_id = Some(DOMAIN.id.to_owned());
                claims.roles = owned(user.roles);
            }
            Scope::System if !user.system_roles.is_empty() => {
                claims.system_scope = Some("all".to_owned());
                claims.roles = owned(user.system_roles);
            }
            Scope::Project(_) | Scope::System => return Err(Refused::Unauthorized),
        }
        Ok(claims)
    }
}

fn owned(roles: &[&str]) -> Vec<String> {
    roles.iter().map(|role| (*role).to_owned()).collect()
}

impl Identity {
    /// Who it is, and until when a token may last. A token got with a token ends with it.
    fn user(
        &self,
        identity: &DevelopmentIdentity,
        now: Timestamp,
    ) -> Result<(User, Timestamp), Refused> {
        match self.methods.as_slice() {
            [method] if method == "password" => {
                let password = self.password.as_ref();
                let given = &password
                    .ok_or(Refused::Malformed("password is a required property"))?
                    .user;
                let user = given.named.user().ok_or(Refused::Unauthorized)?;
                let right = given.password == user.name;
                let until = now.plus(identity.token_lifetime);
                right.then_some((user, until)).ok_or(Refused::Unauthorized)
            }
            [method] if method == "token" => {
                let token = self.token.as_ref();
                let token = &token
                    .ok_or(Refused::Malformed("token is a required property"))?
                    .id;
                let bearer = identity
                    .verifier
                    .verify(token)
                    .map_err(|_| Refused::Unauthorized)?;
                let user = bearer.user_id.as_deref().and_then(user_with_id);
                Ok((user.ok_or(Refused::Unauthorized)?, bearer.expires_at))
            }
            _ => Err(Refused::Unauthorized),
        }
    }
}

impl Named {
    fn user(&self) -> Option<User> {
        self.find(user_with_id, user_named)
    }

    fn project(&self) -> Option<Project> {
        self.find(project_with_id, project_named)
    }

    fn find<T>(&self, by_id: fn(&str) -> Option<T>, by_name: fn(&str) -> Option<T>) -> Option<T> {
        match (&self.id, &self.name) {
            (Some(id), _) => by_id(id),
            (None, Some(name)) if self.domain.as_ref().is_none_or(DomainRef::is_ours) => {
                by_name(name)
            }
            _ => None,
        }
    }
}

impl DomainRef {
    fn is_ours(&self) -> bool {
        self.id.as_deref().is_none_or(|id| id == DOMAIN.id)
            && self.name.as_deref().is_none_or(|name| name == DOMAIN.name)
    }
}

fn scope(asked: Option<&Value>) -> Result<Scope, Refused> {
    let Some(asked) = asked.filter(|asked| *asked != "unscoped") else {
        return Ok(Scope::Nothing);
    };
    if asked.get("system").is_some() {
        return Ok(Scope::System);
    }
    let Some(project) = asked.get("project") else {
        return Err(Refused::Unauthorized);
    };
    let named = Named::deserialize(project).map_err(|_| Refused::Malformed("invalid scope"))?;
    named
        .project()
        .map(Scope::Project)
        .ok_or(Refused::Unauthorized)
}
