//! `/scopes/cluster/{name}/management`: whether the hosts of a cluster take part in moves.

use actix_web::http::header::EntityTag;
use godwit_core::host::management::Management;
use godwit_core::host::scope::ScopeKind;
use godwit_store::{ManagementChange, ScopeError};
use serde_json::{Value, json};

use super::call::Call;
use super::etag;
use super::fields::Fields;
use super::problem::Problem;
use super::reply::Reply;
use super::routes::Answer;
use super::rules;
use super::scopes;
use super::views::management::ManagementView;

/// What a body asks for.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    managed: bool,
    reason: Option<String>,
}

impl Wanted {
    /// Who wants a cluster to be let be says why.
    fn read(body: &Value) -> Result<Self, Problem> {
        let mut fields = Fields::of(body, &["managed", "reason"])?;
        let managed = fields.flag("managed");
        let reason = fields.reason(managed == Some(false), "Say why it is not managed.");
        fields.done()?;
        Ok(Self {
            managed: managed.unwrap_or_default(),
            reason: reason.filter(|_| managed == Some(false)),
        })
    }
}

/// The version of what was said, and of how far it is.
fn version(management: &Management) -> Result<EntityTag, Problem> {
    let Management {
        managed,
        reason,
        by,
        since,
        reconciled_at,
    } = management;
    etag::of_content(&json!([managed, reason, by, since, reconciled_at]))
}

fn reply(call: &Call, management: &Management) -> Answer {
    let view = ManagementView::new(management, call.sees());
    Ok(Reply::json(&view)?.tagged(version(management)?))
}

pub async fn show(call: &Call) -> Answer {
    call.caller.enforce_own(rules::SCOPES_LIST)?;
    let scope = scopes::named(call).await?;
    let management = scope.management.ok_or_else(scopes::no_such)?;
    reply(call, &management)
}

pub async fn set(call: &Call) -> Answer {
    call.caller.enforce_own(rules::SCOPES_SET_MANAGEMENT)?;
    let no_such = || Problem::not_found("such cluster");
    let kind = call.ids.kind.parse::<ScopeKind>().ok();
    let kind = kind.filter(|_| call.sees().hosts);
    if kind != Some(ScopeKind::Cluster) {
        return Err(no_such());
    }
    let Wanted { managed, reason } = Wanted::read(&call.body)?;
    let change = ManagementChange {
        managed,
        reason,
        by: call.requester(),
        at: call.state.clock.now(),
    };
    let cluster = call.ids.scope.as_str();
    let headers = call.headers.clone();
    let check = move |before: &Management| etag::check(&headers, &version(before)?);
    let store = &call.state.store;
    let management = store.cluster_manage(cluster, change, check).await;
    let management = management.map_err(|error| match error {
        ScopeError::NoSuchScope => no_such(),
        ScopeError::Refused(problem) => problem,
        ScopeError::Store(error) => error.into(),
    })?;
    reply(call, &management)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_lets_a_cluster_be_says_why() {
        let off = Wanted::read(&json!({"managed": false, "reason": "upgrade"})).unwrap();
        assert_eq!(off.reason.as_deref(), Some("upgrade"));
        for on in [
            json!({"managed": true}),
            json!({"managed": true, "reason": "done"}),
        ] {
            let on = Wanted::read(&on).unwrap();
            assert_eq!((on.managed, on.reason), (true, None));
        }
        for bad in [
            json!({}),
            json!({"managed": "no", "reason": "x"}),
            json!({"managed": false}),
            json!({"managed": false, "reason": ""}),
            json!({"managed": true, "reason": 7}),
            json!({"managed": true, "until": "noon"}),
        ] {
            assert!(Wanted::read(&bad).is_err(), "{bad}");
        }
    }
}
