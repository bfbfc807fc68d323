//! A plan that is being made.

use serde_json::Value;

use super::{Follow, Subject};
use crate::client::api::Api;
use crate::client::documents::Event;
use crate::client::failure::Failure;
use crate::client::screen::Bar;

pub(in crate::client) struct MakingOf {
    plan: String,
    bar: Option<Bar>,
}

impl MakingOf {
    pub(in crate::client) const fn new(plan: String) -> Self {
        Self { plan, bar: None }
    }
}

impl Subject for MakingOf {
    fn event_subject(&self) -> String {
        format!("plan/{}", self.plan)
    }

    fn goes_on(&self) -> String {
        format!(
            "the plan is still being made: godwit plan show {}",
            self.plan
        )
    }

    async fn look(&mut self, api: &Api) -> Result<Value, Failure> {
        api.get(&["plans", &self.plan], &[]).await
    }

    async fn tell(&mut self, document: &Value, _: &[Event], follow: &mut Follow<'_>) {
        if self.has_ended(document) {
            self.bar = None;
            return;
        }
        let bar = self.bar.get_or_insert_with(|| follow.screen.bar());
        let percent = document["percent"].as_u64().unwrap_or_default();
        bar.show("planning", percent, String::new());
    }

    fn has_ended(&self, document: &Value) -> bool {
        document["state"] != "initializing"
    }
}
