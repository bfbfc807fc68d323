//! How hosts and scopes begin that are new: the section `allocation` of the configuration.

use serde::{Deserialize, Serialize};

use super::{ScopeKind, Switch};
use crate::requester::Requester;
use crate::status::words;
use crate::time::Timestamp;

/// Why a host is disabled of which nobody has said anything, as Nova says it.
const OF_HOST: &str = "New compute service disabled due to config option.";

words!(
    /// Whether anything is put on what is new.
    Beginning, "allocation", {
        /// At once.
        Enabled = "enabled",
        /// Once somebody enables it.
        Disabled = "disabled",
    }
);

/// Whether anything is put on hosts and scopes of which nobody has said anything yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Beginnings {
    /// Of hosts that register for the first time. Default enabled: Nova's `enable_new_services`.
    pub new_hosts: Beginning,
    /// Of zones, pods and clusters that the first host comes into. Default enabled.
    pub new_scopes: Beginning,
}

impl Default for Beginnings {
    fn default() -> Self {
        Self {
            new_hosts: Beginning::Enabled,
            new_scopes: Beginning::Enabled,
        }
    }
}

impl Beginnings {
    /// The switch of a host that registers at `at`; `None`: it is on.
    pub fn of_host(self, at: Timestamp) -> Option<Switch> {
        disabled(self.new_hosts, OF_HOST.to_owned(), None, at)
    }

    /// The switch of a scope that its first host comes into, by whoever put it there; `None`: it is on.
    pub fn of_scope(
        self,
        kind: ScopeKind,
        by: Option<&Requester>,
        at: Timestamp,
    ) -> Option<Switch> {
        let reason = format!("New {kind} disabled due to config option.");
        disabled(self.new_scopes, reason, by, at)
    }
}

fn disabled(
    beginning: Beginning,
    reason: String,
    by: Option<&Requester>,
    at: Timestamp,
) -> Option<Switch> {
    match beginning {
        Beginning::Enabled => None,
        Beginning::Disabled => Some(Switch {
            disabled: true,
            reason: Some(reason),
            by: by.cloned(),
            since: Some(at),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_is_enabled_unless_it_is_configured_otherwise() {
        let at = Timestamp::from_micros(7).unwrap();
        let by = Requester::default();
        let none = Beginnings::default();
        assert_eq!(none.of_host(at), None);
        assert_eq!(none.of_scope(ScopeKind::Pod, Some(&by), at), None);
        let hosts = Beginnings {
            new_hosts: Beginning::Disabled,
            ..none
        };
        assert!(hosts.of_host(at).unwrap().disabled);
        assert_eq!(hosts.of_scope(ScopeKind::Pod, None, at), None);
        let scopes = Beginnings {
            new_scopes: Beginning::Disabled,
            ..none
        };
        assert_eq!(scopes.of_host(at), None);
        let switch = scopes.of_scope(ScopeKind::Pod, Some(&by), at).unwrap();
        let reason = "New pod disabled due to config option.";
        assert_eq!(switch.reason.as_deref(), Some(reason));
        assert_eq!((switch.since, switch.by), (Some(at), Some(by)));
    }

    #[test]
    fn a_section_may_leave_out_what_is_not_special() {
        let read = |text: &str| serde_json::from_str::<Beginnings>(text);
        let hosts = read(r#"{"new_hosts": "disabled"}"#).unwrap();
        assert_eq!(hosts.new_scopes, Beginning::Enabled);
        assert!(read(r#"{"new_hosts": "off"}"#).is_err());
        assert!(read(r#"{"hosts": "disabled"}"#).is_err());
    }
}
