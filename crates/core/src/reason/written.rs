//! Reasons as they stand in documents and rows.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Reason, ReasonCode};

/// A [`Reason`] that was written down: what shows it is any object of numbers and names.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WrittenReason {
    /// For programs.
    pub code: ReasonCode,
    /// For people; may name hosts.
    pub text: String,
    /// What shows it.
    pub evidence: Value,
    /// What would make it go away; null where nothing would, or nobody knows.
    #[serde(default)]
    pub fix: Value,
}

impl From<&Reason> for WrittenReason {
    fn from(reason: &Reason) -> Self {
        let fix = reason.fix.as_ref();
        Self {
            code: reason.code,
            text: reason.text.clone(),
            evidence: reason.evidence.to_json(),
            fix: fix.map_or(Value::Null, |fix| serde_json::json!(fix)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::reason::{Change, ChangeKind, Evidence};

    #[test]
    fn a_reason_reads_back_as_it_is_shown() {
        let memory = Evidence::Memory {
            needed_mib: 8_192,
            free_mib: 3_584,
        };
        let change = Change {
            kind: ChangeKind::FreeMemory,
            target: "h".to_owned(),
            from: json!(3_584),
            to: json!(8_192),
            request: None,
        };
        let short = Reason::new(ReasonCode::Memory, "too little").shown_by(memory);
        for reason in [short.clone(), short.fixed_by("free some", change)] {
            let written = WrittenReason::from(&reason);
            assert_eq!(json!(written), json!(reason));
            let read: WrittenReason = serde_json::from_value(json!(reason)).unwrap();
            assert_eq!(read, written);
        }
    }
}
