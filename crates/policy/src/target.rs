//! The thing that somebody wants to act on, as rules see it.

use serde_json::{Map, Value};

/// A flat mapping from which `%(key)s` takes its values.
#[derive(Debug, Clone, PartialEq)]
pub struct Target(
    /// Always a JSON object, because `%` may print the target as a whole.
    Value,
);

impl Target {
    /// A target that says nothing: no rule with a substitution can hold for it.
    #[must_use]
    pub fn empty() -> Self {
        Self::from(Map::new())
    }

    /// Something that belongs to a project, such as a server.
    #[must_use]
    pub fn of_project(project_id: Option<&str>) -> Self {
        Self::empty().with("project_id", project_id)
    }

    /// Something that belongs to a project and a user. For what belongs to nobody in particular
    /// these are the caller's own.
    #[must_use]
    pub fn of_owner(project_id: Option<&str>, user_id: Option<&str>) -> Self {
        Self::of_project(project_id).with("user_id", user_id)
    }

    /// The target with one more value.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0[key] = value.into();
        self
    }

    /// The target as JSON: always an object.
    #[must_use]
    pub const fn as_json(&self) -> &Value {
        &self.0
    }
}

impl From<Map<String, Value>> for Target {
    fn from(values: Map<String, Value>) -> Self {
        Self(Value::Object(values))
    }
}
