//! `POST /hosts/{host}/fence`: a host is dead, somebody says.
//!
//! It is what forcing a service down is in Nova's API, with how it is known: the one shows what the
//! other says, and who takes it back there takes it back here.

use actix_web::http::StatusCode;
use godwit_core::fence::{self, FenceRequest, NotFenced};
use godwit_store::{Fencing, Service, ServiceError};
use serde_json::Value;

use super::call::Call;
use super::fields::Fields;
use super::hosts;
use super::problem::{Code, Problem};
use super::reply::Reply;
use super::routes::Answer;
use super::rules;
use super::views::fence::FenceProofView;

/// What a body asks for.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    kind: FenceRequest,
    reason: String,
}

impl Wanted {
    /// Who declares a host dead says how that is known.
    fn read(body: &Value) -> Result<Self, Problem> {
        let mut fields = Fields::of(body, &["kind", "reason"])?;
        let kind = fields.word("kind", FenceRequest::ALL, |it| it.as_str());
        if body.get("kind").is_none_or(Value::is_null) {
            fields.wrong(
                "kind",
                "Say whether it is your word, or to be switched off.",
            );
        }
        let reason = fields.reason(true, "Say how it is known that it is dead.");
        fields.done()?;
        Ok(Self {
            kind: kind.unwrap_or(FenceRequest::Operator),
            reason: reason.unwrap_or_default(),
        })
    }
}

/// 202 with what proves that it is dead, and where the host is shown.
pub async fn fence(call: &Call) -> Answer {
    call.caller.enforce_own(rules::HOSTS_FENCE)?;
    let no_such = || Problem::not_found("such host");
    let name = hosts::named(call).ok_or_else(no_such)?;
    let Wanted { kind, reason } = Wanted::read(&call.body)?;
    let (now, down_time) = (call.state.clock.now(), call.state.config.service_down_time);
    let check = move |service: &Service| {
        let is_up = service.is_heard(now, down_time);
        fence::check(kind, is_up).map_err(|error| not_fenced(error, service))
    };
    let fencing = Fencing {
        reason,
        note: call.note(),
    };
    let fenced = call.state.store.host_fence(&name, fencing, check).await;
    let service = fenced.map_err(|error| match error {
        ServiceError::NoSuchService => no_such(),
        ServiceError::Refused(problem) => problem,
        ServiceError::Store(error) => error.into(),
    })?;
    (call.state.wake)();
    let reply = Reply::json(&FenceProofView::of_host(&service, call.sees()))?;
    let address = call.address_of(&format!("/hosts/{name}"));
    Ok(reply.made(StatusCode::ACCEPTED, address))
}

fn not_fenced(error: NotFenced, service: &Service) -> Problem {
    match error {
        NotFenced::NoPowerFencing => Problem::new(
            Code::FencingNotConfigured,
            "Nobody has told this service how hosts are switched off. Switch it off, and then \
             send operator.",
        ),
        NotFenced::Up => {
            let heard = service.last_seen_up.map(|at| format!(", last at {at}"));
            let detail = format!(
                "The agent of {} is heard{}. A host that is heard is alive.",
                service.host,
                heard.unwrap_or_default()
            );
            Problem::new(Code::WrongState, detail)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_declares_a_host_dead_says_how_that_is_known() {
        let read = |body: Value| Wanted::read(&body);
        let good = read(json!({"kind": "operator", "reason": "its power was cut"})).unwrap();
        assert_eq!(good.kind, FenceRequest::Operator);
        assert_eq!(good.reason, "its power was cut");
        for bad in [
            json!(null),
            json!({}),
            json!({"kind": "operator"}),
            json!({"kind": "operator", "reason": null}),
            json!({"kind": "operator", "reason": " "}),
            json!({"kind": "operator", "reason": "x".repeat(256)}),
            json!({"reason": "its power was cut"}),
            json!({"kind": null, "reason": "its power was cut"}),
            json!({"kind": "silence", "reason": "it says nothing"}),
            json!({"kind": 7, "reason": "its power was cut"}),
            json!({"kind": "operator", "reason": "x", "force": true}),
        ] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
    }
}
