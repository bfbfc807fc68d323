//! Bodies with a few fields: which there are, and everything that is wrong with them at once.

use serde_json::{Map, Value};

use super::problem::{InputError, Problem};

/// The fields of a body that is an object; `known` are those that it may have.
///
/// # Errors
/// `invalid-input` where it is something else, or has others.
pub(super) fn members<'a>(
    body: &'a Value,
    known: &[&str],
) -> Result<&'a Map<String, Value>, Problem> {
    let fields = Fields::of(body, known)?;
    let members = fields.members;
    fields.done()?;
    Ok(members)
}

/// A body whose fields are being read.
pub(super) struct Fields<'a> {
    members: &'a Map<String, Value>,
    errors: Vec<InputError>,
}

impl<'a> Fields<'a> {
    /// A body that is an object; `known` are the fields that it may have.
    ///
    /// # Errors
    /// `invalid-input` where it is something else. Fields that nobody knows are told at the end.
    pub(super) fn of(body: &'a Value, known: &[&str]) -> Result<Self, Problem> {
        let Value::Object(members) = body else {
            return Err(Problem::input("#", "It is an object."));
        };
        let mut fields = Self {
            members,
            errors: Vec::new(),
        };
        for name in members
            .keys()
            .filter(|name| !known.contains(&name.as_str()))
        {
            let detail = format!("There is no such field; there are {}.", known.join(", "));
            fields.wrong(name, &detail);
        }
        Ok(fields)
    }

    /// A text, if that is what the field is.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.members.get(name).and_then(Value::as_str)
    }

    /// A text, or nothing; anything else is wrong.
    pub(super) fn text_or_null(&mut self, name: &str) -> Option<&'a str> {
        match self.members.get(name) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text),
            Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                self.wrong(name, "It is text or null.");
                None
            }
        }
    }

    pub(super) fn wrong(&mut self, name: &str, detail: &str) {
        let name = name.replace('~', "~0").replace('/', "~1");
        self.errors.push(InputError {
            pointer: format!("#/{name}"),
            detail: detail.to_owned(),
        });
    }

    pub(super) fn is_wrong(&self, name: &str) -> bool {
        let pointer = format!("#/{name}");
        self.errors.iter().any(|error| error.pointer == pointer)
    }

    /// # Errors
    /// `invalid-input` with all that is wrong.
    pub(super) fn done(self) -> Result<(), Problem> {
        match self.errors.is_empty() {
            true => Ok(()),
            false => Err(Problem::inputs(self.errors)),
        }
    }
}
