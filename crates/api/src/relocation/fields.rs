//! Bodies with a few fields: which there are, and everything that is wrong with them at once.

use std::str::FromStr;

use godwit_core::time::Timestamp;
use serde::Deserialize as _;
use serde_json::{Map, Value};

use super::params::words;
use super::problem::{InputError, Problem};

/// The longest reason, in characters, as Nova's schema has it.
const LONGEST_REASON: usize = 255;

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

    /// True or false; anything else is wrong.
    pub(super) fn flag(&mut self, name: &str) -> Option<bool> {
        let flag = self.members.get(name).and_then(Value::as_bool);
        if flag.is_none() {
            self.wrong(name, "It is true or false.");
        }
        flag
    }

    /// Why something is so, if that is said; where it has to be and is not, `missing` is wrong.
    pub(super) fn reason(&mut self, is_needed: bool, missing: &str) -> Option<String> {
        let reason = self.text_or_null("reason").map(str::to_owned);
        let length = reason.as_ref().map_or(1, |reason| reason.chars().count());
        let empty = reason.as_ref().is_some_and(|it| it.trim().is_empty());
        if empty || length > LONGEST_REASON || reason.iter().any(|it| it.contains('\0')) {
            self.wrong("reason", "It has 1 to 255 characters.");
        } else if is_needed && reason.is_none() && !self.is_wrong("reason") {
            self.wrong("reason", missing);
        }
        reason
    }

    /// What `read` finds in a field; null and absence say nothing.
    pub(super) fn read<T>(
        &mut self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Option<T> {
        let value = self.members.get(name).filter(|value| !value.is_null())?;
        let found = read(value);
        if found.is_none() {
            self.wrong(name, expected);
        }
        found
    }

    /// The same of each item of a list, whose items are wrong one by one.
    pub(super) fn list<T>(
        &mut self,
        name: &str,
        expected: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Option<Vec<T>> {
        let items = self.read(name, "It is a list.", |it| it.as_array().cloned())?;
        let mut found = Vec::with_capacity(items.len());
        for (place, item) in items.iter().enumerate() {
            match read(item) {
                Some(item) => found.push(item),
                None => self.errors.push(InputError {
                    pointer: format!("#/{name}/{place}"),
                    detail: expected.to_owned(),
                }),
            }
        }
        Some(found)
    }

    /// One of the words that there are for it.
    pub(super) fn word<T: FromStr + 'static>(
        &mut self,
        name: &str,
        all: &'static [T],
        spelt: impl Fn(&T) -> &'static str,
    ) -> Option<T> {
        let expected = words(all.iter().map(spelt));
        self.read(name, &expected, |it| it.as_str()?.parse().ok())
    }

    pub(super) fn truth(&mut self, name: &str) -> Option<bool> {
        self.read(name, "It is true or false.", Value::as_bool)
    }

    /// A time that is told in RFC 3339.
    pub(super) fn time(&mut self, name: &str) -> Option<Timestamp> {
        self.read(name, "It is a time as RFC 3339 has it.", |it| {
            Timestamp::deserialize(it).ok()
        })
    }

    /// A text of at most so many characters, and of one at least.
    pub(super) fn short_text(&mut self, name: &str, longest: usize) -> Option<String> {
        let expected = format!("It has 1 to {longest} characters.");
        let fits = |text: &&str| {
            let length = text.chars().count();
            (1..=longest).contains(&length) && !text.contains('\0') && !text.trim().is_empty()
        };
        self.read(name, &expected, |it| {
            it.as_str().filter(fits).map(str::to_owned)
        })
    }

    pub(super) fn wrong(&mut self, name: &str, detail: &str) {
        let name = name.replace('~', "~0").replace('/', "~1");
        self.errors.push(InputError {
            pointer: format!("#/{name}"),
            detail: detail.to_owned(),
        });
    }

    fn is_wrong(&self, name: &str) -> bool {
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
