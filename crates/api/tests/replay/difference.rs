//! In what an answer differs from the recorded one.

use std::fmt;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use crate::answer::Answer;

/// Headers that clients look at; they must be equal.
const HEADERS: [&str; 6] = [
    "Content-Type",
    "OpenStack-API-Version",
    "X-OpenStack-Nova-API-Version",
    "Vary",
    "WWW-Authenticate",
    "Location",
];

/// Headers that differ by nature: they must be there or not, and be well-formed.
const REQUEST_IDS: [&str; 2] = ["x-openstack-request-id", "x-compute-request-id"];

/// Places in a document that are told of at most.
const PLACES: usize = 6;

/// One thing that differs.
#[derive(Debug)]
pub(crate) struct Difference {
    /// `status`, `body`, or the name of a header.
    pub(crate) what: String,
    recorded: String,
    answered: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            recorded,
            answered,
        } = self;
        write!(f, "{what}: Nova {recorded}; Godwit {answered}")
    }
}

fn differ(what: &str, recorded: impl ToString, answered: impl ToString) -> Difference {
    Difference {
        what: what.to_owned(),
        recorded: recorded.to_string(),
        answered: answered.to_string(),
    }
}

/// In what `answered` is not `recorded`.
pub(crate) fn differences(recorded: &Answer, answered: &Answer) -> Vec<Difference> {
    let mut found = Vec::new();
    if recorded.status != answered.status {
        found.push(differ("status", recorded.status, answered.status));
    }
    for header in HEADERS {
        let (theirs, ours) = (recorded.values(header), answered.values(header));
        if theirs != ours {
            found.push(differ(header, theirs.join(", "), ours.join(", ")));
        }
    }
    found.extend(request_ids(recorded, answered));
    found.extend(body(recorded, answered));
    found
}

fn request_ids(recorded: &Answer, answered: &Answer) -> Option<Difference> {
    static ID: LazyLock<Regex> =
        LazyLock::new(|| Regex::new("^req-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$").unwrap());
    let [theirs, ours] = [recorded, answered].map(|it| REQUEST_IDS.map(|id| it.values(id)));
    let one = |ids: &[Vec<&str>; 2]| {
        let same = ids[0] == ids[1];
        same && ids[0].len() == 1 && ID.is_match(ids[0][0])
    };
    let none = |ids: &[Vec<&str>; 2]| ids.iter().all(Vec::is_empty);
    let same = (one(&theirs) && one(&ours)) || (none(&theirs) && none(&ours));
    (!same).then(|| differ(REQUEST_IDS[0], format!("{theirs:?}"), format!("{ours:?}")))
}

fn body(recorded: &Answer, answered: &Answer) -> Option<Difference> {
    let (theirs, ours) = (recorded.document(), answered.document());
    if let (Some(theirs), Some(ours)) = (&theirs, &ours) {
        let mut places = Vec::new();
        compare(&mut places, "", theirs, ours);
        let (recorded, answered): (Vec<String>, Vec<String>) = places.into_iter().unzip();
        let differs = !recorded.is_empty();
        return differs.then(|| differ("body", recorded.join(", "), answered.join(", ")));
    }
    let (theirs, ours) = (recorded.text(), answered.text());
    (theirs != ours).then(|| differ("body", format!("{theirs:?}"), format!("{ours:?}")))
}

/// The places at which two documents differ, with what stands there.
fn compare(places: &mut Vec<(String, String)>, at: &str, theirs: &Value, ours: &Value) {
    if theirs == ours || places.len() == PLACES {
        return;
    }
    match (theirs, ours) {
        (Value::Object(left), Value::Object(right)) => {
            for (key, value) in left {
                let place = format!("{at}/{key}");
                match right.get(key) {
                    Some(other) => compare(places, &place, value, other),
                    None => places.push((format!("{place}={value}"), format!("no {place}"))),
                }
            }
            for (key, value) in right.iter().filter(|(key, _)| !left.contains_key(*key)) {
                let place = format!("{at}/{key}");
                places.push((format!("no {place}"), format!("{place}={value}")));
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (index, (value, other)) in left.iter().zip(right).enumerate() {
                compare(places, &format!("{at}/{index}"), value, other);
            }
        }
        (Value::Array(left), Value::Array(right)) => {
            let told = |list: &[Value]| format!("{at}: {} items", list.len());
            places.push((told(left), told(right)));
        }
        _ => places.push((format!("{at}={theirs}"), format!("{at}={ours}"))),
    }
}
