//! How long what is over is kept: the section `retention` of the configuration.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::time::Timestamp;
use crate::{idempotency, webhook};

/// For how long agents remember what they have done, unless they are told otherwise. What they may
/// ask about is kept for at least as long.
pub const REMEMBERED: Duration = Duration::from_secs(7 * DAY);

/// Until a request that has a key was answered for certain.
const ANSWERED: Duration = Duration::from_secs(3_600);

const DAY: u64 = 24 * 3_600;

/// How long each kind of rows is kept that nobody works on any more; `None`: for ever. Spans are
/// written as seconds, and for ever as 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "Spans", into = "Spans")]
pub struct Retention {
    /// For how long a reader of events may go on from where it stopped. Default 90 days.
    pub events: Option<Duration>,
    /// Migrations that have ended, and discrepancies that are closed, with their logs. Default 90
    /// days.
    pub migrations: Option<Duration>,
    /// Plans and runs that are over, with their logs; not before these have expired. Default 90 days.
    pub plans: Option<Duration>,
    /// What webhooks were told. Default 90 days.
    pub webhook_deliveries: Option<Duration>,
    /// Answers to requests with an idempotency key. Default a day.
    pub idempotency_keys: Option<Duration>,
}

/// As it is written.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Spans {
    #[serde(with = "or_for_ever")]
    events: Option<Duration>,
    #[serde(with = "or_for_ever")]
    migrations: Option<Duration>,
    #[serde(with = "or_for_ever")]
    plans: Option<Duration>,
    #[serde(with = "or_for_ever")]
    webhook_deliveries: Option<Duration>,
    #[serde(with = "or_for_ever")]
    idempotency_keys: Option<Duration>,
}

mod or_for_ever {
    use super::*;

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
    pub(super) fn serialize<S: Serializer>(
        span: &Option<Duration>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_f64(span.map_or(0.0, |span| span.as_secs_f64()))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Duration>, D::Error> {
        let seconds = Option::<f64>::deserialize(from)?.unwrap_or(0.0);
        let span = Duration::try_from_secs_f64(seconds).map_err(D::Error::custom)?;
        Ok((!span.is_zero()).then_some(span))
    }
}

impl Default for Retention {
    fn default() -> Self {
        let quarter = Some(Duration::from_secs(90 * DAY));
        Self {
            events: quarter,
            migrations: quarter,
            plans: quarter,
            webhook_deliveries: Some(webhook::KEPT),
            idempotency_keys: Some(idempotency::KEPT),
        }
    }
}

impl Default for Spans {
    fn default() -> Self {
        Retention::default().into()
    }
}

impl From<Retention> for Spans {
    fn from(retention: Retention) -> Self {
        let Retention {
            events,
            migrations,
            plans,
            webhook_deliveries,
            idempotency_keys,
        } = retention;
        Self {
            events,
            migrations,
            plans,
            webhook_deliveries,
            idempotency_keys,
        }
    }
}

impl TryFrom<Spans> for Retention {
    type Error = RetentionError;

    fn try_from(spans: Spans) -> Result<Self, RetentionError> {
        let Spans {
            events,
            migrations,
            plans,
            webhook_deliveries,
            idempotency_keys,
        } = spans;
        if let Some(kept) = migrations {
            if kept < REMEMBERED {
                return Err(RetentionError::Remembered(REMEMBERED.as_secs()));
            }
            if events.is_none_or(|events| events > kept) {
                return Err(RetentionError::Events);
            }
        }
        if idempotency_keys.is_some_and(|kept| kept < ANSWERED) {
            return Err(RetentionError::Keys(ANSWERED.as_secs()));
        }
        Ok(Self {
            events,
            migrations,
            plans,
            webhook_deliveries,
            idempotency_keys,
        })
    }
}

/// Spans that do not go together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RetentionError {
    /// Agents would ask in vain.
    #[error(
        "`retention.migrations` has to be at least {0} seconds, as agents may ask about what ended, \
         or 0, which keeps them for ever"
    )]
    Remembered(u64),
    /// Events would be about nothing.
    #[error(
        "`retention.events` cannot be longer than `retention.migrations`: who reads an event can \
         look at its migration"
    )]
    Events,
    /// One request could be carried out twice.
    #[error(
        "`retention.idempotency_keys` has to be at least {0} seconds, as a request may be on its \
         way for so long, or 0, which keeps them for ever"
    )]
    Keys(u64),
}

/// Up to when things are over that are kept for so long; `None`: none ever are.
pub fn over(kept: Option<Duration>, now: Timestamp) -> Option<Timestamp> {
    kept.map(|kept| now.minus(kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Retention, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_written_reads_back() {
        let default = Retention::default();
        assert_eq!(read("{}"), Ok(default));
        let text = serde_json::to_string(&default).unwrap();
        assert_eq!(read(&text), Ok(default));
    }

    #[test]
    fn nothing_and_null_are_for_ever() {
        let kept = Retention {
            events: Some(Duration::from_secs(60)),
            migrations: None,
            webhook_deliveries: None,
            ..Retention::default()
        };
        let text = r#"{"events": 60, "migrations": 0, "webhook_deliveries": null}"#;
        assert_eq!(read(text), Ok(kept));
        let text = serde_json::to_string(&kept).unwrap();
        assert_eq!(read(&text), Ok(kept));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (text, says) in [
            (r#"{"migrations": 604799, "events": 1}"#, "604800 seconds"),
            (r#"{"migrations": 604800}"#, "`retention.events`"),
            (
                r#"{"migrations": 604800, "events": 0}"#,
                "`retention.events`",
            ),
            (r#"{"idempotency_keys": 60}"#, "3600 seconds"),
            (r#"{"events": -1}"#, "negative"),
            (r#"{"runs": 1}"#, "unknown field `runs`"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(says), "{text}: {error}");
        }
        read(r#"{"migrations": 604800, "events": 604800}"#).unwrap();
    }

    #[test]
    fn what_is_kept_for_ever_is_never_over() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000).unwrap();
        assert_eq!(over(None, at(9)), None);
        assert_eq!(over(Some(Duration::from_secs(4)), at(9)), Some(at(5)));
    }
}
