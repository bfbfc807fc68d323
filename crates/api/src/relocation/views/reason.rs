//! Why a migration is as it is: its failure, and what was wrong with each host that was turned down
//! for it.

use godwit_core::failure::Failure;
use godwit_core::reason::{self, Evidence, Fix, ReasonCode};
use godwit_core::run::OperationKind;
use godwit_store::MigrationDetail;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::relocation::visibility::Visibility;

/// Hosts whose reasons are shown at most. The timeline has them all.
const HOSTS: usize = 100;

#[derive(Debug, Serialize)]
pub struct ReasonView {
    code: &'static str,
    text: String,
    evidence: Map<String, Value>,
    fix: Option<Value>,
}

impl ReasonView {
    /// As it is to those who may see hosts.
    pub(super) fn new(reason: &reason::Reason) -> Self {
        Self {
            code: reason.code.as_str(),
            text: reason.text.clone(),
            evidence: match reason.evidence.to_json() {
                Value::Object(evidence) => evidence,
                _ => Map::new(),
            },
            fix: reason.fix.as_ref().map(|fix| json!(fix)),
        }
    }

    /// As it is to whoever sees so much of what is `owner`'s.
    pub(crate) fn of(reason: &reason::Reason, owner: Option<&str>, sees: Visibility<'_>) -> Self {
        let whole = Self::new(reason);
        if sees.hosts {
            return whole;
        }
        Self {
            text: reason.code.meaning().to_owned(),
            evidence: shown(Value::Object(whole.evidence), owner, sees),
            fix: None,
            ..whole
        }
    }

    /// As it was written down. Any text may name hosts, and so may every change.
    pub(super) fn written(
        reason: &reason::WrittenReason,
        owner: Option<&str>,
        sees: Visibility<'_>,
    ) -> Self {
        Self {
            code: reason.code.as_str(),
            text: match sees.hosts {
                true => reason.text.clone(),
                false => reason.code.meaning().to_owned(),
            },
            evidence: shown(reason.evidence.clone(), owner, sees),
            fix: sees.of_hosts(Some(reason.fix.clone()).filter(Value::is_object)),
        }
    }

    /// A failure of which nothing else is known.
    pub(super) fn failed(failure: &Failure, sees: Visibility<'_>) -> Self {
        Self {
            code: failure.code.as_str(),
            text: sees.text(failure).to_owned(),
            evidence: Map::new(),
            fix: None,
        }
    }

    /// Why an operation is as it is: of a move that this failed, or that the server does not run, with
    /// the failure as evidence.
    pub(super) fn of_operation(
        failure: &Failure,
        (kind, begun): (OperationKind, bool),
        sees: Visibility<'_>,
    ) -> Self {
        let failed = Self::failed(failure, sees);
        let code = match kind {
            OperationKind::Live => ReasonCode::of_move(failure.code, begun),
            // What is moved otherwise need not run.
            OperationKind::Cold | OperationKind::Evacuate | OperationKind::Storage => {
                let off = ReasonCode::ServerNotRunning;
                ReasonCode::of_move(failure.code, begun).filter(|code| *code != off)
            }
            OperationKind::Shutdown | OperationKind::Start => None,
        };
        let Some(code) = code else { return failed };
        let evidence = [("failure".to_owned(), Value::from(failure.code.as_str()))];
        Self {
            code: code.as_str(),
            evidence: evidence.into_iter().collect(),
            ..failed
        }
    }

    /// The same with how many hosts have it.
    pub(super) fn of_hosts(mut self, hosts: usize) -> Self {
        self.evidence.insert("hosts".to_owned(), Value::from(hosts));
        self
    }
}

/// A host that was turned down, as the log has it.
#[derive(Deserialize)]
struct Rejection {
    host: String,
    #[serde(default)]
    reasons: Vec<Reason>,
}

/// Lines of an older release have neither evidence nor fixes.
#[derive(Deserialize)]
struct Reason {
    code: ReasonCode,
    text: String,
    #[serde(default)]
    evidence: Map<String, Value>,
    #[serde(default)]
    fix: Option<Value>,
}

/// The failure, and what was wrong with the hosts that were turned down, where that is why.
pub fn reasons(detail: &MigrationDetail, sees: Visibility<'_>) -> Vec<ReasonView> {
    let (migration, owner) = (
        &detail.record.migration,
        detail.server_project_id.as_deref(),
    );
    let Some(failure) = &migration.failure else {
        return Vec::new();
    };
    let mut lines = detail.timeline.iter().rev();
    let line = lines.find(|line| line.detail["failure"]["code"] == failure.code.as_str());
    let log = line.map_or(&Value::Null, |line| &line.detail);
    let rejected = log["rejected"].as_array().filter(|it| !it.is_empty());
    let (evidence, fix) = match rejected {
        Some(hosts) => {
            let hosts = hosts.len();
            let fix = Some(log["fix"].clone()).filter(Value::is_object);
            (Evidence::Hosts { hosts }, fix)
        }
        None => {
            let fix = Fix::of_failure(failure, migration).map(|fix| json!(fix));
            (Evidence::of_failure(failure, migration), fix)
        }
    };
    let failed = ReasonView {
        code: failure.code.as_str(),
        text: sees.text(failure).to_owned(),
        evidence: shown(evidence.to_json(), owner, sees),
        fix: sees.of_hosts(fix),
    };
    let rejected = rejected.into_iter().flatten().take(HOSTS);
    let rejected = rejected.filter_map(|host| Rejection::deserialize(host).ok());
    let views = rejected.flat_map(|host| host.views(owner, sees));
    std::iter::once(failed).chain(views).collect()
}

impl Rejection {
    fn views(self, owner: Option<&str>, sees: Visibility<'_>) -> Vec<ReasonView> {
        let view = |reason: Reason| {
            let host = ("host".to_owned(), Value::from(self.host.as_str()));
            let evidence = std::iter::once(host).chain(reason.evidence).collect();
            ReasonView {
                code: reason.code.as_str(),
                text: match sees.hosts {
                    true => reason.text,
                    false => reason.code.meaning().to_owned(),
                },
                evidence: shown(Value::Object(evidence), owner, sees),
                // Every change is one of a host, or needs to know them.
                fix: sees.of_hosts(reason.fix),
            }
        };
        self.reasons.into_iter().map(view).collect()
    }
}

/// Evidence as it is shown: to who may not see hosts its
/// numbers, and hosts as Nova's opaque ids.
/// Any other name may be a host's, or speak of one.
pub(super) fn shown(
    evidence: Value,
    owner: Option<&str>,
    sees: Visibility<'_>,
) -> Map<String, Value> {
    let Value::Object(evidence) = evidence else {
        return Map::new();
    };
    if sees.hosts {
        return evidence;
    }
    let opaque = |name: &Value| sees.host(owner, name.as_str()?).map(Value::from);
    let member = |(key, value): (String, Value)| {
        let value = match (key.as_str(), &value) {
            (_, Value::Number(_)) => Some(value),
            (_, Value::Bool(_)) => Some(value),
            ("host" | "named_host", name) => opaque(name),
            ("hosts", Value::Array(names)) => Some(names.iter().filter_map(opaque).collect()),
            _ => None,
        };
        Some((key, value?))
    };
    evidence.into_iter().filter_map(member).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_without_hosts_has_numbers_and_opaque_ids() {
        let member = Visibility {
            hosts: false,
            project: Some("demo"),
        };
        let evidence = json!({
            "host": "host-1", "hosts": ["host-2"], "named_host": "host-3", "free_mib": -5,
            "pools": ["local:host-1"], "nested": {"host": "host-1"}, "arch": "x86_64",
        });
        let seen = shown(evidence.clone(), Some("demo"), member);
        let opaque = |host| member.host(Some("demo"), host).unwrap();
        let expected = json!({
            "host": opaque("host-1"), "hosts": [opaque("host-2")], "named_host": opaque("host-3"),
            "free_mib": -5,
        });
        assert_eq!(Value::Object(seen), expected);
        let nobodys = shown(evidence.clone(), None, member);
        assert_eq!(Value::Object(nobodys), json!({"hosts": [], "free_mib": -5}));
        let operator = Visibility {
            hosts: true,
            project: None,
        };
        let all = shown(evidence.clone(), Some("demo"), operator);
        assert_eq!(Value::Object(all), evidence);
    }

    #[test]
    fn lines_of_older_releases_are_read() {
        let old = json!({"host": "h", "reasons": [{"code": "memory", "text": "full"}]});
        let rejection = Rejection::deserialize(&old).unwrap();
        let reason = &rejection.reasons[0];
        assert_eq!((reason.code, &reason.fix), (ReasonCode::Memory, &None));
        assert!(reason.evidence.is_empty());
        let odd = json!({"host": "h", "why": "full"});
        assert!(Rejection::deserialize(&odd).unwrap().reasons.is_empty());
    }
}
