//! `PUT …/allocation`: whether anything is put on a host, or on those of a scope.

use std::convert::Infallible;

use godwit_core::host::scope::ScopeKind;
use godwit_store::{
    AllocationChange, ServiceBinary, ServiceChange, ServiceError, ServiceKey, ServiceStatus,
};
use serde_json::Value;

use super::call::Call;
use super::fields::Fields;
use super::hosts;
use super::problem::Problem;
use super::reply::Reply;
use super::routes::Answer;
use super::rules;
use super::views::allocation::AllocationView;

/// What a body asks for.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    disabled: bool,
    reason: Option<String>,
}

impl Wanted {
    /// Who disables something says why.
    fn read(body: &Value) -> Result<Self, Problem> {
        let mut fields = Fields::of(body, &["state", "reason"])?;
        let disabled = match fields.text("state") {
            Some("enabled") => Some(false),
            Some("disabled") => Some(true),
            Some(_) | None => {
                fields.wrong("state", "It is enabled or disabled.");
                None
            }
        };
        let reason = fields.reason(disabled == Some(true), "Say why it is disabled.");
        fields.done()?;
        Ok(Self {
            disabled: disabled.unwrap_or_default(),
            // Nobody asks why something is enabled.
            reason: reason.filter(|_| disabled == Some(true)),
        })
    }
}

pub async fn set_of_host(call: &Call) -> Answer {
    call.caller.enforce_own(rules::HOSTS_SET_ALLOCATION)?;
    let no_such = || Problem::not_found("such host");
    let name = hosts::named(call).ok_or_else(no_such)?;
    let Wanted { disabled, reason } = Wanted::read(&call.body)?;
    let store = &call.state.store;
    let key = ServiceKey::On(name.clone(), ServiceBinary::Compute);
    let service = store.service_find(key).await?.ok_or_else(no_such)?;
    let change = ServiceChange {
        status: Some(match disabled {
            true => ServiceStatus::Disabled { reason },
            false => ServiceStatus::Enabled,
        }),
        forced_down: None,
        note: call.note(),
    };
    let changed = store.service_update(service.uuid, change, |_, _| Ok::<_, Infallible>(()));
    changed.await.map_err(|error| match error {
        ServiceError::NoSuchService => no_such(),
        ServiceError::Refused(never) => match never {},
        ServiceError::Store(error) => error.into(),
    })?;
    let load = store.host_load(&name).await?.ok_or_else(no_such)?;
    Reply::json(&AllocationView::of_host(&load, call.sees()))
}

pub async fn set_of_scope(call: &Call) -> Answer {
    call.caller.enforce_own(rules::SCOPES_SET_ALLOCATION)?;
    let no_such = || Problem::not_found("such zone, pod or cluster");
    let kind = call.ids.kind.parse::<ScopeKind>().ok();
    let kind = kind.filter(|_| call.sees().hosts).ok_or_else(no_such)?;
    let Wanted { disabled, reason } = Wanted::read(&call.body)?;
    let change = AllocationChange {
        disabled,
        reason,
        by: call.requester(),
        at: call.state.clock.now(),
    };
    let scope = (kind, call.ids.scope.as_str());
    let scope = call.state.store.scope_allocate(scope, change).await?;
    let scope = scope.ok_or_else(no_such)?;
    Reply::json(&AllocationView::of_scope(&scope, call.sees()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_disables_something_says_why() {
        let read = |body: Value| Wanted::read(&body);
        let off = read(json!({"state": "disabled", "reason": "power"})).unwrap();
        let reason = Some("power".to_owned());
        assert_eq!(
            off,
            Wanted {
                disabled: true,
                reason
            }
        );
        for on in [
            json!({"state": "enabled"}),
            json!({"state": "enabled", "reason": null}),
            json!({"state": "enabled", "reason": "mended"}),
        ] {
            let on = read(on).unwrap();
            assert_eq!(
                on,
                Wanted {
                    disabled: false,
                    reason: None
                }
            );
        }
        for bad in [
            json!(null),
            json!([]),
            json!({}),
            json!({"state": "off", "reason": "x"}),
            json!({"state": true, "reason": "x"}),
            json!({"state": "disabled"}),
            json!({"state": "disabled", "reason": null}),
            json!({"state": "disabled", "reason": " "}),
            json!({"state": "disabled", "reason": 7}),
            json!({"state": "enabled", "reason": 7}),
            json!({"state": "disabled", "reason": "x".repeat(256)}),
            json!({"state": "disabled", "reason": "a\0b"}),
            json!({"state": "enabled", "until": "noon"}),
        ] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
    }
}
