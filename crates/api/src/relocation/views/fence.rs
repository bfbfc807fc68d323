//! How it is known that a host is dead.

use godwit_core::fence::{FenceKind, FenceProof};
use godwit_core::time::Timestamp;
use godwit_store::Service;
use serde::Serialize;

use super::requester::RequesterView;
use crate::relocation::visibility::Visibility;

/// What proves that a host is dead.
#[derive(Debug, Serialize)]
pub struct FenceProofView<'a> {
    kind: FenceKind,
    at: Option<Timestamp>,
    evidence: FenceEvidenceView,
    by: Option<RequesterView<'a>>,
    /// How it is known; it may name hosts.
    reason: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct FenceEvidenceView {
    host: Option<String>,
    forced_down: bool,
    last_heard_at: Option<Timestamp>,
}

impl<'a> FenceProofView<'a> {
    pub(super) fn new(proof: &'a FenceProof, owner: Option<&str>, sees: Visibility<'_>) -> Self {
        let evidence = &proof.evidence;
        Self {
            kind: proof.kind,
            at: proof.at,
            evidence: FenceEvidenceView {
                host: sees.host(owner, evidence.host.as_str()),
                forced_down: evidence.forced_down,
                last_heard_at: evidence.last_heard_at,
            },
            by: proof.by.as_ref().map(|by| RequesterView::new(by, sees)),
            reason: sees.of_hosts(proof.reason.as_deref()),
        }
    }

    /// What proves that a host is dead, as far as an operator's word does.
    pub fn of_host(service: &'a Service, sees: Visibility<'_>) -> Option<Self> {
        service.forced_down.then(|| Self {
            kind: FenceKind::Operator,
            at: service.forced_down_at,
            evidence: FenceEvidenceView {
                host: sees.host(None, service.host.as_str()),
                forced_down: true,
                last_heard_at: service.last_seen_up,
            },
            by: service
                .forced_down_by
                .as_ref()
                .map(|by| RequesterView::new(by, sees)),
            reason: sees.of_hosts(service.forced_down_reason.as_deref()),
        })
    }
}
