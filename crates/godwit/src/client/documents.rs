//! The parts of the API's documents that people are shown. Programs get the documents themselves.

use serde::Deserialize;
use serde_json::{Map, Value};

/// Reads what is known here of a document; what is missing there is as if it were empty.
pub(super) fn read<T: Default + for<'a> Deserialize<'a>>(document: &Value) -> T {
    T::deserialize(document).unwrap_or_default()
}

/// The items of a list.
pub(super) fn items<T: Default + for<'a> Deserialize<'a>>(list: &Value) -> Vec<T> {
    let items = list["items"].as_array();
    items.into_iter().flatten().map(read).collect()
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Reason {
    pub(super) code: String,
    pub(super) text: String,
    pub(super) evidence: Map<String, Value>,
    pub(super) fix: Option<Fix>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Fix {
    pub(super) text: String,
    pub(super) changes: Vec<Change>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Change {
    pub(super) kind: String,
    pub(super) target: String,
    pub(super) from: Value,
    pub(super) to: Value,
    pub(super) request: Option<ChangeRequest>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ChangeRequest {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) body: Value,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Blocked {
    pub(super) server: String,
    pub(super) reasons: Vec<Reason>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct DrainCheck {
    pub(super) movable: Vec<String>,
    pub(super) blocked: Vec<Blocked>,
    pub(super) fix: Option<Fix>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Candidate {
    pub(super) host: String,
    pub(super) suitable: bool,
    pub(super) score: Option<i64>,
    pub(super) reasons: Vec<Reason>,
}

/// A 90 % interval and its median.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Estimate {
    pub(super) low: f64,
    pub(super) mid: f64,
    pub(super) high: f64,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Estimates {
    pub(super) bytes: Estimate,
    pub(super) seconds: Estimate,
    pub(super) downtime_seconds: Estimate,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Message {
    pub(super) code: String,
    pub(super) text: String,
}

/// Of a plan; of a run as well, with what becomes of it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Operation {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) server: String,
    pub(super) source: Option<String>,
    pub(super) destination: Option<String>,
    pub(super) estimates: Estimates,
    pub(super) state: String,
    pub(super) migration: Option<String>,
    pub(super) reasons: Vec<Reason>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Plan {
    pub(super) id: String,
    pub(super) state: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) sources: Vec<String>,
    pub(super) created_at: String,
    pub(super) valid_until: Option<String>,
    pub(super) messages: Vec<Message>,
    pub(super) operations: Vec<Operation>,
    pub(super) blocked: Vec<Blocked>,
    pub(super) reasons: Vec<Reason>,
    pub(super) makespan_seconds: Option<Estimate>,
    pub(super) lower_bound_seconds: Option<f64>,
    pub(super) runs: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RunHost {
    pub(super) host: Option<String>,
    pub(super) state: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Run {
    pub(super) id: String,
    pub(super) plan: String,
    pub(super) state: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) waits_for: Vec<String>,
    pub(super) waits_for_others: bool,
    pub(super) created_at: String,
    pub(super) cancel_requested_at: Option<String>,
    pub(super) percent: u64,
    pub(super) eta_seconds: Option<Estimate>,
    pub(super) messages: Vec<Message>,
    pub(super) operations: Vec<Operation>,
    pub(super) makespan_seconds: Option<f64>,
    pub(super) lower_bound_seconds: Option<f64>,
    pub(super) hosts: Vec<RunHost>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Maintenance {
    pub(super) state: String,
    pub(super) holders: Vec<Holder>,
    pub(super) blockers: Vec<Blocked>,
    pub(super) safe_to_reboot: bool,
    pub(super) run: Option<String>,
    pub(super) percent: Option<u64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Holder {
    pub(super) holder: String,
    pub(super) reason: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Migration {
    pub(super) uuid: String,
    pub(super) status: String,
    pub(super) source_compute: Option<String>,
    pub(super) dest_compute: Option<String>,
    pub(super) reasons: Vec<Reason>,
    pub(super) memory_total_bytes: Option<u64>,
    pub(super) memory_processed_bytes: Option<u64>,
    pub(super) memory_remaining_bytes: Option<u64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Room {
    pub(super) vcpus: i64,
    pub(super) memory_mib: i64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Word {
    pub(super) state: String,
    pub(super) effective: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) zone: String,
    pub(super) cluster: Option<String>,
    pub(super) free: Room,
    pub(super) agent: Word,
    pub(super) allocation: Word,
    pub(super) maintenance: Word,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Event {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) subject: String,
    pub(super) time: String,
    pub(super) position: String,
    pub(super) data: EventData,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct EventData {
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
    pub(super) detail: Value,
}
