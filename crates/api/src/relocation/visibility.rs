//! What a caller sees: whose things, and whether hosts by name.
//!
//! A project's caller sees what belongs to the servers of that project. Who may not see hosts gets
//! Nova's opaque id in place of a name, the meaning of a failure in place of its text, and none of
//! what only says something to who knows the hosts. Decision 16.

use godwit_core::failure::Failure;
use serde_json::{Map, Value, json};

use super::rules;
use crate::http::caller::Caller;
use crate::http::host_id::host_id;

/// What a caller sees.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Visibility<'a> {
    /// Hosts by name, and texts that may name them.
    pub hosts: bool,
    /// The one project whose things are seen; `None`: every project's.
    pub project: Option<&'a str>,
}

/// The same, for what outlives a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Sight {
    hosts: bool,
    project: Option<String>,
}

impl Sight {
    pub(crate) fn visibility(&self) -> Visibility<'_> {
        Visibility {
            hosts: self.hosts,
            project: self.project.as_deref(),
        }
    }
}

impl<'a> Visibility<'a> {
    pub(crate) fn of(caller: &'a Caller) -> Self {
        // A token without a project sees nobody's things.
        let own = || caller.project_id().unwrap_or_default();
        Self {
            hosts: caller.permits_own(rules::HOSTS_SEE),
            project: (!caller.sees_every_project()).then(own),
        }
    }
}

impl Visibility<'_> {
    pub(crate) fn sight(&self) -> Sight {
        Sight {
            hosts: self.hosts,
            project: self.project.map(str::to_owned),
        }
    }

    /// A host that something of a project's is on.
    pub fn host(&self, owner: Option<&str>, name: &str) -> Option<String> {
        if self.hosts {
            return Some(name.to_owned());
        }
        owner.map(|owner| host_id(owner, Some(name)))
    }

    /// What only says something to who knows the hosts.
    pub fn of_hosts<T>(&self, value: Option<T>) -> Option<T> {
        value.filter(|_| self.hosts)
    }

    /// Something that names a project, or a user of that project.
    pub fn of_project<'t>(&self, project: Option<&str>, value: Option<&'t str>) -> Option<&'t str> {
        let seen = self.project.is_none_or(|own| project == Some(own));
        value.filter(|_| seen)
    }

    /// A reason's text.
    pub fn text<'t>(&self, failure: &'t Failure) -> &'t str {
        match self.hosts {
            true => &failure.message,
            false => failure.code.meaning(),
        }
    }

    /// What an event of a plan or a run says beside its name: its states, and which operation it is
    /// about; of a failure its meaning. Everything else may name hosts.
    pub fn plan_detail(&self, detail: &Value) -> Value {
        if self.hosts {
            return detail.clone();
        }
        const SEEN: &[&str] = &[
            "from",
            "to",
            "type",
            "plan",
            "blocked",
            "operation",
            "migration",
            "outcome",
            "abort_running",
        ];
        let seen = SEEN.iter().filter_map(|key| Some((*key, detail.get(key)?)));
        let mut seen: Map<String, Value> = seen
            .map(|(key, value)| (key.to_owned(), value.clone()))
            .collect();
        if let Value::Object(failure) = self.detail(detail) {
            seen.extend(failure);
        }
        Value::Object(seen)
    }

    /// What an event says beside its name. Its form is free, and most of it is about hosts.
    pub fn detail(&self, detail: &Value) -> Value {
        if self.hosts {
            return detail.clone();
        }
        let failure = serde_json::from_value::<Failure>(detail["failure"].clone());
        match failure {
            Ok(failure) => {
                let message = failure.code.meaning();
                json!({ "failure": { "code": failure.code, "message": message } })
            }
            Err(_) => Value::Null,
        }
    }
}

#[cfg(test)]
mod tests {
    use godwit_core::failure::{FailureCode, source_dead};
    use godwit_core::ids::HostName;

    use super::*;

    const OPERATOR: Visibility<'_> = Visibility {
        hosts: true,
        project: None,
    };
    const MEMBER: Visibility<'_> = Visibility {
        hosts: false,
        project: Some("demo"),
    };

    #[test]
    fn a_project_sees_how_its_plans_go_and_not_between_which_hosts() {
        let failure = json!({"code": "pre-check", "message": "host b said no"});
        let detail = json!({
            "from": "running", "to": "running", "operation": "o", "destination": "b",
            "host": "b", "failure": failure,
        });
        assert_eq!(OPERATOR.plan_detail(&detail), detail);
        let meaning = FailureCode::PreCheck.meaning();
        let seen = json!({
            "from": "running", "to": "running", "operation": "o",
            "failure": {"code": "pre-check", "message": meaning},
        });
        assert_eq!(MEMBER.plan_detail(&detail), seen);
    }

    #[test]
    fn hosts_are_names_to_some() {
        assert_eq!(OPERATOR.host(None, "h").as_deref(), Some("h"));
        assert_eq!(MEMBER.host(None, "h"), None);
        let opaque = MEMBER.host(Some("demo"), "h").unwrap();
        assert_eq!(opaque, host_id("demo", Some("h")));
        assert_eq!(
            (OPERATOR.of_hosts(Some(1)), MEMBER.of_hosts(Some(1))),
            (Some(1), None)
        );
    }

    #[test]
    fn other_projects_are_not_named() {
        for (project, expected) in [(Some("demo"), Some("u")), (Some("lab"), None), (None, None)] {
            assert_eq!(MEMBER.of_project(project, Some("u")), expected);
            assert_eq!(OPERATOR.of_project(project, Some("u")), Some("u"));
        }
    }

    #[test]
    fn texts_that_name_hosts_are_replaced() {
        let failure = source_dead(&HostName::new("host-1").unwrap());
        assert!(OPERATOR.text(&failure).contains("host-1"));
        assert!(!MEMBER.text(&failure).contains("host-1"));
        let detail = json!({"rejected": [{"host": "host-1"}], "failure": failure});
        assert_eq!(OPERATOR.detail(&detail), detail);
        let shown = MEMBER.detail(&detail);
        assert_eq!(shown["failure"]["code"], FailureCode::SourceDead.as_str());
        assert!(!shown.to_string().contains("host-1"));
        assert_eq!(MEMBER.detail(&json!({"means": "post-copy"})), Value::Null);
        assert_eq!(MEMBER.detail(&Value::Null), Value::Null);
    }
}
