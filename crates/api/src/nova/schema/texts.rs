//! The validator's wording (`contract: http.md §9`).

use serde_json::Value;

use super::{List, Literal, Schema, Type};
use crate::nova::python;

/// What is wrong with the value itself, its members aside.
pub(super) fn of_value(schema: &Schema, value: &Value) -> Option<String> {
    let repr = || python::repr(value);
    if !schema.types.is_empty() && !schema.types.iter().any(|t| is_of(value, *t)) {
        let names = schema.types.iter().map(|t| format!("'{}'", name(*t)));
        return Some(format!(
            "{} is not of type {}",
            repr(),
            python::comma_separated(names)
        ));
    }
    if !schema.any_of.is_empty() && !schema.any_of.iter().any(|literal| equals(value, *literal)) {
        let all = python::comma_separated(schema.any_of.iter().map(|literal| show(*literal)));
        return Some(format!("{} is not one of [{all}]", repr()));
    }
    if let Some(list) = schema.list.filter(|_| value.is_array()) {
        return of_list(list, value);
    }
    of_number(schema, value).or_else(|| of_text(schema, value.as_str()?))
}

fn of_list(list: List, value: &Value) -> Option<String> {
    let items = value.as_array()?;
    let mut rest = items.as_slice();
    while let Some((first, others)) = rest.split_first() {
        if others.contains(first) {
            return Some(format!("{} has non-unique elements", python::repr(value)));
        }
        rest = others;
    }
    if items.len() < list.min_items {
        return Some(format!("{} should be non-empty", python::repr(value)));
    }
    (items.len() > list.max_items).then(|| too_long(&python::repr(value)))
}

fn of_number(schema: &Schema, value: &Value) -> Option<String> {
    let minimum = schema.minimum?;
    let number: f64 = match value {
        Value::String(text) => text.trim().parse().ok()?,
        value => value.as_f64()?,
    };
    #[expect(clippy::cast_precision_loss, reason = "a minimum is small")]
    let too_small = number < minimum as f64;
    too_small.then(|| format!("{number} is less than the minimum of {minimum}"))
}

/// What is wrong with the value as a name, which is said in other words, and before its length.
pub(super) fn of_name(schema: &Schema, value: &Value) -> Option<String> {
    let text = value.as_str()?;
    let format = schema.format.filter(|format| !format.matches(text))?;
    let reason = format.of_names()?;
    Some(format!(
        "An invalid 'name' value was provided. The name must be: {reason}"
    ))
}

pub(super) fn no_alternative(value: &Value) -> String {
    let repr = python::repr(value);
    format!("{repr} is not valid under any of the given schemas")
}

fn of_text(schema: &Schema, text: &str) -> Option<String> {
    let repr = || python::repr_text(text);
    let length = text.chars().count();
    if length < schema.min_length {
        let wrong = if schema.min_length == 1 {
            "should be non-empty"
        } else {
            "is too short"
        };
        return Some(format!("{} {wrong}", repr()));
    }
    if length > schema.max_length {
        return Some(too_long(&repr()));
    }
    if let Some(pattern) = schema.pattern.filter(|pattern| !pattern.matches(text)) {
        return Some(format!("{} does not match '{}'", repr(), pattern.as_str()));
    }
    let format = schema.format.filter(|format| !format.matches(text))?;
    Some(format!("{} is not a '{}'", repr(), format.as_str()))
}

pub(super) fn too_long(repr: &str) -> String {
    format!("{repr} is too long")
}

pub(super) fn required(name: &str) -> String {
    format!("{} is a required property", python::repr_text(name))
}

/// `None` when there are no such names.
pub(super) fn unexpected<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    let (names, several) = sorted(names)?;
    let verb = if several { "were" } else { "was" };
    Some(format!(
        "Additional properties are not allowed ({names} {verb} unexpected)"
    ))
}

/// The same where names of some pattern are allowed as well; `None` when there are no such names.
pub(super) fn matching_nothing<'a>(
    names: impl Iterator<Item = &'a str>,
    pattern: &str,
) -> Option<String> {
    let (names, several) = sorted(names)?;
    let verb = if several { "do" } else { "does" };
    Some(format!(
        "{names} {verb} not match any of the regexes: '{pattern}'"
    ))
}

fn sorted<'a>(names: impl Iterator<Item = &'a str>) -> Option<(String, bool)> {
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names.dedup();
    let all = python::comma_separated(names.iter().map(|name| python::repr_text(name)));
    (!names.is_empty()).then_some((all, names.len() > 1))
}

fn name(of: Type) -> &'static str {
    match of {
        Type::Array => "array",
        Type::Boolean => "boolean",
        Type::Integer => "integer",
        Type::Null => "null",
        Type::Object => "object",
        Type::String => "string",
    }
}

fn is_of(value: &Value, expected: Type) -> bool {
    match expected {
        Type::Array => value.is_array(),
        Type::Boolean => value.is_boolean(),
        Type::Integer => {
            value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0)
        }
        Type::Null => value.is_null(),
        Type::Object => value.is_object(),
        Type::String => value.is_string(),
    }
}

fn equals(value: &Value, literal: Literal) -> bool {
    match literal {
        Literal::Boolean(expected) => value.as_bool() == Some(expected),
        Literal::Text(expected) => value.as_str() == Some(expected),
    }
}

fn show(literal: Literal) -> String {
    match literal {
        Literal::Boolean(true) => "True".to_owned(),
        Literal::Boolean(false) => "False".to_owned(),
        Literal::Text(text) => python::repr_text(text),
    }
}
