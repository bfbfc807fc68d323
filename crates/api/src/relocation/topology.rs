//! `/hosts/{host}/topology`: in which zone, pod and cluster a host is.

use actix_web::http::header::EntityTag;
use godwit_core::host::scope::Topology;
use godwit_core::ids::HostName;
use godwit_store::{Placing, TopologyError};
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
    /// `None`: the zone in which it is.
    zone: Option<String>,
    pod: Within,
    cluster: Within,
}

/// What a body says of one of the scopes that a host may be in or not.
#[derive(Debug, PartialEq, Eq)]
enum Within {
    /// Nothing: it stays as it is.
    Unsaid,
    /// In this one, or in none.
    Said(Option<String>),
}

impl Within {
    fn or(&self, before: Option<&String>) -> Option<String> {
        match self {
            Self::Unsaid => before.cloned(),
            Self::Said(name) => name.clone(),
        }
    }
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
            match body.get(field) {
                Some(_) => Within::Said(name),
                None => Within::Unsaid,
            }
        });
        fields.done()?;
        Ok(Self { zone, pod, cluster })
    }

    /// Where a host shall be that is there: what is not said of it stays.
    fn of(&self, before: &Topology) -> Topology {
        Topology {
            zone: self.zone.clone().unwrap_or_else(|| before.zone.clone()),
            pod: self.pod.or(before.pod.as_ref()),
            cluster: self.cluster.or(before.cluster.as_ref()),
        }
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
    let wanted = Wanted::read(&call.body)?;
    let placing = Placing {
        aggregate: call.state.ids.uuid(),
        by: call.requester(),
        at: call.state.clock.now(),
    };
    let headers = call.headers.clone();
    let wanted = move |before: &Topology| -> Result<Topology, Problem> {
        etag::check(&headers, &version(before)?)?;
        Ok(wanted.of(before))
    };
    let placed = call.state.store.host_place(&name, placing, wanted).await;
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
    fn what_is_not_said_of_a_place_stays() {
        let read = |body: Value| Wanted::read(&body);
        let place = |zone: &str, pod: Option<&str>, cluster: Option<&str>| Topology {
            zone: zone.to_owned(),
            pod: pod.map(str::to_owned),
            cluster: cluster.map(str::to_owned),
        };
        let before = place("east 1", Some("p-1"), Some("c.1"));
        for (body, after) in [
            (json!({}), before.clone()),
            (json!({"zone": null}), before.clone()),
            (
                json!({"zone": "west"}),
                place("west", Some("p-1"), Some("c.1")),
            ),
            (
                json!({"cluster": "c.2"}),
                place("east 1", Some("p-1"), Some("c.2")),
            ),
            (json!({"cluster": null}), place("east 1", Some("p-1"), None)),
            (
                json!({"zone": "west", "pod": null, "cluster": null}),
                place("west", None, None),
            ),
        ] {
            assert_eq!(read(body.clone()).unwrap().of(&before), after, "{body}");
        }
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
