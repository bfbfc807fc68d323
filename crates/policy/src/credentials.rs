//! Who is asking, as rules see it.

use serde_json::{Map, Value};

use crate::scope::{Scope, is_truthy};

/// What a validated token says of its bearer: the attributes that rules may refer to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the names are the documentation: they are those of the token"
)]
pub struct Identity {
    pub user_id: Option<String>,
    pub user_domain_id: Option<String>,
    pub project_id: Option<String>,
    pub project_domain_id: Option<String>,
    pub domain_id: Option<String>,
    /// `all`, for a token that is good for the whole system.
    pub system_scope: Option<String>,
    pub roles: Vec<String>,
    /// Whether the project is the one for administration; true where nobody configured one.
    pub is_admin_project: bool,
    pub service_user_id: Option<String>,
    pub service_user_domain_id: Option<String>,
    pub service_project_id: Option<String>,
    pub service_project_domain_id: Option<String>,
    pub service_roles: Vec<String>,
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            user_id: None,
            user_domain_id: None,
            project_id: None,
            project_domain_id: None,
            domain_id: None,
            system_scope: None,
            roles: Vec::new(),
            is_admin_project: true,
            service_user_id: None,
            service_user_domain_id: None,
            service_project_id: None,
            service_project_domain_id: None,
            service_roles: Vec::new(),
        }
    }
}

/// Credentials that are not what a token could have said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCredentials {
    /// Not a mapping at all.
    #[error("credentials must be a mapping")]
    NotAMapping,
    /// `roles` is something else than a list of names.
    #[error("roles must be a list of texts")]
    Roles,
    /// `is_admin` is neither true, false nor null.
    #[error("is_admin must be true, false or null")]
    IsAdmin,
}

/// The attributes of whoever is asking, prepared for evaluation.
///
/// An attribute that is null and one that is absent differ: the one compares as `None`, the other
/// equals nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Credentials {
    attributes: Map<String, Value>,
    /// In lower case; `None` when the credentials have no roles at all.
    roles: Option<Vec<String>>,
    scope: Scope,
}

impl Credentials {
    /// Credentials with just the attributes in `value`.
    pub fn from_json(value: Value) -> Result<Self, InvalidCredentials> {
        let Value::Object(mut attributes) = value else {
            return Err(InvalidCredentials::NotAMapping);
        };
        let roles = attributes.get("roles").map(lower_case_roles).transpose()?;
        if !matches!(
            attributes.get("is_admin"),
            None | Some(Value::Null | Value::Bool(_))
        ) {
            return Err(InvalidCredentials::IsAdmin);
        }
        if let Some(system) = attributes
            .get("system_scope")
            .filter(|scope| is_truthy(scope))
            .cloned()
        {
            attributes.insert("system".into(), system);
        }
        let scope = Scope::of(&attributes);
        Ok(Self {
            attributes,
            roles,
            scope,
        })
    }

    /// The credentials with `is_admin` decided, as by
    /// [`Enforcer::is_admin`](crate::Enforcer::is_admin).
    #[must_use]
    pub fn with_is_admin(mut self, is_admin: bool) -> Self {
        self.attributes.insert("is_admin".into(), is_admin.into());
        self
    }

    /// The credentials with `is_admin` open again.
    pub(crate) fn undecided(mut self) -> Self {
        self.attributes.insert("is_admin".into(), Value::Null);
        self
    }

    /// Whether they are an administrator's. `None` until that is decided.
    #[must_use]
    pub fn is_admin(&self) -> Option<bool> {
        self.attributes.get("is_admin")?.as_bool()
    }

    /// The scope of the token behind them.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        self.scope
    }

    /// One attribute, if they have it.
    #[must_use]
    pub fn get(&self, attribute: &str) -> Option<&Value> {
        self.attributes.get(attribute)
    }

    /// All attributes, as remote checks are told them.
    #[must_use]
    pub fn to_json(&self) -> Value {
        Value::Object(self.attributes.clone())
    }

    pub(crate) const fn attributes(&self) -> &Map<String, Value> {
        &self.attributes
    }

    /// Whether `role`, in lower case, is among the roles.
    pub(crate) fn has_role(&self, role: &str) -> bool {
        self.roles
            .as_ref()
            .is_some_and(|roles| roles.iter().any(|own| own == role))
    }

    /// `is_admin` as a check sees it: an attribute that is there, or not.
    pub(crate) fn admin_flag(&self) -> Option<&Value> {
        self.attributes.get("is_admin")
    }
}

impl From<Identity> for Credentials {
    /// Every attribute is there, null where the token says nothing; `is_admin` is not decided.
    fn from(identity: Identity) -> Self {
        let roles = identity
            .roles
            .iter()
            .map(|role| role.to_lowercase())
            .collect();
        let mut attributes = Map::new();
        let mut set = |name: &str, value: Value| attributes.insert(name.to_owned(), value);
        set("user_id", identity.user_id.into());
        set("user_domain_id", identity.user_domain_id.into());
        if let Some(system) = identity
            .system_scope
            .clone()
            .filter(|system| !system.is_empty())
        {
            set("system", system.into());
        }
        set("system_scope", identity.system_scope.into());
        set("domain_id", identity.domain_id.into());
        set("project_id", identity.project_id.into());
        set("project_domain_id", identity.project_domain_id.into());
        set("roles", identity.roles.into());
        set("is_admin_project", identity.is_admin_project.into());
        set("service_user_id", identity.service_user_id.into());
        set(
            "service_user_domain_id",
            identity.service_user_domain_id.into(),
        );
        set("service_project_id", identity.service_project_id.into());
        set(
            "service_project_domain_id",
            identity.service_project_domain_id.into(),
        );
        set("service_roles", identity.service_roles.into());
        set("is_admin", Value::Null);
        let scope = Scope::of(&attributes);
        Self {
            attributes,
            roles: Some(roles),
            scope,
        }
    }
}

fn lower_case_roles(roles: &Value) -> Result<Vec<String>, InvalidCredentials> {
    let roles = roles.as_array().ok_or(InvalidCredentials::Roles)?;
    roles
        .iter()
        .map(|role| {
            role.as_str()
                .map(str::to_lowercase)
                .ok_or(InvalidCredentials::Roles)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_identity_has_every_attribute_of_the_language() {
        let credentials = Credentials::from(Identity::default());
        for attribute in [
            "user_id",
            "user_domain_id",
            "project_id",
            "project_domain_id",
            "domain_id",
            "system_scope",
            "roles",
            "is_admin",
            "is_admin_project",
            "service_user_id",
            "service_user_domain_id",
            "service_project_id",
            "service_project_domain_id",
            "service_roles",
        ] {
            assert!(credentials.get(attribute).is_some(), "{attribute}");
        }
        assert_eq!(credentials.get("system"), None);
        assert_eq!(credentials.scope(), Scope::Project);
        assert_eq!(credentials.is_admin(), None);
    }

    #[test]
    fn a_system_scope_shows_under_both_names() {
        let identity = Identity {
            system_scope: Some("all".into()),
            ..Identity::default()
        };
        let read = Credentials::from_json(json!({"system_scope": "all"})).unwrap();
        for credentials in [Credentials::from(identity), read] {
            assert_eq!(credentials.get("system"), Some(&json!("all")));
            assert_eq!(credentials.scope(), Scope::System);
        }
    }

    #[test]
    fn an_identity_and_its_json_are_the_same_credentials() {
        let identity = Identity {
            roles: vec!["Admin".into()],
            ..Identity::default()
        };
        let credentials = Credentials::from(identity);
        assert!(credentials.has_role("admin"));
        assert_eq!(
            Credentials::from_json(credentials.to_json()),
            Ok(credentials)
        );
    }

    #[test]
    fn wrong_shapes_are_refused() {
        use InvalidCredentials::{IsAdmin, NotAMapping, Roles};
        for (value, error) in [
            (json!([]), NotAMapping),
            (json!({"roles": "admin"}), Roles),
            (json!({"roles": [1]}), Roles),
            (json!({"is_admin": "True"}), IsAdmin),
        ] {
            assert_eq!(Credentials::from_json(value), Err(error));
        }
    }
}
