//! `/relocation/v1`.

mod bad_bodies;
mod candidates;
mod changes;
mod events;
mod fence;
mod groups;
mod host_events;
mod hosts;
mod idempotency;
mod leaks;
mod lists;
mod maintenance;
mod migrations;
mod openapi;
mod planned;
mod plans;
mod policy;
mod pools;
mod problems;
mod receivers;
mod repetition;
mod runs;
mod scopes;
mod servers;
mod snapshot;
mod streams;
mod webhooks;

use serde_json::Value;

use crate::answers::Answer;
use crate::world::{Who, World};

/// What every path begins with.
const ROOT: &str = "/relocation/v1";

/// A path below the root.
fn root(path: &str) -> String {
    format!("{ROOT}{path}")
}

/// The path of a route for things that there may be.
fn filled(path: &str) -> String {
    let path = path.replace("{id}", "1").replace("{delivery}", "1");
    let path = path.replace("{host}", "host-1");
    let path = path.replace("{operation}", "1").replace("{server}", "1");
    path.replace("{kind}", "zone").replace("{scope}", "nova")
}

impl World {
    /// `GET` of the native API.
    async fn native(&self, who: Who, path: &str) -> Answer {
        let ask = self.ask("GET", &format!("{ROOT}{path}"));
        ask.by(who).send().await
    }
}

impl Answer {
    /// A problem of this status and code; its document.
    #[track_caller]
    fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        let kind = self.header("content-type");
        assert_eq!(kind, Some("application/problem+json"));
        let problem = self.json();
        assert_eq!(problem["type"], format!("urn:godwit:problem:{code}"));
        assert_eq!(problem["status"], status);
        assert_eq!(problem["code"], code);
        assert!(!problem["title"].as_str().unwrap().is_empty());
        assert!(!problem["detail"].as_str().unwrap().is_empty());
        let id = self.header("x-openstack-request-id").unwrap();
        assert_eq!(problem["request_id"], id);
        problem
    }

    /// Bad input; the parts that are wrong.
    #[track_caller]
    fn invalid(&self) -> Vec<String> {
        let problem = self.problem(400, "invalid-input");
        let errors = problem["errors"].as_array().unwrap().iter();
        errors
            .map(|error| {
                assert!(!error["detail"].as_str().unwrap().is_empty());
                error["pointer"].as_str().unwrap().to_owned()
            })
            .collect()
    }

    /// A list's items, after what all lists have in common.
    #[track_caller]
    fn items(&self) -> Vec<Value> {
        let list = self.ok();
        for member in ["next", "total"] {
            assert!(list.get(member).is_some(), "{list}");
        }
        list["items"].as_array().unwrap().clone()
    }
}
