//! How the domain's types stand in columns.
//!
//! Words and ids are text. Instants are `TIMESTAMP`, in UTC, and stay within the years that
//! both databases hold and SQLite's text form sorts. Structures are JSON text.

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::deserialize::{self, FromSql, Queryable};
#[cfg(feature = "postgres")]
use diesel::pg::{Pg, PgValue};
use diesel::sql_types::{BigInt, Text, Timestamp as SqlTimestamp};
use diesel::sqlite::{Sqlite, SqliteValue};
use godwit_core::discrepancy::DiscrepancyKind;
use godwit_core::effect::Effect;
use godwit_core::failure::FailureCode;
use godwit_core::ids::{HostName, MigrationUuid, ServerGroupUuid, ServerUuid};
use godwit_core::migration::{Intent, Settling, StorageMode};
use godwit_core::power::PowerAction;
use godwit_core::recovery::Sighting;
use godwit_core::server::{PowerState, TaskState, VmState};
use godwit_core::server_group::Policy;
use godwit_core::slots::SlotRole;
use godwit_core::status::{MigrationKind, MigrationStatus};
use godwit_core::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::connection::{MultiBackend, MultiRawValue};
use crate::server_groups::Origin;
use crate::{LockedBy, ServiceBinary};

/// Types that read themselves from a column of type `$sql` by way of `$raw`.
macro_rules! read_as {
    ($sql:ty, $raw:ty, $read:expr, $($name:ty),+ $(,)?) => {$(
        impl FromSql<$sql, MultiBackend> for $name {
            fn from_sql(value: MultiRawValue<'_>) -> deserialize::Result<Self> {
                let raw = <$raw as FromSql<$sql, MultiBackend>>::from_sql(value)?;
                $read(raw)
            }
        }

        impl Queryable<$sql, MultiBackend> for $name {
            type Row = Self;

            fn build(row: Self) -> deserialize::Result<Self> {
                Ok(row)
            }
        }
    )+};
}

/// An instant as a column holds it.
struct Instant(DateTime<Utc>);

#[cfg(feature = "postgres")]
impl FromSql<SqlTimestamp, Pg> for Instant {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        let instant = <NaiveDateTime as FromSql<SqlTimestamp, Pg>>::from_sql(value)?;
        Ok(Self(instant.and_utc()))
    }
}

/// Diesel tries one pattern after the other, which was a tenth of what a list costs. Only one is
/// ever written, and it lacks nothing but its zone.
impl FromSql<SqlTimestamp, Sqlite> for Instant {
    fn from_sql(value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        let mut text = <String as FromSql<Text, Sqlite>>::from_sql(value)?;
        text.push('Z');
        Ok(Self(DateTime::parse_from_rfc3339(&text)?.to_utc()))
    }
}

impl FromSql<SqlTimestamp, MultiBackend> for Instant {
    fn from_sql(value: MultiRawValue<'_>) -> deserialize::Result<Self> {
        value.from_sql::<Self, SqlTimestamp>()
    }
}

fn parse<T>(text: String) -> deserialize::Result<T>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    text.parse().map_err(Into::into)
}

read_as!(
    Text,
    String,
    parse,
    DiscrepancyKind,
    Effect,
    FailureCode,
    HostName,
    Intent,
    LockedBy,
    MigrationKind,
    MigrationStatus,
    MigrationUuid,
    Origin,
    Policy,
    PowerAction,
    ServerGroupUuid,
    ServerUuid,
    ServiceBinary,
    Settling,
    SlotRole,
    StorageMode,
    TaskState,
    VmState,
);
read_as!(
    SqlTimestamp,
    Instant,
    |raw: Instant| Ok(Timestamp::new(raw.0)),
    Timestamp
);
read_as!(
    BigInt,
    i64,
    |raw: i64| Ok(PowerState::from_i32(i32::try_from(raw)?)),
    PowerState,
);

/// A sighting's word; serde owns the spelling.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SightingWord(pub(crate) Sighting);

read_as!(Text, String, |raw: String| sighting(&raw), SightingWord);

fn sighting(word: &str) -> deserialize::Result<SightingWord> {
    Sighting::ALL
        .iter()
        .find(|sighting| sighting_word(**sighting) == word)
        .map(|sighting| SightingWord(*sighting))
        .ok_or_else(|| format!("{word:?} is not a sighting").into())
}

/// The word of a sighting.
pub(crate) const fn sighting_word(sighting: Sighting) -> &'static str {
    match sighting {
        Sighting::Unreachable => "unreachable",
        Sighting::Absent => "absent",
        Sighting::Inactive => "inactive",
        Sighting::Incoming => "incoming",
        Sighting::Executing => "executing",
        Sighting::Moving => "moving",
        Sighting::HandedOver => "handed_over",
    }
}

/// A uuid without a type of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlainUuid(pub(crate) uuid::Uuid);

read_as!(
    Text,
    String,
    |raw: String| Ok(PlainUuid(raw.parse()?)),
    PlainUuid
);

/// A structure, as JSON text.
#[derive(Clone, Debug)]
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned> FromSql<Text, MultiBackend> for Json<T> {
    fn from_sql(value: MultiRawValue<'_>) -> deserialize::Result<Self> {
        let text = <String as FromSql<Text, MultiBackend>>::from_sql(value)?;
        Ok(Self(serde_json::from_str(&text)?))
    }
}

impl<T: DeserializeOwned> Queryable<Text, MultiBackend> for Json<T> {
    type Row = Self;

    fn build(row: Self) -> deserialize::Result<Self> {
        Ok(row)
    }
}

/// The JSON text of a structure.
pub(crate) fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("the store's structures have string keys only")
}

/// An instant as a column takes it: within the years 1 to 9999.
pub(crate) fn instant(at: Timestamp) -> NaiveDateTime {
    use chrono::NaiveDate;
    const fn midnight(year: i32, month: u32, day: u32) -> NaiveDateTime {
        match NaiveDate::from_ymd_opt(year, month, day) {
            Some(date) => date.and_time(chrono::NaiveTime::MIN),
            None => panic!("not a date"),
        }
    }
    const FIRST: NaiveDateTime = midnight(1, 1, 1);
    const LAST: NaiveDateTime = midnight(9999, 12, 31);
    at.datetime().naive_utc().clamp(FIRST, LAST)
}

/// [`instant`], where there may be none.
pub(crate) fn instants(at: Option<Timestamp>) -> Option<NaiveDateTime> {
    at.map(instant)
}

/// The text of a value that stands as text.
pub(crate) fn text(value: impl ToString) -> String {
    value.to_string()
}

/// Can this text stand in a column at all? PostgreSQL has no NUL; text with one therefore
/// equals nothing that is stored.
pub(crate) fn storable(text: &str) -> bool {
    !text.contains('\0')
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn absurd_deadlines_stay_in_order_as_text() {
        let now = Timestamp::from_micros(1_700_000_000_000_000).unwrap();
        let never = instant(now.plus(Duration::MAX)).to_string();
        assert!(never > instant(now).to_string(), "{never}");
    }

    #[test]
    fn sightings_read_back_and_are_serdes_words() {
        for sighting in Sighting::ALL {
            let word = sighting_word(*sighting);
            assert_eq!(super::sighting(word).unwrap().0, *sighting);
            assert_eq!(serde_json::to_value(sighting).unwrap(), word);
        }
    }
}
