//! `PUT /scopes/cluster/{name}/management`: whether the hosts of a cluster take part in moves.

use godwit_core::host::scope::ScopeKind;
use godwit_store::ManagementChange;
use serde_json::Value;

use super::call::Call;
use super::fields::Fields;
use super::problem::Problem;
use super::reply::Reply;
use super::routes::Answer;
use super::rules;
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
    let management = call.state.store.cluster_manage(cluster, change).await?;
    let management = management.ok_or_else(no_such)?;
    Reply::json(&ManagementView::new(&management, call.sees()))
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
