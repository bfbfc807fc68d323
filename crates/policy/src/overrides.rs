//! What an operator's policy files say.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::parser::{Parsed, parse_list, parse_text};

/// The rules of one or more policy files. They override those rules that they name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    pub(crate) rules: BTreeMap<String, Parsed>,
}

/// A policy file that does not have the shape of one.
///
/// A rule that merely makes no sense in the language is no error: it denies.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOverrides {
    /// The file is something else than a mapping.
    #[error("a policy file must map names of rules to rules")]
    NotAMapping,
    /// A rule is neither a text nor a list of them. In oslo.policy some of these would allow
    /// everyone (null, false), the others would fail every request.
    #[error("policy rule {0} must be a text, or a list of texts and of lists of texts")]
    NotARule(String),
}

impl Overrides {
    /// Reads the contents of one policy file. A file without any contents (null) overrides
    /// nothing.
    pub fn read(contents: &Value) -> Result<Self, InvalidOverrides> {
        let entries = match contents {
            Value::Null => return Ok(Self::default()),
            Value::Object(entries) => entries,
            _ => return Err(InvalidOverrides::NotAMapping),
        };
        let rules = entries
            .iter()
            .map(|(name, rule)| {
                let parsed = match rule {
                    Value::String(text) => Some(parse_text(text)),
                    Value::Array(items) => parse_list(items),
                    _ => None,
                };
                let parsed = parsed.ok_or_else(|| InvalidOverrides::NotARule(name.clone()))?;
                Ok((name.clone(), parsed))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { rules })
    }

    /// Adds the rules of a later file, which win.
    pub fn extend(&mut self, later: Self) {
        self.rules.extend(later.rules);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn later_files_win() {
        let mut first = Overrides::read(&json!({"a": "@", "b": "@"})).unwrap();
        first.extend(Overrides::read(&json!({"b": "!", "c": "!"})).unwrap());
        assert_eq!(
            first,
            Overrides::read(&json!({"a": "@", "b": "!", "c": "!"})).unwrap()
        );
    }

    #[test]
    fn a_file_of_comments_overrides_nothing() {
        assert_eq!(Overrides::read(&Value::Null), Ok(Overrides::default()));
    }

    #[test]
    fn other_shapes_are_refused_by_name() {
        assert_eq!(
            Overrides::read(&json!([])),
            Err(InvalidOverrides::NotAMapping)
        );
        for rule in [
            json!(null),
            json!(false),
            json!(1),
            json!({"a": "@"}),
            json!([7]),
        ] {
            let refused = Overrides::read(&json!({ "a": rule }));
            assert_eq!(refused, Err(InvalidOverrides::NotARule("a".into())));
        }
    }
}
