//! What all lists have in common: how long, from where, which fields, and how many in all.

use serde::Serialize;
use serde_json::{Map, Value};

use super::params::{Params, number};
use super::problem::Problem;

/// The keys that a list takes beside its own.
pub const KEYS: [&str; 4] = ["limit", "marker", "fields", "with_total"];

/// Items in an answer where nobody says how many.
pub const LIMIT: i64 = 100;

/// Items in an answer at most.
pub const LIMIT_MAX: i64 = 1_000;

/// Parts of which items consist (operations of plans and runs) in an answer at most, but for those of
/// its last item: a page ends earlier where its items are large.
pub const PARTS_MAX: usize = 1_000;

/// Which part of a list, and what of each item.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page<'a> {
    pub limit: i64,
    /// Where the page before this one ended.
    pub marker: Option<&'a str>,
    /// `None`: all there are.
    fields: Option<Vec<&'a str>>,
    pub with_total: bool,
}

/// How many items an answer may have.
///
/// # Errors
/// `invalid-input`.
pub fn limit(params: &Params) -> Result<i64, Problem> {
    let expected = format!("It is a number from 1 to {LIMIT_MAX}.");
    let limit = params.parse("limit", &expected, |text| {
        number(text).filter(|limit| (1..=LIMIT_MAX).contains(limit))
    })?;
    Ok(limit.unwrap_or(LIMIT))
}

/// A marker that leads nowhere.
pub fn no_place() -> Problem {
    Problem::input("?marker", "It is none that a list gave.")
}

impl<'a> Page<'a> {
    /// What the query says; `known` are the fields that an item has.
    ///
    /// # Errors
    /// `invalid-input`.
    pub fn read(params: &'a Params, known: &[&str]) -> Result<Self, Problem> {
        Ok(Self {
            limit: limit(params)?,
            marker: params.get("marker"),
            fields: fields(params, known)?,
            with_total: params
                .parse("with_total", "It is true or false.", |text| {
                    text.parse::<bool>().ok()
                })?
                .unwrap_or(false),
        })
    }

    /// Where the page before this one ended, as `read` understands its marker.
    ///
    /// # Errors
    /// [`no_place`].
    pub fn after<T>(&self, read: impl FnOnce(&'a str) -> Option<T>) -> Result<Option<T>, Problem> {
        let place = |marker: &'a str| read(marker).ok_or_else(no_place);
        self.marker.map(place).transpose()
    }

    /// Are only some fields wanted?
    pub const fn is_partial(&self) -> bool {
        self.fields.is_some()
    }

    /// Is this field wanted?
    pub fn wants(&self, field: &str) -> bool {
        let fields = self.fields.as_ref();
        fields.is_none_or(|fields| fields.contains(&field))
    }

    /// An item with the fields that are wanted.
    ///
    /// # Errors
    /// A problem when it has no JSON form.
    pub fn select(&self, item: &impl Serialize) -> Result<Value, Problem> {
        let item = serde_json::to_value(item).map_err(Problem::internal)?;
        Ok(match item {
            Value::Object(members) => {
                let wanted = members.into_iter().filter(|(name, _)| self.wants(name));
                Value::Object(wanted.collect::<Map<_, _>>())
            }
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => item,
        })
    }
}

/// The fields that are wanted, if not all of them.
///
/// # Errors
/// `invalid-input`.
fn fields<'a>(params: &'a Params, known: &[&str]) -> Result<Option<Vec<&'a str>>, Problem> {
    let Some(text) = params.get("fields") else {
        return Ok(None);
    };
    let fields: Vec<&str> = text.split(',').collect();
    for (number, field) in fields.iter().enumerate() {
        if !known.contains(field) {
            let detail = format!(
                "There is no field {field:?}; there are {}.",
                known.join(", ")
            );
            return Err(Problem::input("?fields", detail));
        }
        if fields[..number].contains(field) {
            return Err(Problem::input(
                "?fields",
                format!("{field} is there twice."),
            ));
        }
    }
    Ok(Some(fields))
}

/// A list.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct List<T> {
    pub items: Vec<T>,
    /// Where it goes on, if it does.
    pub next: Option<String>,
    /// How many there are in all, where that was asked for.
    pub total: Option<i64>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn params(text: &str) -> Params {
        Params::read(text, &KEYS).unwrap()
    }

    #[test]
    fn what_a_query_may_say() {
        let known = ["a", "b", "c"];
        let nothing = params("");
        let page = Page::read(&nothing, &known).unwrap();
        assert_eq!(
            (page.limit, page.marker, page.with_total),
            (100, None, false)
        );
        assert!(page.wants("a"));
        let some = params("limit=1000&fields=c,a&with_total=true&marker=x");
        let page = Page::read(&some, &known).unwrap();
        assert_eq!(
            (page.limit, page.marker, page.with_total),
            (1_000, Some("x"), true)
        );
        let item = page.select(&json!({"a": 1, "b": 2, "c": null})).unwrap();
        assert_eq!(item, json!({"a": 1, "c": null}));
        for bad in [
            "limit=",
            "limit=0",
            "limit=1001",
            "limit=x",
            "fields=",
            "fields=a,",
            "fields=a,z",
            "fields=a,a",
            "with_total=",
            "with_total=1",
        ] {
            assert!(Page::read(&params(bad), &known).is_err(), "{bad}");
        }
    }
}
