//! The left side of a check that no kind claims, such as the `project_id` of
//! `project_id:%(project_id)s`.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::decision::Fault;
use crate::python::literal::{Reading, read};
use crate::python::text::str_of;

/// What the right side is compared with.
#[derive(Debug)]
pub(crate) enum LeftSide {
    Literal(Box<str>),
    Path(Box<[Box<str>]>),
    /// Python cannot read it: oslo.policy raises when it gets here.
    Unreadable,
}

impl LeftSide {
    pub(crate) fn new(kind: &str) -> Self {
        match read(kind) {
            Reading::Literal(text) => Self::Literal(text.into()),
            Reading::Expression => Self::Path(kind.split('.').map(Into::into).collect()),
            Reading::Unreadable => Self::Unreadable,
        }
    }

    /// Whether this side, looked up in `credentials`, is `right`.
    pub(crate) fn equals(
        &self,
        right: &str,
        credentials: &Map<String, Value>,
    ) -> Result<bool, Fault> {
        match self {
            Self::Literal(text) => Ok(**text == *right),
            Self::Unreadable => Err(Fault::UnreadableLeftSide),
            Self::Path(path) => {
                let Some((first, rest)) = path.split_first() else {
                    return Ok(false);
                };
                credentials
                    .get(&**first)
                    .map_or(Ok(false), |value| holds(value, rest, right))
            }
        }
    }
}

/// Follows `path` from `value`. A list holds what any of its items holds.
fn holds(value: &Value, path: &[Box<str>], right: &str) -> Result<bool, Fault> {
    let Value::Array(items) = value else {
        return leads_to(value, path, right);
    };
    for item in items {
        if leads_to(item, path, right)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Follows `path` from a value that is not, or not again, taken apart as a list.
fn leads_to(value: &Value, path: &[Box<str>], right: &str) -> Result<bool, Fault> {
    let Some((first, rest)) = path.split_first() else {
        return Ok(match str_of(value) {
            Cow::Borrowed(text) => text == right,
            Cow::Owned(text) => text == right,
        });
    };
    let Value::Object(entries) = value else {
        return Err(Fault::NotAMapping);
    };
    entries
        .get(&**first)
        .map_or(Ok(false), |value| holds(value, rest, right))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn equals(left: &str, right: &str) -> Result<bool, Fault> {
        let credentials = json!({
            "user_id": "u",
            "domain_id": null,
            "is_admin_project": true,
            "roles": ["a", "b"],
            "user": {"groups": [{"id": "g1"}, {"id": "g2"}, {}]},
            "nested": [["x"]],
        });
        LeftSide::new(left).equals(right, credentials.as_object().unwrap())
    }

    #[test]
    fn paths_lead_into_the_credentials() {
        for (left, right) in [
            ("user_id", "u"),
            ("domain_id", "None"),
            ("is_admin_project", "True"),
            ("roles", "b"),
            ("user.groups.id", "g2"),
            ("nested", "['x']"),
        ] {
            assert_eq!(equals(left, right), Ok(true), "{left}");
            assert_eq!(equals(left, "other"), Ok(false), "{left}");
        }
        assert_eq!(equals("unknown.path", "None"), Ok(false));
    }

    #[test]
    fn literals_are_compared_as_they_are() {
        assert_eq!(equals("'u'", "u"), Ok(true));
        assert_eq!(equals("True", "True"), Ok(true));
        assert_eq!(equals("1", "u"), Ok(false));
    }

    #[test]
    fn a_path_through_something_without_keys_is_a_fault() {
        for left in ["user_id.x", "domain_id.x", "roles.x", "nested.x"] {
            assert_eq!(equals(left, "u"), Err(Fault::NotAMapping), "{left}");
        }
        assert_eq!(equals("class", "u"), Err(Fault::UnreadableLeftSide));
    }
}
