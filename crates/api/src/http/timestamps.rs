//! Points in time as Nova writes them, and as it reads them from a query.

use std::fmt;
use std::sync::LazyLock;

use chrono::{FixedOffset, NaiveDate, NaiveTime, SecondsFormat, TimeZone, Utc};
use godwit_core::time::Timestamp;
use regex::Regex;
use serde::{Serialize, Serializer};

/// `2016-01-29T13:42:02.000000`: UTC, always six digits, no zone (`contract: http.md §13`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Micros(pub Timestamp);

/// `2016-01-29T13:42:02Z`: UTC, whole seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seconds(pub Timestamp);

impl Micros {
    fn show<T>(self, to: impl FnOnce(&str) -> T) -> T {
        let digits = self.0.digits();
        match digits.as_ref().map(|text| std::str::from_utf8(text)) {
            Some(Ok(text)) => to(text),
            _ => to(by_chrono(self.0, SecondsFormat::Micros).trim_end_matches('Z')),
        }
    }
}

impl Seconds {
    fn show<T>(self, to: impl FnOnce(&str) -> T) -> T {
        let digits = self.0.digits().map(|mut text| {
            text[19] = b'Z';
            text
        });
        match digits.as_ref().map(|text| std::str::from_utf8(&text[..20])) {
            Some(Ok(text)) => to(text),
            _ => to(&by_chrono(self.0, SecondsFormat::Secs)),
        }
    }
}

fn by_chrono(at: Timestamp, format: SecondsFormat) -> String {
    at.datetime().to_rfc3339_opts(format, true)
}

macro_rules! shown {
    ($($name:ident),+) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.show(|text| f.write_str(text))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                self.show(|text| to.serialize_str(text))
            }
        }
    )+};
}

shown!(Micros, Seconds);

/// Reads ISO 8601 the way Nova's queries accept it: everything behind the year may be left
/// out from the right, the dashes and colons too, and no zone means UTC.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    static FORM: LazyLock<Regex> = LazyLock::new(|| {
        let month = r"(?:-(?P<month_>[0-9]{1,2})|(?P<month>[0-9]{2}))";
        let day = r"(?:-(?P<day_>[0-9]{1,2})|(?P<day>[0-9]{2}))";
        let time = r"(?P<hour>[0-9]{2})(?::?(?P<minute>[0-9]{2}))?";
        let second = r"(?::?(?P<second>[0-9]{1,2})(?:[.,](?P<fraction>[0-9]+))?)?";
        let zone = r"(?P<zone>Z|[-+][0-9]{2}(?::?[0-9]{2})?)?";
        let form =
            format!("^(?P<year>[0-9]{{4}})(?:{month}(?:{day}(?:[ T]{time}{second}{zone})?)?)?$");
        Regex::new(&form).expect("the pattern is a constant")
    });
    let parts = FORM.captures(text)?;
    let part = |name: &str| parts.name(name).map(|part| part.as_str());
    let number = |digits: Option<&str>, absent| digits.map_or(Some(absent), |d| d.parse().ok());
    // Without its dash a month could be the first half of a time, so it needs its day.
    let day = part("day_").or(part("day"));
    if part("month").is_some() && day.is_none() {
        return None;
    }
    let month = number(part("month_").or(part("month")), 1)?;
    let date = NaiveDate::from_ymd_opt(part("year")?.parse().ok()?, month, number(day, 1)?)?;
    let time = NaiveTime::from_hms_micro_opt(
        number(part("hour"), 0)?,
        number(part("minute"), 0)?,
        number(part("second"), 0)?,
        part("fraction").map_or(0, micros),
    )?;
    let zone = offset(part("zone").unwrap_or("Z"))?;
    let local = zone.from_local_datetime(&date.and_time(time)).single()?;
    Some(Timestamp::new(local.with_timezone(&Utc)))
}

fn micros(digits: &str) -> u32 {
    let mut six = digits.chars().chain(std::iter::repeat('0')).take(6);
    six.try_fold(0, |sum: u32, digit| Some(sum * 10 + digit.to_digit(10)?))
        .unwrap_or(0)
}

fn offset(zone: &str) -> Option<FixedOffset> {
    if zone == "Z" {
        return FixedOffset::east_opt(0);
    }
    let (sign, digits) = zone.split_at(1);
    let digits: String = digits.chars().filter(|c| *c != ':').collect();
    let hours: i32 = digits.get(..2)?.parse().ok()?;
    let minutes: i32 = digits
        .get(2..)
        .filter(|m| !m.is_empty())
        .map_or(Ok(0), str::parse)
        .ok()?;
    let seconds = (hours * 60 + minutes) * 60;
    FixedOffset::east_opt(if sign == "-" { -seconds } else { seconds })
}

/// Reads a date and a time of day without a zone, which is UTC: `2016-01-29T13:42:02`, with a
/// fraction or without, and with a space for the `T` where there is a fraction.
pub(crate) fn parse_local(text: &str) -> Option<Timestamp> {
    static FORM: LazyLock<Regex> = LazyLock::new(|| {
        let form = r"^(?P<year>[0-9]{4})-(?P<month>[0-9]{1,2})-(?P<day>[0-9]{1,2})(?P<between>[T ])(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{1,2}):(?P<second>[0-9]{1,2})(?:\.(?P<fraction>[0-9]{1,6}))?$";
        Regex::new(form).expect("the pattern is a constant")
    });
    let parts = FORM.captures(text)?;
    let fraction = parts.name("fraction").map(|part| part.as_str());
    if &parts["between"] == " " && fraction.is_none() {
        return None;
    }
    let number = |name: &str| parts[name].parse().ok();
    let date = NaiveDate::from_ymd_opt(
        parts["year"].parse().ok()?,
        number("month")?,
        number("day")?,
    )?;
    let time = NaiveTime::from_hms_micro_opt(
        number("hour")?,
        number("minute")?,
        number("second")?,
        fraction.map_or(0, micros),
    )?;
    Some(Timestamp::new(date.and_time(time).and_utc()))
}

/// A point in time as HTTP's token services write it, `2016-01-29T13:42:02.000000Z`.
pub(crate) fn micros_zulu(at: Timestamp) -> String {
    format!("{}Z", Micros(at))
}

/// `instant` as whole seconds since 1970, as JSON web tokens count them.
pub(crate) fn unix_seconds(instant: Timestamp) -> i64 {
    instant.as_micros().div_euclid(1_000_000)
}

/// The other way round; `None` beyond what can be represented.
pub(crate) fn from_unix_seconds(seconds: i64) -> Option<Timestamp> {
    seconds
        .checked_mul(1_000_000)
        .and_then(Timestamp::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        parse(text).map(|at| Micros(at).to_string())
    }

    #[test]
    fn times_without_a_zone() {
        let read = |text| parse_local(text).map(|at| Micros(at).to_string());
        let at = |time: &str| Some(format!("2016-01-29T{time}"));
        assert_eq!(read("2016-01-29T13:42:02"), at("13:42:02.000000"));
        assert_eq!(read("2016-1-29T3:4:5.67"), at("03:04:05.670000"));
        assert_eq!(read("2016-01-29 13:42:02.000001"), at("13:42:02.000001"));
        for text in [
            "",
            "2016-01-29",
            "2016-01-29 13:42:02",
            "2016-01-29T13:42:02Z",
            "2016-02-30T13:42:02",
            "2016-01-29T24:00:00",
            "2016-01-29T13:42:02.1234567",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn both_forms() {
        let at = Timestamp::from_micros(1_454_074_922_000_500).unwrap();
        assert_eq!(Micros(at).to_string(), "2016-01-29T13:42:02.000500");
        assert_eq!(Seconds(at).to_string(), "2016-01-29T13:42:02Z");
        assert_eq!(micros_zulu(at), "2016-01-29T13:42:02.000500Z");
    }

    #[test]
    fn both_forms_are_chronos() {
        // From before the year 0 to behind the year 9999.
        for hours in (-700_000_000..100_000_000_i64).step_by(999_983) {
            let at =
                Timestamp::from_micros(hours * 3_600_000_000 + 7 * hours.rem_euclid(11)).unwrap();
            let micros = by_chrono(at, SecondsFormat::Micros);
            assert_eq!(format!("{}Z", Micros(at)), micros);
            assert_eq!(Seconds(at).to_string(), by_chrono(at, SecondsFormat::Secs));
        }
    }

    #[test]
    fn what_a_query_may_say() {
        for (text, expected) in [
            ("2026-11-14T18:00:00Z", "2026-11-14T18:00:00.000000"),
            ("2026-11-14T18:00:00", "2026-11-14T18:00:00.000000"),
            ("2026-11-14 18:00:00", "2026-11-14T18:00:00.000000"),
            ("2026-11-14T18:00:00.5", "2026-11-14T18:00:00.500000"),
            ("2026-11-14T18:00:00,1234567", "2026-11-14T18:00:00.123456"),
            ("2026-11-14T18:00:00+02:00", "2026-11-14T16:00:00.000000"),
            ("2026-11-14T18:00:00-0230", "2026-11-14T20:30:00.000000"),
            ("2026-11-14T18:00:00+02", "2026-11-14T16:00:00.000000"),
            ("2026-11-14T18:00", "2026-11-14T18:00:00.000000"),
            ("20261114T180000Z", "2026-11-14T18:00:00.000000"),
            ("2026-11-14", "2026-11-14T00:00:00.000000"),
            ("2026-11", "2026-11-01T00:00:00.000000"),
            ("2026-1-2", "2026-01-02T00:00:00.000000"),
            ("20261114", "2026-11-14T00:00:00.000000"),
            ("2026", "2026-01-01T00:00:00.000000"),
        ] {
            assert_eq!(read(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "x",
            "abc",
            "202611",
            "2026-13-01",
            "2026-02-30",
            "2026-11-14T25:00:00",
            "2026-11-14T18:00:00 02:00",
            "2026-11-14T",
            "2026-11T18:00",
            "2026-11-14T18:00:00+99:00",
            "2026-11-14T18:00:00Zx",
            "٢٠٢٦-11-14",
            "-2026-11-14",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
