//! `/hosts/{host}/topology`: in which zone, pod and cluster a host is.

use actix_web::http::header::EntityTag;
use godwit_core::host::scope::Topology;
use godwit_core::ids::HostName;
use godwit_store::{NewTopology, TopologyError};
use serde_json::{Value, json};

use super::call::Call;
use super::etag;
use super::fields::Fields;
use super::hosts;
use super::problem::{Code, Problem, sentence};
use super::reply::Reply;
use super::routes::Answer;
use super::rules;
use super::views::scope::TopologyView;

/// The longest name of a zone, in characters, as Nova's schema has it.
const LONGEST_ZONE: usize = 255;

/// What a body asks for.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    zone: Option<String>,
    pod: Option<String>,
    cluster: Option<String>,
}

impl Wanted {
    fn read(body: &Value) -> Result<Self, Problem> {
        let mut fields = Fields::of(body, &["zone", "pod", "cluster"])?;
        let zone = fields.text_or_null("zone").map(str::to_owned);
        if zone.as_deref().is_some_and(|zone| !is_zone(zone)) {
            let expected = "It has 1 to 255 characters, none of them a colon.";
            fields.wrong("zone", expected);
        }
        let [pod, cluster] = ["pod", "cluster"].map(|field| {
            let name = fields.text_or_null(field).map(str::to_owned);
            // They are parts of paths, and are called as hosts are.
            if name
                .as_ref()
                .is_some_and(|name| HostName::new(name.as_str()).is_err())
            {
                let expected = "It has 1 to 255 characters of a-z, A-Z, 0-9, '-', '.', '_'.";
                fields.wrong(field, expected);
            }
            name
        });
        fields.done()?;
        Ok(Self { zone, pod, cluster })
    }
}

fn is_zone(name: &str) -> bool {
    let length = name.chars().count();
    let plain = !name.contains([':', '\0']) && name.trim() == name;
    (1..=LONGEST_ZONE).contains(&length) && plain
}

fn version(place: &Topology) -> Result<EntityTag, Problem> {
    let Topology { zone, pod, cluster } = place;
    etag::of_content(&json!([zone, pod, cluster]))
}

fn reply(place: &Topology) -> Answer {
    Ok(Reply::json(&TopologyView::new(place))?.tagged(version(place)?))
}

pub async fn show(call: &Call) -> Answer {
    call.caller.enforce_own(rules::HOSTS_SHOW)?;
    let no_such = || Problem::not_found("such host");
    let name = hosts::named(call).ok_or_else(no_such)?;
    let load = call.state.store.host_load(&name).await?;
    reply(&load.ok_or_else(no_such)?.topology)
}

pub async fn set(call: &Call) -> Answer {
    call.caller.enforce_own(rules::HOSTS_SET_TOPOLOGY)?;
    let no_such = || Problem::not_found("such host");
    let name = hosts::named(call).ok_or_else(no_such)?;
    let Wanted { zone, pod, cluster } = Wanted::read(&call.body)?;
    let new = NewTopology {
        zone,
        pod,
        cluster,
        aggregate: call.state.ids.uuid(),
        by: call.requester(),
        at: call.state.clock.now(),
    };
    let headers = call.headers.clone();
    let check = move |before: &Topology| etag::check(&headers, &version(before)?);
    let placed = call.state.store.host_place(&name, new, check).await;
    let placed = placed.map_err(|error| match error {
        TopologyError::NoSuchHost => no_such(),
        TopologyError::Refused(problem) => problem,
        TopologyError::Store(error) => error.into(),
        conflict @ (TopologyError::Misplaced(_)
        | TopologyError::Occupied { .. }
        | TopologyError::AggregateOfAnotherZone(_)) => {
            Problem::new(Code::TopologyConflict, sentence(&conflict.to_string()))
        }
    })?;
    reply(&placed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_place_is_three_names() {
        let read = |body: Value| Wanted::read(&body);
        let all = read(json!({"zone": "east 1", "pod": "p-1", "cluster": "c.1"})).unwrap();
        assert_eq!(all.zone.as_deref(), Some("east 1"));
        assert_eq!(all.cluster.as_deref(), Some("c.1"));
        let none = read(json!({"zone": "east", "pod": null})).unwrap();
        assert_eq!((none.pod, none.cluster), (None, None));
        for bad in [
            json!(null),
            json!({"zone": ""}),
            json!({"zone": "a:b"}),
            json!({"zone": " a"}),
            json!({"zone": 7}),
            json!({"zone": "z".repeat(256)}),
            json!({"pod": "a/b"}),
            json!({"pod": ""}),
            json!({"cluster": ["c"]}),
            json!({"zone": "z", "rack": "r"}),
        ] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
    }
}
