//! What a token is good for: the whole system, a domain or a project.

use std::fmt;

use serde_json::{Map, Value};

/// The scope of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The deployment as a whole.
    System,
    /// One domain.
    Domain,
    /// One project. A token without any scope counts as this.
    Project,
}

impl Scope {
    /// The scope's name in policy files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Domain => "domain",
            Self::Project => "project",
        }
    }

    pub(crate) fn of(credentials: &Map<String, Value>) -> Self {
        let has = |key: &str| credentials.get(key).is_some_and(is_truthy);
        if has("system") {
            Self::System
        } else if has("domain_id") {
            Self::Domain
        } else {
            Self::Project
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Python's notion of something rather than nothing.
pub(crate) fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(bit) => *bit,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(entries) => !entries.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Scope;

    #[test]
    fn system_wins_over_domain_wins_over_project() {
        for (credentials, expected) in [
            (json!({}), Scope::Project),
            (json!({"system": null, "domain_id": ""}), Scope::Project),
            (json!({"domain_id": "d", "project_id": "p"}), Scope::Domain),
            (json!({"system": "all", "domain_id": "d"}), Scope::System),
        ] {
            assert_eq!(Scope::of(credentials.as_object().unwrap()), expected);
        }
    }
}
