//! Where a server could go, and why it could not go elsewhere.

use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::reason::Fix;
use godwit_core::time::Timestamp;
use godwit_facts::{Blocked, Drain, Verdict};
use serde::Serialize;

use super::reason::ReasonView;

/// The fields, in their order.
pub const FIELDS: &[&str] = &["host", "suitable", "score", "reasons", "facts_at"];

#[derive(Debug, Serialize)]
pub struct CandidateView<'a> {
    host: &'a HostName,
    suitable: bool,
    score: Option<i64>,
    reasons: Vec<ReasonView>,
    facts_at: Timestamp,
}

#[derive(Debug, Serialize)]
pub struct DrainCheckView<'a> {
    movable: &'a [ServerUuid],
    blocked: Vec<BlockedView>,
    fix: Option<&'a Fix>,
}

#[derive(Debug, Serialize)]
struct BlockedView {
    server: ServerUuid,
    reasons: Vec<ReasonView>,
}

impl<'a> CandidateView<'a> {
    pub fn new(verdict: &'a Verdict) -> Self {
        Self {
            host: &verdict.host,
            suitable: verdict.score.is_some(),
            score: verdict.score,
            reasons: verdict.reasons.iter().map(ReasonView::new).collect(),
            facts_at: verdict.facts_at,
        }
    }
}

impl<'a> DrainCheckView<'a> {
    pub fn new(drain: &'a Drain) -> Self {
        Self {
            movable: &drain.movable,
            blocked: drain.blocked.iter().map(BlockedView::new).collect(),
            fix: drain.fix.as_ref(),
        }
    }
}

impl BlockedView {
    fn new(blocked: &Blocked) -> Self {
        let stays = blocked.stays.as_ref().map(ReasonView::new);
        let reasons = blocked.reasons.iter();
        let reasons = reasons.map(|(reason, hosts)| ReasonView::new(reason).of_hosts(*hosts));
        Self {
            server: blocked.server,
            reasons: stays.into_iter().chain(reasons).collect(),
        }
    }
}
