//! What an evacuation takes for proof that its source is dead.

use serde::{Deserialize, Serialize};

use crate::ids::HostName;
use crate::requester::Requester;
use crate::status::words;
use crate::time::Timestamp;

/// What the log calls a proof, in the line of the step that rests on it.
pub const FENCE_PROOF: &str = "fence_proof";

words!(
    /// Whose word it is.
    FenceKind, "kind of fence", {
        /// An operator forced the service down.
        Operator = "operator",
        /// Nobody's: the host is silent, and the configuration takes that for proof.
        Silence = "silence",
    }
);

words!(
    /// How somebody wants a host to be declared dead.
    FenceRequest, "kind of fence", {
        /// By his word that it executes nothing.
        Operator = "operator",
        /// By switching it off.
        Power = "power",
    }
);

/// Why a host is not declared dead.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotFenced {
    /// Nobody has told this service how hosts are switched off.
    #[error("no fencing by power is configured")]
    NoPowerFencing,
    /// A host that is heard is alive, whatever somebody says of it.
    #[error("the host is up")]
    Up,
}

/// May a host be declared dead like this? `is_up`: its agent is heard, and it is not dead already.
///
/// # Errors
/// Why not.
pub const fn check(wanted: FenceRequest, is_up: bool) -> Result<(), NotFenced> {
    match (wanted, is_up) {
        (FenceRequest::Power, _) => Err(NotFenced::NoPowerFencing),
        (FenceRequest::Operator, true) => Err(NotFenced::Up),
        (FenceRequest::Operator, false) => Ok(()),
    }
}

/// What is recorded of a host's service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Declaration {
    /// Is it forced down?
    pub forced_down: bool,
    /// Since when; `None` where nobody wrote it down.
    pub forced_down_at: Option<Timestamp>,
    /// By whom; `None` where nobody wrote it down.
    pub forced_down_by: Option<Requester>,
    /// How that is known, where somebody said so.
    pub forced_down_reason: Option<String>,
    /// When it was heard last.
    pub last_heard_at: Option<Timestamp>,
}

/// The proof, as the evacuation's log has it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FenceProof {
    /// Whose word it is.
    pub kind: FenceKind,
    /// When it was given.
    pub at: Option<Timestamp>,
    /// What it rests on.
    pub evidence: FenceEvidence,
    /// Who gave it.
    pub by: Option<Requester>,
    /// How that is known, where somebody said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a proof rests on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct FenceEvidence {
    pub host: HostName,
    pub forced_down: bool,
    pub last_heard_at: Option<Timestamp>,
}

/// What proves that `host`, which does not answer, is dead; `None`: nothing.
pub fn proof(
    host: &HostName,
    declared: Declaration,
    silence_is_proof: bool,
    now: Timestamp,
) -> Option<FenceProof> {
    let evidence = FenceEvidence {
        host: host.clone(),
        forced_down: declared.forced_down,
        last_heard_at: declared.last_heard_at,
    };
    if declared.forced_down {
        return Some(FenceProof {
            kind: FenceKind::Operator,
            at: declared.forced_down_at,
            evidence,
            by: declared.forced_down_by,
            reason: declared.forced_down_reason,
        });
    }
    silence_is_proof.then_some(FenceProof {
        kind: FenceKind::Silence,
        at: Some(now),
        evidence,
        by: None,
        reason: None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn proved(forced_down: bool, silence_is_proof: bool) -> Option<FenceProof> {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let by = Requester {
            user: Some("u".to_owned()),
            ..Requester::default()
        };
        let declared = Declaration {
            forced_down,
            forced_down_at: at(7).filter(|_| forced_down),
            forced_down_by: Some(by).filter(|_| forced_down),
            forced_down_reason: Some("its power was cut".to_owned()).filter(|_| forced_down),
            last_heard_at: at(5),
        };
        let host = HostName::new("h").unwrap();
        proof(&host, declared, silence_is_proof, at(9).unwrap())
    }

    #[test]
    fn silence_is_proof_only_where_it_is_taken_for_one() {
        assert_eq!(proved(false, false), None);
        let silence = proved(false, true).unwrap();
        assert_eq!((silence.kind, silence.by), (FenceKind::Silence, None));
        for taken in [false, true] {
            let word = proved(true, taken).unwrap();
            assert_eq!(word.kind, FenceKind::Operator);
        }
    }

    #[test]
    fn who_is_heard_is_not_dead_and_nobody_pretends_to_switch_hosts_off() {
        for (wanted, is_up, expected) in [
            (FenceRequest::Operator, false, Ok(())),
            (FenceRequest::Operator, true, Err(NotFenced::Up)),
            (FenceRequest::Power, false, Err(NotFenced::NoPowerFencing)),
            (FenceRequest::Power, true, Err(NotFenced::NoPowerFencing)),
        ] {
            assert_eq!(check(wanted, is_up), expected, "{wanted} {is_up}");
        }
    }

    #[test]
    fn a_proof_is_read_as_it_was_written() {
        let proof = proved(true, false).unwrap();
        let written = json!(proof);
        assert_eq!(
            written,
            json!({
                "kind": "operator", "at": "1970-01-01T00:00:07Z",
                "evidence": {
                    "host": "h", "forced_down": true, "last_heard_at": "1970-01-01T00:00:05Z",
                },
                "by": {"user": "u", "project": null, "request_id": null},
                "reason": "its power was cut",
            })
        );
        let read: FenceProof = serde_json::from_value(written).unwrap();
        assert_eq!(read, proof);
    }
}
