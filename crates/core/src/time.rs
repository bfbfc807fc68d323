//! Instants. Cut to microseconds here, once, because that is what both databases
//! and Nova's timestamps hold: a value then compares equal after a round trip.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Datelike, SubsecRound, TimeDelta, Timelike, Utc};
use serde::{Deserialize, Serialize};

/// A UTC instant with microsecond precision.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "DateTime<Utc>", into = "DateTime<Utc>")]
pub struct Timestamp(DateTime<Utc>);

impl Timestamp {
    /// The instant, cut (not rounded) to microseconds.
    pub fn new(instant: DateTime<Utc>) -> Self {
        Self(instant.trunc_subsecs(6))
    }

    /// Microseconds since 1970-01-01T00:00:00Z; `None` beyond chrono's range.
    pub fn from_micros(micros: i64) -> Option<Self> {
        DateTime::from_timestamp_micros(micros).map(Self)
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub fn as_micros(self) -> i64 {
        self.0.timestamp_micros()
    }

    /// The instant as chrono knows it.
    pub fn datetime(self) -> DateTime<Utc> {
        self.0
    }

    /// `2016-01-29T13:42:02.000000` in ASCII; `None` outside the years of four digits. Chrono's own
    /// writer takes several times as long, and lists are full of times.
    pub fn digits(self) -> Option<[u8; 26]> {
        fn put(place: &mut [u8], mut number: u32) {
            for digit in place.iter_mut().rev() {
                *digit = b'0' + (number % 10) as u8;
                number /= 10;
            }
        }
        let at = self.0.naive_utc();
        let year = u32::try_from(at.year())
            .ok()
            .filter(|year| *year < 10_000)?;
        // A leap second has more.
        let micros = Some(at.nanosecond() / 1_000).filter(|micros| *micros < 1_000_000)?;
        let mut text = *b"0000-00-00T00:00:00.000000";
        put(&mut text[..4], year);
        put(&mut text[5..7], at.month());
        put(&mut text[8..10], at.day());
        put(&mut text[11..13], at.hour());
        put(&mut text[14..16], at.minute());
        put(&mut text[17..19], at.second());
        put(&mut text[20..], micros);
        Some(text)
    }

    /// How long `earlier` lies back; zero when it lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        (self.0 - earlier.0).to_std().unwrap_or_default()
    }

    /// This instant less `span`; saturates at the beginning of time.
    pub fn minus(self, span: Duration) -> Self {
        TimeDelta::from_std(span)
            .ok()
            .and_then(|delta| self.0.checked_sub_signed(delta))
            .map_or(Self(DateTime::<Utc>::MIN_UTC), Self::new)
    }

    /// This instant plus `span`; saturates at the end of time, so that a deadline can
    /// be absurd but never wrap.
    pub fn plus(self, span: Duration) -> Self {
        TimeDelta::from_std(span)
            .ok()
            .and_then(|delta| self.0.checked_add_signed(delta))
            .map_or(Self(DateTime::<Utc>::MAX_UTC.trunc_subsecs(6)), Self::new)
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(instant: DateTime<Utc>) -> Self {
        Self::new(instant)
    }
}

impl From<Timestamp> for DateTime<Utc> {
    fn from(timestamp: Timestamp) -> Self {
        timestamp.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format("%Y-%m-%dT%H:%M:%S%.6fZ"))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where the time comes from. Roles take one as an argument; tests steer it.
pub trait Clock: Send + Sync + 'static {
    /// The present.
    fn now(&self) -> Timestamp;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_cut_to_microseconds() {
        let instant = DateTime::from_timestamp(1, 999_999_999).unwrap();
        assert_eq!(Timestamp::new(instant).as_micros(), 1_999_999);
    }

    #[test]
    fn a_deadline_saturates() {
        let now = Timestamp::from_micros(0).unwrap();
        assert!(now.plus(Duration::MAX) > now.plus(Duration::from_secs(1)));
    }

    #[test]
    fn since_never_goes_negative() {
        let early = Timestamp::from_micros(0).unwrap();
        let late = Timestamp::from_micros(5).unwrap();
        assert_eq!(late.since(early), Duration::from_micros(5));
        assert_eq!(early.since(late), Duration::ZERO);
    }
}
