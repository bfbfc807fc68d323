//! JSON schemas as data, and the texts of the validator that Nova uses.
//!
//! Only what Nova's schemas on this surface need. Keywords are looked at in the order of
//! [`Schema`]'s fields and the first violation is reported, because that is the order in which
//! Nova's schemas write them and its validator reports; recorded answers depend on it.
//!
//! - [`body`]: what an action's body may be.
//! - [`query`]: which parameters a query may have.

pub mod body;
mod formats;
pub mod query;
mod texts;

pub use formats::{Format, Pattern};

use serde_json::{Map, Value};

/// The types that a value may be of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Type {
    Array,
    Boolean,
    Integer,
    Null,
    Object,
    String,
}

/// One of the values of an enumeration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Literal {
    Boolean(bool),
    Text(&'static str),
}

/// What a value must be like. The default of every field is "anything".
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// One of these types; empty: any.
    pub types: &'static [Type],
    /// One of these values; empty: any.
    pub any_of: &'static [Literal],
    /// As one of these says; empty: there is no choice.
    pub alternatives: &'static [&'static Schema],
    pub min_length: usize,
    pub max_length: usize,
    /// The least number; text that is written as one counts as one.
    pub minimum: Option<i64>,
    pub pattern: Option<Pattern>,
    pub format: Option<Format>,
    pub list: Option<List>,
    /// What the members of an object must be like, in the order in which they are looked at.
    pub properties: &'static [(&'static str, &'static Schema)],
    /// What members of such names must be like, beside `properties`.
    pub pattern_properties: Option<(Pattern, &'static Schema)>,
    /// The members that an object must have.
    pub required: &'static [&'static str],
    /// Has an object no other members than `properties` and `pattern_properties`?
    pub closed: bool,
    /// The members of which an object must have one; empty: none.
    pub required_any: &'static [&'static str],
}

impl Schema {
    pub const ANY: Self = Self {
        types: &[],
        any_of: &[],
        alternatives: &[],
        min_length: 0,
        max_length: usize::MAX,
        minimum: None,
        pattern: None,
        format: None,
        list: None,
        properties: &[],
        pattern_properties: None,
        required: &[],
        closed: false,
        required_any: &[],
    };
}

/// What a list must be like. No two of its items may be equal.
#[derive(Clone, Copy, Debug)]
pub struct List {
    /// What its first item must be like.
    pub first: &'static Schema,
    pub min_items: usize,
    pub max_items: usize,
}

/// The first thing that is wrong with a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// The last element of the path to the value; `None` at the root.
    pub attribute: Option<String>,
    /// The value, as Python's `str()`.
    pub value: String,
    pub detail: String,
}

/// How strictly members that no schema knows are taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Strictness {
    AsWritten,
    /// Unknown members are ignored: the legacy `/v2` endpoint.
    Lenient,
}

/// Looks for the first violation of `schema` in `value`, which stands at `attribute`.
pub fn check(
    schema: &Schema,
    value: &Value,
    attribute: Option<&str>,
    strictness: Strictness,
) -> Result<(), Violation> {
    let violated = |detail: String| {
        Err(Violation {
            attribute: attribute.map(str::to_owned),
            value: crate::nova::python::str_of(value).into_owned(),
            detail,
        })
    };
    // What is said of names stands for itself.
    if let Some(detail) = texts::of_name(schema, value) {
        return Err(Violation {
            attribute: None,
            value: String::new(),
            detail,
        });
    }
    if let Some(detail) = texts::of_value(schema, value) {
        return violated(detail);
    }
    if let (Some(list), Some(first)) = (schema.list, value.get(0)) {
        return check(list.first, first, Some("0"), strictness);
    }
    let fits = |schema: &&Schema| check(schema, value, attribute, strictness).is_ok();
    if !schema.alternatives.is_empty() && !schema.alternatives.iter().any(fits) {
        return violated(texts::no_alternative(value));
    }
    let Value::Object(members) = value else {
        return Ok(());
    };
    for (name, member) in schema.properties {
        if let Some(value) = members.get(*name) {
            check(member, value, Some(name), strictness)?;
        }
    }
    if let Some((pattern, schema)) = schema.pattern_properties {
        for (name, member) in members.iter().filter(|(name, _)| pattern.matches(name)) {
            check(schema, member, Some(name), strictness)?;
        }
    }
    if let Some(missing) = schema
        .required
        .iter()
        .find(|name| !members.contains_key(**name))
    {
        return violated(texts::required(missing));
    }
    if schema.closed && strictness == Strictness::AsWritten {
        check_unknown(schema, members).map_or(Ok(()), violated)?;
    }
    let has = |name: &&str| members.contains_key(*name);
    if !schema.required_any.is_empty() && !schema.required_any.iter().any(has) {
        return violated(texts::no_alternative(value));
    }
    Ok(())
}

/// What is wrong with the members that an object has beside those of its schema.
fn check_unknown(schema: &Schema, members: &Map<String, Value>) -> Option<String> {
    let pattern = schema.pattern_properties.map(|(pattern, _)| pattern);
    let known = |name: &str| {
        schema.properties.iter().any(|(known, _)| *known == name)
            || pattern.is_some_and(|pattern| pattern.matches(name))
    };
    let unknown = members
        .keys()
        .map(String::as_str)
        .filter(|name| !known(name));
    match pattern {
        Some(pattern) => texts::matching_nothing(unknown, pattern.as_str()),
        None => texts::unexpected(unknown),
    }
}
