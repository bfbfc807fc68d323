//! How Nova's columns stand in a dump. MySQL and PostgreSQL are dumped differently: what is
//! `1` in one is `true` in the other, and instants come with a `T` or with a space.

use chrono::NaiveDateTime;
use godwit_core::time::Timestamp;
use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};

use crate::columns::instant;

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Flag(pub(super) bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Null(()),
            Word(bool),
            Number(i64),
            Text(String),
        }
        // A soft-deleted row has its own id here, or its uuid.
        Ok(Self(match Form::deserialize(from)? {
            Form::Null(()) => false,
            Form::Word(word) => word,
            Form::Number(number) => number != 0,
            Form::Text(text) => !matches!(text.as_str(), "" | "0" | "f" | "false"),
        }))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Moment(pub(super) Timestamp);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let plain = text.trim_end_matches('Z').replacen('T', " ", 1);
        NaiveDateTime::parse_from_str(&plain, "%Y-%m-%d %H:%M:%S%.f")
            .map(|at| Self(Timestamp::new(at.and_utc())))
            .map_err(|_| D::Error::custom(format!("{text:?} is no instant")))
    }
}

/// As the database takes it in a JSON document.
impl Serialize for Moment {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&instant(self.0))
    }
}

/// The columns that every table of Nova has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub(super) struct Life {
    pub(super) created_at: Option<Moment>,
    pub(super) updated_at: Option<Moment>,
    #[serde(default)]
    deleted_at: Option<Moment>,
    #[serde(default)]
    deleted: Flag,
}

impl Life {
    /// When the row was deleted, if it was.
    pub(super) fn deleted_at(&self) -> Option<Moment> {
        let marked = self
            .deleted
            .0
            .then_some(self.updated_at.or(self.created_at));
        self.deleted_at.or(marked.flatten())
    }

    pub(super) fn is_deleted(&self) -> bool {
        self.deleted.0 || self.deleted_at.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flag(text: &str) -> bool {
        serde_json::from_str::<Flag>(text).unwrap().0
    }

    #[test]
    fn both_kinds_of_database_know_truth() {
        for yes in ["1", "true", "17", r#""0f47e99f""#] {
            assert!(flag(yes), "{yes}");
        }
        for no in ["0", "false", "null", r#""0""#, r#""""#] {
            assert!(!flag(no), "{no}");
        }
    }

    #[test]
    fn both_kinds_of_database_know_time() {
        let moment = |text: &str| serde_json::from_str::<Moment>(text);
        let expected = moment(r#""2026-11-21T07:48:16""#).unwrap();
        for same in [
            r#""2026-11-21 07:48:16""#,
            r#""2026-11-21T07:48:16Z""#,
            r#""2026-11-21 07:48:16.000000""#,
        ] {
            assert_eq!(moment(same).unwrap(), expected, "{same}");
        }
        let cut = moment(r#""2026-11-21 07:48:16.250000""#).unwrap();
        assert_eq!(
            serde_json::to_value(cut).unwrap(),
            "2026-11-21 07:48:16.250"
        );
        for bad in [r#""yesterday""#, "5", r#""2026-11-21""#] {
            moment(bad).unwrap_err();
        }
    }
}
