//! `…/allocation`: whether anything is put on a host, or on those of a scope.
//!
//! Its version is that of what was said of itself, which is all that can be changed there: what was
//! said of wider scopes has versions of its own.

use actix_web::http::header::EntityTag;
use godwit_core::host::scope::{ScopeKind, Switch};
use godwit_store::{
    AllocationChange, HostLoad, Scope, ScopeError, ServiceChange, ServiceError, ServiceStatus,
};
use serde_json::{Value, json};

use super::call::Call;
use super::etag;
use super::fields::Fields;
use super::hosts;
use super::problem::Problem;
use super::reply::Reply;
use super::routes::Answer;
use super::rules;
use super::scopes;
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

/// The version of what was said.
fn version(switch: &Switch) -> Result<EntityTag, Problem> {
    let Switch {
        disabled,
        reason,
        by,
        since,
    } = switch;
    etag::of_content(&json!([disabled, reason, by, since]))
}

fn of_host(call: &Call, load: &HostLoad) -> Answer {
    let view = AllocationView::of_host(load, call.sees());
    Ok(Reply::json(&view)?.tagged(version(&load.switch)?))
}

fn of_scope(call: &Call, scope: &Scope) -> Answer {
    let view = AllocationView::of_scope(scope, call.sees());
    Ok(Reply::json(&view)?.tagged(version(&scope.switch)?))
}

pub async fn of_one_host(call: &Call) -> Answer {
    call.caller.enforce_own(rules::HOSTS_SHOW)?;
    let no_such = || Problem::not_found("such host");
    let name = hosts::named(call).ok_or_else(no_such)?;
    let load = call.state.store.host_load(&name).await?;
    of_host(call, &load.ok_or_else(no_such)?)
}

pub async fn of_one_scope(call: &Call) -> Answer {
    call.caller.enforce_own(rules::SCOPES_LIST)?;
    let scope = scopes::named(call).await?;
    of_scope(call, &scope)
}

pub async fn set_of_host(call: &Call) -> Answer {
    call.caller.enforce_own(rules::HOSTS_SET_ALLOCATION)?;
    let no_such = || Problem::not_found("such host");
    let name = hosts::named(call).ok_or_else(no_such)?;
    let Wanted { disabled, reason } = Wanted::read(&call.body)?;
    let store = &call.state.store;
    // One without facts is shown by nobody, so it is not changed either.
    let known = store.host_find(&name).await?.ok_or_else(no_such)?;
    let service = known.service;
    let change = ServiceChange {
        status: Some(match disabled {
            true => ServiceStatus::Disabled { reason },
            false => ServiceStatus::Enabled,
        }),
        forced_down: None,
        note: call.note(),
    };
    let headers = call.headers.clone();
    let changed = store.service_update(service.uuid, change, move |service, _| {
        etag::check(&headers, &version(&service.switch())?)
    });
    changed.await.map_err(|error| match error {
        ServiceError::NoSuchService => no_such(),
        ServiceError::Refused(problem) => problem,
        ServiceError::Store(error) => error.into(),
    })?;
    let load = store.host_load(&name).await?.ok_or_else(no_such)?;
    of_host(call, &load)
}

pub async fn set_of_scope(call: &Call) -> Answer {
    call.caller.enforce_own(rules::SCOPES_SET_ALLOCATION)?;
    let no_such = scopes::no_such;
    let kind = call.ids.kind.parse::<ScopeKind>().ok();
    let kind = kind.filter(|_| call.sees().hosts).ok_or_else(no_such)?;
    let Wanted { disabled, reason } = Wanted::read(&call.body)?;
    let change = AllocationChange {
        disabled,
        reason,
        by: call.requester(),
        at: call.state.clock.now(),
    };
    let (scope, headers) = ((kind, call.ids.scope.as_str()), call.headers.clone());
    let check = move |switch: &Switch| etag::check(&headers, &version(switch)?);
    let scope = call.state.store.scope_allocate(scope, change, check).await;
    let scope = scope.map_err(|error| match error {
        ScopeError::NoSuchScope => no_such(),
        ScopeError::Refused(problem) => problem,
        ScopeError::Store(error) => error.into(),
    })?;
    of_scope(call, &scope)
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
