//! Where a server could go, and why it could not go elsewhere.

use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::time::Timestamp;
use godwit_facts::{Blocked, Drain, Verdict};
use godwit_planner::reason::{Reason, ReasonCode};
use serde::Serialize;
use serde_json::{Map, Value};

/// The fields, in their order.
pub const FIELDS: &[&str] = &["host", "suitable", "score", "reasons", "facts_at"];

#[derive(Debug, Serialize)]
pub struct CandidateView<'a> {
    host: &'a HostName,
    suitable: bool,
    score: Option<i64>,
    reasons: Vec<ReasonView<'a>>,
    facts_at: Timestamp,
}

#[derive(Debug, Serialize)]
struct ReasonView<'a> {
    code: Code,
    text: &'a str,
    evidence: Map<String, Value>,
    fix: Option<()>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Code {
    OfHost(ReasonCode),
    OfSource(&'static str),
}

#[derive(Debug, Serialize)]
pub struct DrainCheckView<'a> {
    movable: &'a [ServerUuid],
    blocked: Vec<BlockedView<'a>>,
    /// Nobody looks for it yet.
    fix: Option<()>,
}

#[derive(Debug, Serialize)]
struct BlockedView<'a> {
    server: ServerUuid,
    reasons: Vec<ReasonView<'a>>,
}

impl<'a> CandidateView<'a> {
    /// `source_silent`: the server can go nowhere.
    pub fn new(verdict: &'a Verdict, source_silent: bool) -> Self {
        let unfenced = source_silent.then(ReasonView::unfenced);
        let reasons = verdict.reasons.iter().map(ReasonView::new);
        Self {
            host: &verdict.host,
            suitable: verdict.score.is_some(),
            score: verdict.score,
            reasons: unfenced.into_iter().chain(reasons).collect(),
            facts_at: verdict.facts_at,
        }
    }
}

impl<'a> ReasonView<'a> {
    fn new(reason: &'a Reason) -> Self {
        Self {
            code: Code::OfHost(reason.code),
            text: &reason.text,
            evidence: Map::new(),
            fix: None,
        }
    }

    fn unfenced() -> Self {
        Self {
            code: Code::OfSource("source-not-fenced"),
            text: "the host that the server is on is silent, and nobody has declared it dead",
            evidence: Map::new(),
            fix: None,
        }
    }

    /// The same with how many hosts have it.
    fn of_hosts(self, hosts: usize) -> Self {
        let evidence = Map::from_iter([("hosts".to_owned(), Value::from(hosts))]);
        Self { evidence, ..self }
    }
}

impl<'a> DrainCheckView<'a> {
    pub fn new(drain: &'a Drain) -> Self {
        Self {
            movable: &drain.movable,
            blocked: drain.blocked.iter().map(BlockedView::new).collect(),
            fix: None,
        }
    }
}

impl<'a> BlockedView<'a> {
    fn new(blocked: &'a Blocked) -> Self {
        let unfenced = blocked.source_silent.then(ReasonView::unfenced);
        let reasons = blocked.reasons.iter();
        let reasons = reasons.map(|(reason, hosts)| ReasonView::new(reason).of_hosts(*hosts));
        Self {
            server: blocked.server,
            reasons: unfenced.into_iter().chain(reasons).collect(),
        }
    }
}
