//! How the domain's types stand in columns.
//!
//! Words and ids are text. Instants are `TIMESTAMP`, in UTC, and stay within the years that
//! both databases hold and SQLite's text form sorts. Structures are JSON text.

use std::error::Error;
use std::str::FromStr;

use chrono::{NaiveDate, NaiveDateTime};
use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRef, Queryable};
#[cfg(feature = "postgres")]
use diesel::pg::{Pg, PgValue};
use diesel::sql_types::{BigInt, Text, Timestamp as SqlTimestamp};
use diesel::sqlite::Sqlite;
use godwit_core::discrepancy::DiscrepancyKind;
use godwit_core::effect::{Effect, PlanEffect, RunEffect};
use godwit_core::failure::FailureCode;
use godwit_core::host::maintenance;
use godwit_core::host::scope::ScopeKind;
use godwit_core::ids::{
    HostName, MigrationUuid, OperationUuid, PlanUuid, RunUuid, ServerGroupUuid, ServerUuid,
};
use godwit_core::migration::{Intent, Settling, StorageMode};
use godwit_core::plan::options::{Priority, ReturnHome};
use godwit_core::plan::{PlanKind, PlanState};
use godwit_core::power::PowerAction;
use godwit_core::recovery::Sighting;
use godwit_core::requester::Requester;
use godwit_core::run::{OperationKind, OperationState, RunState};
use godwit_core::server::{PowerState, TaskState, VmState};
use godwit_core::server_group::Policy;
use godwit_core::slots::SlotRole;
use godwit_core::status::{MigrationKind, MigrationStatus};
use godwit_core::time::Timestamp;
use godwit_core::webhook::DeliveryState;
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

/// What reads itself from a column of type `$sql` of any database that it can be read from.
macro_rules! is_its_own_row {
    ($sql:ty, $name:ident $(<$of:ident>)?) => {
        impl<$($of,)? DB> Queryable<$sql, DB> for $name$(<$of>)?
        where
            DB: Backend,
            Self: FromSql<$sql, DB>,
        {
            type Row = Self;

            fn build(row: Self) -> deserialize::Result<Self> {
                Ok(row)
            }
        }
    };
}

/// A database whose texts are read where it has them: to copy one first would cost more than to
/// understand it.
pub(crate) trait InPlace: Backend {
    /// A column's text.
    fn text<'a>(value: &'a mut Self::RawValue<'_>) -> deserialize::Result<&'a str>;

    /// Writes a column's instant as [`Timestamp::digits`] does.
    fn show_instant(value: Self::RawValue<'_>, to: &mut String) -> deserialize::Result<()>;
}

impl InPlace for Sqlite {
    fn text<'a>(value: &'a mut Self::RawValue<'_>) -> deserialize::Result<&'a str> {
        <&'a str as FromSqlRef<'a, Text, Self>>::from_sql(value)
    }

    fn show_instant(mut value: Self::RawValue<'_>, to: &mut String) -> deserialize::Result<()> {
        let text = Self::text(&mut value)?;
        show_written(text, to).ok_or_else(|| format!("{text:?} is no instant").into())
    }
}

#[cfg(feature = "postgres")]
impl InPlace for Pg {
    fn text<'a>(value: &'a mut Self::RawValue<'_>) -> deserialize::Result<&'a str> {
        <&'a str as FromSqlRef<'a, Text, Self>>::from_sql(value)
    }

    fn show_instant(value: Self::RawValue<'_>, to: &mut String) -> deserialize::Result<()> {
        let Instant(at) = <Instant as FromSql<SqlTimestamp, Self>>::from_sql(value)?;
        let digits = at.digits().ok_or("an instant has a year of five digits")?;
        to.push_str(std::str::from_utf8(&digits)?);
        Ok(())
    }
}

impl InPlace for MultiBackend {
    fn text<'a>(value: &'a mut Self::RawValue<'_>) -> deserialize::Result<&'a str> {
        match value {
            MultiRawValue::Sqlite(value) => Sqlite::text(value),
            #[cfg(feature = "postgres")]
            MultiRawValue::Postgres(value) => Pg::text(value),
        }
    }

    fn show_instant(value: Self::RawValue<'_>, to: &mut String) -> deserialize::Result<()> {
        match value {
            MultiRawValue::Sqlite(value) => Sqlite::show_instant(value, to),
            #[cfg(feature = "postgres")]
            MultiRawValue::Postgres(value) => Pg::show_instant(value, to),
        }
    }
}

/// A word, an id or a name.
pub(crate) struct Parsed<T>(pub(crate) T);

impl<T, DB> FromSql<Text, DB> for Parsed<T>
where
    T: FromStr<Err: Error + Send + Sync + 'static>,
    DB: InPlace,
{
    fn from_sql(mut value: DB::RawValue<'_>) -> deserialize::Result<Self> {
        Ok(Self(DB::text(&mut value)?.parse()?))
    }
}

is_its_own_row!(Text, Parsed<T>);

/// An instant as a column holds it.
pub(crate) struct Instant(pub(crate) Timestamp);

#[cfg(feature = "postgres")]
impl FromSql<SqlTimestamp, Pg> for Instant {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        let instant = <NaiveDateTime as FromSql<SqlTimestamp, Pg>>::from_sql(value)?;
        Ok(Self(Timestamp::new(instant.and_utc())))
    }
}

/// Diesel tries one pattern after the other, which was a tenth of what a list costs. Only one is
/// ever written.
impl FromSql<SqlTimestamp, Sqlite> for Instant {
    fn from_sql(mut value: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        let text = Sqlite::text(&mut value)?;
        let instant = written_instant(text).ok_or_else(|| format!("{text:?} is no instant"))?;
        Ok(Self(Timestamp::new(instant.and_utc())))
    }
}

impl FromSql<SqlTimestamp, MultiBackend> for Instant {
    fn from_sql(value: MultiRawValue<'_>) -> deserialize::Result<Self> {
        value.from_sql::<Self, SqlTimestamp>()
    }
}

is_its_own_row!(SqlTimestamp, Instant);

/// Reads `YYYY-MM-DD HH:MM:SS`, and behind a point as much as there is of the second.
fn written_instant(text: &str) -> Option<NaiveDateTime> {
    let (whole, fraction) = text.as_bytes().split_first_chunk::<19>()?;
    let between = [4, 7, 10, 13, 16].map(|index| whole[index]);
    if !matches!(&between, b"-- ::" | b"--T::") {
        return None;
    }
    let nanos = match fraction {
        [] => 0,
        [b'.', digits @ ..] if (1..=9).contains(&digits.len()) => {
            let missing = (digits.len()..9).fold(1, |power, _| power * 10);
            number(digits)? * missing
        }
        _ => return None,
    };
    let year = i32::try_from(number(&whole[..4])?).ok()?;
    NaiveDate::from_ymd_opt(year, number(&whole[5..7])?, number(&whole[8..10])?)?.and_hms_nano_opt(
        number(&whole[11..13])?,
        number(&whole[14..16])?,
        number(&whole[17..19])?,
        nanos,
    )
}

/// Writes what [`written_instant`] reads, up to microseconds, without finding out which day it is.
fn show_written(text: &str, to: &mut String) -> Option<()> {
    let (whole, fraction) = text.split_at_checked(19)?;
    let between = [4, 7, 10, 13, 16].map(|index| whole.as_bytes()[index]);
    let others = text.bytes().filter(|byte| !byte.is_ascii_digit()).count();
    let points = usize::from(fraction.starts_with('.'));
    if !matches!(&between, b"-- ::" | b"--T::")
        || others != between.len() + points
        || (points == 0 && !fraction.is_empty())
    {
        return None;
    }
    let time = text.get(11..26).unwrap_or(&text[11..]);
    for part in [&text[..10], "T", time, &".000000"[time.len() - 8..]] {
        to.push_str(part);
    }
    Some(())
}

/// The number that at most nine digits make.
fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u32::from(digit - b'0'))?;
        Some(number * 10 + digit)
    })
}

read_as!(
    Text,
    Parsed<Self>,
    |raw: Parsed<Self>| Ok(raw.0),
    DeliveryState,
    DiscrepancyKind,
    Effect,
    FailureCode,
    HostName,
    Intent,
    LockedBy,
    MigrationKind,
    MigrationStatus,
    MigrationUuid,
    OperationKind,
    OperationState,
    OperationUuid,
    Origin,
    PlanEffect,
    PlanKind,
    PlanState,
    PlanUuid,
    Policy,
    PowerAction,
    Priority,
    ReturnHome,
    RunEffect,
    RunState,
    RunUuid,
    ScopeKind,
    ServerGroupUuid,
    ServerUuid,
    ServiceBinary,
    Settling,
    SlotRole,
    StorageMode,
    TaskState,
    VmState,
    maintenance::State,
);
read_as!(Text, Json<Self>, |raw: Json<Self>| Ok(raw.0), Requester);
read_as!(SqlTimestamp, Instant, |raw: Instant| Ok(raw.0), Timestamp);
read_as!(BigInt, Power, |raw: Power| Ok(raw.0), PowerState);

/// A power state, whose number a column holds.
pub(crate) struct Power(pub(crate) PowerState);

impl<DB> FromSql<BigInt, DB> for Power
where
    DB: Backend,
    i64: FromSql<BigInt, DB>,
{
    fn from_sql(value: DB::RawValue<'_>) -> deserialize::Result<Self> {
        let number = <i64 as FromSql<BigInt, DB>>::from_sql(value)?;
        Ok(Self(PowerState::from_i32(i32::try_from(number)?)))
    }
}

is_its_own_row!(BigInt, Power);

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

impl<T, DB> FromSql<Text, DB> for Json<T>
where
    T: DeserializeOwned,
    DB: InPlace,
{
    fn from_sql(mut value: DB::RawValue<'_>) -> deserialize::Result<Self> {
        Ok(Self(serde_json::from_str(DB::text(&mut value)?)?))
    }
}

is_its_own_row!(Text, Json<T>);

/// The JSON text of a structure.
pub(crate) fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("the store's structures have string keys only")
}

/// An instant as a column takes it: within the years 1 to 9999.
pub(crate) fn instant(at: Timestamp) -> NaiveDateTime {
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

/// An instant as it is read again.
pub(crate) fn stored(at: Timestamp) -> Timestamp {
    Timestamp::new(instant(at).and_utc())
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
    fn instants_read_back_as_they_are_written() {
        let shown = |text: &str| {
            let mut to = String::new();
            show_written(text, &mut to).map(|()| to)
        };
        for micros in [0, 1, 250_000, 999_999, 1_700_000_000_000_000, -1] {
            let stamp = Timestamp::from_micros(micros).unwrap();
            let at = instant(stamp);
            let written = at.format("%F %T%.f").to_string();
            assert_eq!(written_instant(&written), Some(at), "{written}");
            let padded = at.format("%F %T%.6f").to_string();
            assert_eq!(written_instant(&padded), Some(at), "{padded}");
            let digits = stamp.digits().unwrap();
            for text in [written, padded, at.format("%F %T%.9f").to_string()] {
                assert_eq!(shown(&text).unwrap().as_bytes(), digits, "{text}");
            }
        }
        for text in [
            "",
            "2026-11-28",
            "2026-11-28 08:53",
            "2026-11-28 08:53:47.",
            "2026-11-28 08:53:47.1234567890",
            "2026-11-28 08:53:47Z",
            "2026-11-28 08:53:4x",
            "2026-02-30 08:53:47",
            "2026-11-28 24:00:00",
            "2026/11/28 08:53:47",
        ] {
            assert_eq!(written_instant(text), None, "{text}");
        }
        for text in [
            "",
            "2026-11-28 08:53",
            "2026-11-28 08:53:47Z",
            "2026-11-28 08:53:471",
            "2026-11-28 08:53:4x",
            "2026-11-28 08:53:47.1234567890Z",
            "2026/11/28 08:53:47",
        ] {
            assert_eq!(shown(text), None, "{text}");
        }
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
