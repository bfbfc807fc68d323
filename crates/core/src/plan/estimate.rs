//! How much a move is expected to take, and what it took.

use serde::{Deserialize, Serialize, Serializer};

/// A 90 % interval and its median.
#[derive(Clone, Copy, PartialEq, Default, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Estimate {
    #[serde(serialize_with = "finite")]
    pub low: f64,
    #[serde(serialize_with = "finite")]
    pub mid: f64,
    #[serde(serialize_with = "finite")]
    pub high: f64,
}

/// JSON has no other numbers: what has no end is written as the largest, and what is no number as
/// nothing.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn finite<S: Serializer>(number: &f64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(match number.is_nan() {
        true => 0.0,
        false => number.clamp(f64::MIN, f64::MAX),
    })
}

/// What an operation is expected to take.
#[derive(Clone, Copy, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct Estimates {
    /// That go from one host to the other.
    pub bytes: Estimate,
    /// From its beginning to its end.
    pub seconds: Estimate,
    /// In which the guest does not execute.
    pub downtime_seconds: Estimate,
}

impl Estimates {
    /// The share of the operation in its run's percentage, in seconds.
    pub fn weight(&self) -> u32 {
        // Whatever somebody has estimated, it fits: the cast saturates, and makes nothing of what
        // is no number.
        (self.seconds.mid.ceil() as u32).max(1)
    }
}

/// What an operation took; `None`: nobody knows.
#[derive(Clone, Copy, PartialEq, Default, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Actual {
    /// That went from one host to the other.
    pub bytes: Option<i64>,
    /// From its beginning to its end.
    pub seconds: Option<f64>,
    /// In which the guest did not execute.
    pub downtime_seconds: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_estimate_reads_back() {
        let estimate = Estimate {
            low: f64::NAN,
            mid: 2.5,
            high: f64::INFINITY,
        };
        let written = serde_json::to_string(&estimate).unwrap();
        let read: Estimate = serde_json::from_str(&written).unwrap();
        assert_eq!((read.low, read.mid, read.high), (0.0, 2.5, f64::MAX));
    }

    #[test]
    fn every_operation_counts_for_something() {
        let weight = |mid| {
            let seconds = Estimate {
                mid,
                ..Estimate::default()
            };
            let estimates = Estimates {
                seconds,
                ..Estimates::default()
            };
            estimates.weight()
        };
        for (seconds, expected) in [
            (0.0, 1),
            (-3.0, 1),
            (f64::NAN, 1),
            (1.2, 2),
            (60.0, 60),
            (f64::INFINITY, u32::MAX),
        ] {
            assert_eq!(weight(seconds), expected, "{seconds}");
        }
    }
}
