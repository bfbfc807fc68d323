//! What the body of a request for a plan says.

use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::plan::Options;
use godwit_core::plan::options::{Affinity, Constraint, Fallback, Immovable, Priority, ReturnHome};
use godwit_core::plan::request::{self, HOLDER_MAX, Target};
use serde_json::Value;

use crate::http::ids::read_uuid;
use crate::relocation::fields::Fields;
use crate::relocation::problem::Problem;

const FIELDS: &[&str] = &[
    "servers",
    "destination",
    "host",
    "enter_maintenance",
    "hosts",
    "max_unavailable",
    "pool",
    "to",
    "fallback",
    "affinity",
    "allow_partial",
    "priority",
    "deadline",
    "valid_seconds",
    "constraints",
    "immovable",
    "return_home",
    "source_data",
    "retain_until",
    "holder",
    "reason",
];

/// The longest reason, in characters, as Nova's schema has it.
pub(in crate::relocation) const LONGEST_REASON: usize = 255;

/// The longest name of a pool, in characters.
const LONGEST_POOL: usize = 255;

const UUID: &str = "It is a uuid.";
const NO_SOURCE_DATA: &str =
    "It is for moves of disks and of containers, which are not made yet. Leave it out.";
const HOST: &str = "It is no host's name.";

/// What is asked for, and how.
///
/// # Errors
/// `invalid-input`, `destination-needs-one-server`: everything that is wrong whatever the fleet is
/// like.
pub(super) fn read(body: &Value) -> Result<(Target, Options), Problem> {
    let mut fields = Fields::of(body, FIELDS)?;
    let wanted = target(&mut fields);
    let options = options(&mut fields);
    fields.done()?;
    match wanted.target() {
        Ok(target) => Ok((target, options)),
        Err(wrong) => Err(Problem::invalid(wrong)
            .unwrap_or_else(|| Problem::internal("nothing is wrong with a target that is none"))),
    }
}

fn target(fields: &mut Fields<'_>) -> request::Wanted {
    request::Wanted {
        servers: fields.list("servers", UUID, server),
        destination: fields.read("destination", HOST, host),
        host: fields.read("host", HOST, host),
        enter_maintenance: fields.truth("enter_maintenance").unwrap_or_default(),
        hosts: fields.list("hosts", HOST, host),
        max_unavailable: fields.read("max_unavailable", "It is a number from 1 on.", count),
        pool: fields.short_text("pool", LONGEST_POOL),
        to: fields.short_text("to", LONGEST_POOL),
    }
}

fn options(fields: &mut Fields<'_>) -> Options {
    let defaults = Options::default();
    let fallback = fields.word("fallback", Fallback::ALL, |it| it.as_str());
    let affinity = fields.word("affinity", Affinity::ALL, |it| it.as_str());
    let immovable = fields.word("immovable", Immovable::ALL, |it| it.as_str());
    let return_home = fields.word("return_home", ReturnHome::ALL, |it| it.as_str());
    let valid_seconds = fields.read("valid_seconds", "It is a number from 1 on.", count);
    let constraints =
        "It is {\"before\": [A, B]}, {\"not_together\": […]} or {\"at_most\": [n, […]]}.";
    Options {
        fallback: fallback.unwrap_or(defaults.fallback),
        affinity: affinity.unwrap_or(defaults.affinity),
        allow_partial: fields.truth("allow_partial").unwrap_or_default(),
        priority: fields.word("priority", Priority::ALL, |it| it.as_str()),
        deadline: fields.time("deadline"),
        valid_seconds: valid_seconds.unwrap_or(defaults.valid_seconds),
        constraints: fields
            .list("constraints", constraints, constraint)
            .unwrap_or_default(),
        immovable: immovable.unwrap_or(defaults.immovable),
        return_home: return_home.unwrap_or(defaults.return_home),
        // Whoever asks for it relies on it, so it is refused rather than forgotten.
        source_data: fields.read("source_data", NO_SOURCE_DATA, |_| None),
        retain_until: fields.read("retain_until", NO_SOURCE_DATA, |_| None),
        holder: fields.short_text("holder", HOLDER_MAX),
        reason: fields.short_text("reason", LONGEST_REASON),
    }
}

fn server(value: &Value) -> Option<ServerUuid> {
    value.as_str().and_then(read_uuid).map(ServerUuid)
}

fn host(value: &Value) -> Option<HostName> {
    HostName::new(value.as_str()?).ok()
}

/// A number as JSON Schema has it, to which 60.0 is an integer too.
fn count(value: &Value) -> Option<u32> {
    let number = value.as_number()?.to_string();
    number.strip_suffix(".0").unwrap_or(&number).parse().ok()
}

fn constraint(value: &Value) -> Option<Constraint> {
    let (kind, of) = match value.as_object()?.iter().collect::<Vec<_>>().as_slice() {
        [(kind, of)] => (kind.as_str(), of.as_array()?.as_slice()),
        [] | [_, _, ..] => return None,
    };
    match (kind, of) {
        ("before", [first, second]) => Some(Constraint::Before(server(first)?, server(second)?)),
        ("not_together", servers) => Some(Constraint::NotTogether(all(servers)?)),
        ("at_most", [most, Value::Array(servers)]) => {
            Some(Constraint::AtMost(count(most)?, all(servers)?))
        }
        _ => None,
    }
}

fn all(servers: &[Value]) -> Option<Vec<ServerUuid>> {
    servers.iter().map(server).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const A: &str = "24f55ce2-268d-5091-9bd6-17514ba6c04d";
    const B: &str = "22222222-2222-4222-8222-222222222222";

    #[test]
    fn a_body_says_which_servers_and_how() {
        let body = json!({
            "servers": [A, B], "fallback": "cold", "affinity": "best_effort",
            "allow_partial": true, "priority": "rebalance", "deadline": "2026-11-30T00:00:00Z",
            "valid_seconds": 60, "source_data": null, "retain_until": null, "holder": "me", "reason": "its fan", "destination": null,
            "constraints": [{"before": [A, B]}, {"not_together": [A, B]}, {"at_most": [1, [A, B]]}],
        });
        let (target, options) = read(&body).unwrap();
        let (a, b): (ServerUuid, ServerUuid) = (A.parse().unwrap(), B.parse().unwrap());
        assert_eq!(target, Target::Servers(vec![a, b]));
        let constraints = [
            Constraint::Before(a, b),
            Constraint::NotTogether(vec![a, b]),
            Constraint::AtMost(1, vec![a, b]),
        ];
        assert_eq!(options.constraints, constraints);
        assert_eq!(
            (options.fallback, options.valid_seconds),
            (Fallback::Cold, 60)
        );
        assert_eq!(options.priority, Some(Priority::Rebalance));
        assert_eq!(options.reason.as_deref(), Some("its fan"));
        let plain = read(&json!({"host": "host-1"})).unwrap();
        let host = HostName::new("host-1").unwrap();
        assert_eq!(plain, (Target::Host(host), Options::default()));
    }

    #[test]
    fn numbers_are_integers_however_they_are_written() {
        let valid = |text: &str| {
            let body = format!(r#"{{"host": "host-1", "valid_seconds": {text}}}"#);
            let read = read(&serde_json::from_str(&body).unwrap());
            read.ok().map(|(_, options)| options.valid_seconds)
        };
        for good in ["60", "60.0", "6e1", "6.0E+1"] {
            assert_eq!(valid(good), Some(60), "{good}");
        }
        for bad in ["-60", "60.5", "4294967296", "1e300", "true"] {
            assert_eq!(valid(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_body_is_told_with_its_place() {
        for (name, value, place) in [
            ("servers", json!(A), ""),
            ("servers", json!([A, 7, "x"]), "/1"),
            ("servers", json!([A, A]), "/1"),
            ("destination", json!("a b"), ""),
            ("enter_maintenance", json!("yes"), ""),
            ("max_unavailable", json!(-1), ""),
            ("max_unavailable", json!(1.5), ""),
            ("fallback", json!("warm"), ""),
            ("affinity", json!(1), ""),
            ("allow_partial", json!(1), ""),
            ("priority", json!("high"), ""),
            ("deadline", json!("tomorrow"), ""),
            ("valid_seconds", json!("60"), ""),
            ("constraints", json!({"before": [A, B]}), ""),
            ("constraints", json!([{"before": [A]}]), "/0"),
            (
                "constraints",
                json!([{"before": [A, B], "at_most": [1, [A]]}]),
                "/0",
            ),
            ("constraints", json!([{"after": [A, B]}]), "/0"),
            ("constraints", json!([{"at_most": [[A], 1]}]), "/0"),
            ("immovable", json!("stop"), ""),
            ("return_home", json!(true), ""),
            ("source_data", json!("delete"), ""),
            ("source_data", json!("keep"), ""),
            ("retain_until", json!("2026-12-30T00:00:00Z"), ""),
            ("holder", json!(""), ""),
            ("reason", json!("a\u{0}b"), ""),
            ("reason", json!("x".repeat(256)), ""),
            ("odd", json!(1), ""),
        ] {
            let mut body = json!({"servers": [A]});
            body[name] = value;
            let told = format!("{:?}", read(&body).unwrap_err());
            assert!(
                told.contains(&format!("\"#/{name}{place}\"")),
                "{body}: {told}"
            );
        }
        assert!(read(&json!([])).is_err() && read(&Value::Null).is_err());
    }
}
