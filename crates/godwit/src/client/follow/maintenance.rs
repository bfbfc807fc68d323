//! The maintenance of a host, until it is as it was wanted.

use serde_json::Value;

use super::{Follow, Subject};
use crate::client::api::Api;
use crate::client::documents::{Event, Maintenance, read};
use crate::client::failure::Failure;

pub(in crate::client) struct MaintenanceOf {
    host: String,
    told: String,
    /// Only until the run is there that was asked for, in this state.
    until_its_run: Option<&'static str>,
}

impl MaintenanceOf {
    /// That of `host`, whose run has ended.
    pub(in crate::client) fn new(host: String) -> Self {
        Self {
            host,
            told: String::new(),
            until_its_run: None,
        }
    }

    /// That of `host`, which is left, until the run is there that brings its servers home, or none is
    /// going to be.
    pub(in crate::client) fn until_its_way_home(host: String) -> Self {
        Self {
            until_its_run: Some("leaving"),
            ..Self::new(host)
        }
    }

    /// That of `host`, which is to be emptied, until the run is there that does it, or none is going to
    /// be.
    pub(in crate::client) fn until_its_emptying(host: String) -> Self {
        Self {
            until_its_run: Some("entering"),
            ..Self::new(host)
        }
    }
}

impl Subject for MaintenanceOf {
    fn event_subject(&self) -> String {
        format!("maintenance/{}", self.host)
    }

    fn goes_on(&self) -> String {
        format!("what becomes of {0} goes on: godwit watch {0}", self.host)
    }

    async fn look(&mut self, api: &Api) -> Result<Value, Failure> {
        api.get(&["hosts", &self.host, "maintenance"], &[]).await
    }

    async fn tell(&mut self, document: &Value, _: &[Event], follow: &mut Follow<'_>) {
        let it: Maintenance = read(document);
        // What has ended already is shown as a whole.
        let is_news = !self.told.is_empty() || !self.has_ended(document);
        if is_news && it.state != self.told {
            let state = follow.screen.state(&it.state);
            let line = match self.told.is_empty() {
                true => format!("{}: {state}", self.host),
                false => format!("{}: {} -> {state}", self.host, self.told),
            };
            follow.screen.line(line);
            self.told = it.state;
        }
    }

    /// Held and empty, not held by anybody, or not to be emptied as it is.
    fn has_ended(&self, document: &Value) -> bool {
        let it: Maintenance = read(document);
        let is_left = it.state == "leaving";
        if let Some(state) = self.until_its_run {
            return it.state != state || it.run.is_some();
        }
        matches!(it.state.as_str(), "none" | "in_maintenance")
            || !is_left && !it.blockers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_host_is_waited_for_until_it_is_empty_left_or_blocked() {
        let host = MaintenanceOf::new("host-1".to_owned());
        for (state, ended) in [
            ("entering", false),
            ("empty", false),
            ("in_maintenance", true),
            ("leaving", false),
            ("none", true),
        ] {
            let document = json!({"state": state, "blockers": []});
            assert_eq!(host.has_ended(&document), ended, "{state}");
        }
        let blocked = json!({"state": "entering", "blockers": [{"server": "1", "reasons": []}]});
        assert!(host.has_ended(&blocked));
        // What kept it from being emptied keeps nobody from leaving it.
        let left = json!({"state": "leaving", "blockers": blocked["blockers"]});
        assert!(!host.has_ended(&left));
    }

    #[test]
    fn a_way_home_is_waited_for_until_it_is_there_or_nobody_needs_it() {
        let host = MaintenanceOf::until_its_way_home("host-1".to_owned());
        for (state, run, ended) in [
            ("leaving", None, false),
            ("leaving", Some("1"), true),
            ("none", None, true),
            ("entering", None, true),
        ] {
            let document = json!({"state": state, "run": run, "blockers": []});
            assert_eq!(host.has_ended(&document), ended, "{document}");
        }
    }
}
