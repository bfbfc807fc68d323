//! Documents as people read them.

use serde_json::Value;

use super::documents::{
    Blocked, Candidate, DrainCheck, Estimate, Event, Fix, Host, Maintenance, Operation, Plan,
    Reason, Run, items, read,
};
use super::names::Names;
use super::progress::{size, span};
use super::screen::Screen;

/// What stands where there is nothing.
const NONE: &str = "-";

fn or_none(text: Option<&String>) -> String {
    text.map_or_else(|| NONE.to_owned(), Clone::clone)
}

/// Why servers stay where they are.
pub(super) fn blocked(screen: &Screen, blocked: &[Blocked], names: &Names) {
    let rows = blocked.iter().flat_map(|it| {
        let row = |reason: &Reason| {
            let fix = reason.fix.as_ref().map(|fix| fix.text.clone());
            vec![
                names.of(&it.server).to_owned(),
                reason.code.clone(),
                because(reason),
                or_none(fix.as_ref()),
            ]
        };
        it.reasons.iter().map(row)
    });
    screen.table(&["Blocked", "Reason", "Why", "What helps"], rows.collect());
}

/// A reason's text with its numbers.
pub(super) fn because(reason: &Reason) -> String {
    let evidence = reason.evidence.iter().filter(|(_, value)| !value.is_null());
    let evidence: Vec<String> = evidence
        .map(|(name, value)| format!("{name} {}", plain(value)))
        .collect();
    match evidence.is_empty() {
        true => reason.text.clone(),
        false => format!("{} ({})", reason.text, evidence.join(", ")),
    }
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// A fix, and the requests that are applying it.
pub(super) fn fix(screen: &Screen, fix: Option<&Fix>) {
    let Some(fix) = fix else {
        return;
    };
    screen.line(format_args!("What helps: {}", fix.text));
    for change in &fix.changes {
        let (from, to) = (plain(&change.from), plain(&change.to));
        screen.line(format_args!(
            "  {} {}: {from} -> {to}",
            change.kind, change.target
        ));
        if let Some(request) = &change.request {
            let body = match request.body.is_null() {
                true => String::new(),
                false => format!(" {}", request.body),
            };
            screen.line(format_args!(
                "    {} {}{body}",
                request.method, request.path
            ));
        }
    }
}

pub(super) fn drain_check(screen: &Screen, host: &str, check: &DrainCheck, names: &Names) {
    let (movable, stays) = (check.movable.len(), check.blocked.len());
    screen.line(format_args!("{host}: {movable} can move, {stays} cannot"));
    blocked(screen, &check.blocked, names);
    fix(screen, check.fix.as_ref());
}

pub(super) fn candidates(screen: &Screen, list: &Value) {
    let mut found: Vec<Candidate> = items(list);
    found.sort_by(|one, other| {
        other
            .score
            .cmp(&one.score)
            .then_with(|| one.host.cmp(&other.host))
    });
    let row = |it: Candidate| {
        let reasons: Vec<String> = it
            .reasons
            .iter()
            .map(|it| format!("{}: {}", it.code, because(it)))
            .collect();
        vec![
            it.host,
            if it.suitable { "yes" } else { "no" }.to_owned(),
            it.score
                .map_or_else(|| NONE.to_owned(), |it| it.to_string()),
            reasons.join("\n"),
        ]
    };
    let rows = found.into_iter().map(row).collect();
    screen.table(&["Host", "Suitable", "Score", "Why not"], rows);
}

/// Why one host is no place for a server.
pub(super) fn why_not(screen: &Screen, server: &str, candidate: &Candidate) {
    let host = &candidate.host;
    if candidate.suitable {
        screen.line(format_args!("{server} could go to {host}"));
        return;
    }
    screen.line(format_args!("{server} cannot go to {host}:"));
    let row = |it: &Reason| vec![it.code.clone(), because(it)];
    screen.table(
        &["Reason", "Why"],
        candidate.reasons.iter().map(row).collect(),
    );
    for reason in &candidate.reasons {
        fix(screen, reason.fix.as_ref());
    }
}

pub(super) fn hosts(screen: &Screen, list: &Value) {
    let row = |it: Host| {
        let room = |free: i64, all: i64| format!("{free} of {all}");
        vec![
            it.name,
            it.zone,
            or_none(it.cluster.as_ref()),
            it.agent.state,
            it.allocation.effective,
            it.maintenance.state,
            room(it.free.vcpus, it.capacity.vcpus),
            room(it.free.memory_mib, it.capacity.memory_mib),
        ]
    };
    let rows = items::<Host>(list).into_iter().map(row).collect();
    let header = [
        "Host",
        "Zone",
        "Cluster",
        "Agent",
        "Allocation",
        "Maintenance",
        "Free vCPUs",
        "Free MiB",
    ];
    screen.table(&header, rows);
}

fn estimate(seconds: Estimate) -> String {
    format!(
        "{} ({} to {})",
        span(seconds.mid),
        span(seconds.low),
        span(seconds.high)
    )
}

pub(super) fn plan(screen: &Screen, plan: &Plan, names: &Names) {
    let state = screen.state(&plan.state);
    screen.line(format_args!("Plan {} ({}): {state}", plan.id, plan.kind));
    if let Some(until) = plan.valid_until.as_ref().filter(|_| plan.state == "ready") {
        screen.line(format_args!(
            "May be run until {until}: godwit plan run {}",
            plan.id
        ));
    }
    if let Some(makespan) = plan.makespan_seconds {
        let bound = plan.lower_bound_seconds.map_or_else(String::new, |bound| {
            format!("; nothing could take less than {}", span(bound))
        });
        screen.line(format_args!("Takes {}{bound}", estimate(makespan)));
    }
    for message in &plan.messages {
        screen.line(format_args!("{}: {}", message.code, message.text));
    }
    let row = |it: &Operation| {
        vec![
            names.of(&it.server).to_owned(),
            it.kind.clone(),
            or_none(it.source.as_ref()),
            or_none(it.destination.as_ref()),
            size(whole(it.estimates.bytes.mid)),
            span(it.estimates.seconds.mid),
            span(it.estimates.downtime_seconds.mid),
        ]
    };
    let header = ["Server", "How", "From", "To", "Bytes", "Takes", "Downtime"];
    screen.table(&header, plan.operations.iter().map(row).collect());
    for reason in &plan.reasons {
        screen.line(format_args!("{}: {}", reason.code, because(reason)));
        fix(screen, reason.fix.as_ref());
    }
    blocked(screen, &plan.blocked, names);
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an estimate, for people"
)]
fn whole(bytes: f64) -> u64 {
    bytes.max(0.0) as u64
}

pub(super) fn plans(screen: &Screen, list: &Value) {
    let row = |it: Plan| {
        let runs = it.runs.join("\n");
        vec![
            it.id,
            it.kind,
            it.state,
            it.sources.join(", "),
            it.created_at,
            runs,
        ]
    };
    let rows = items::<Plan>(list).into_iter().map(row).collect();
    screen.table(&["Plan", "Type", "State", "From", "Created", "Runs"], rows);
}

pub(super) fn runs(screen: &Screen, list: &Value) {
    let row = |it: Run| {
        let percent = format!("{} %", it.percent);
        vec![it.id, it.kind, it.state, percent, it.created_at, it.plan]
    };
    let rows = items::<Run>(list).into_iter().map(row).collect();
    screen.table(&["Run", "Type", "State", "Done", "Created", "Plan"], rows);
}

pub(super) fn run(screen: &Screen, run: &Run, names: &Names) {
    let state = screen.state(&run.state);
    screen.line(format_args!(
        "Run {} ({}): {state}, {} %",
        run.id, run.kind, run.percent
    ));
    if run.cancel_requested_at.is_some() && run.state != "cancelled" {
        screen.line("Its cancellation was asked for");
    }
    if let Some(took) = run.makespan_seconds {
        let bound = run.lower_bound_seconds.map_or_else(String::new, |bound| {
            format!("; nothing could have taken less than {}", span(bound))
        });
        screen.line(format_args!("Took {}{bound}", span(took)));
    }
    for message in &run.messages {
        screen.line(format_args!("{}: {}", message.code, message.text));
    }
    let row = |it: &Operation| {
        let reasons: Vec<String> = it
            .reasons
            .iter()
            .map(|it| format!("{}: {}", it.code, it.text))
            .collect();
        vec![
            it.id.clone(),
            names.of(&it.server).to_owned(),
            it.kind.clone(),
            or_none(it.source.as_ref()),
            or_none(it.destination.as_ref()),
            it.state.clone(),
            reasons.join("\n"),
        ]
    };
    let header = ["Operation", "Server", "How", "From", "To", "State", "Why"];
    screen.table(&header, run.operations.iter().map(row).collect());
    let row = |it: &super::documents::RunHost| vec![or_none(it.host.as_ref()), it.state.clone()];
    screen.table(&["Host", "State"], run.hosts.iter().map(row).collect());
}

/// Who holds a host, and whether it may be switched off.
pub(super) fn maintenance(screen: &Screen, host: &str, it: &Maintenance, names: &Names) {
    let state = screen.state(&it.state);
    let safe = match it.safe_to_reboot {
        true => "; safe to reboot",
        false => "; not seen yet to be safe to reboot",
    };
    let safe = if it.state == "none" { "" } else { safe };
    screen.line(format_args!("{host}: {state}{safe}"));
    for holder in &it.holders {
        let reason = holder
            .reason
            .as_ref()
            .map_or_else(String::new, |it| format!(": {it}"));
        screen.line(format_args!("  held by {}{reason}", holder.holder));
    }
    blocked(screen, &it.blockers, names);
}

/// An event on a line.
pub(super) fn event(document: &Value) -> String {
    let event: Event = read(document);
    let change = match (&event.data.from, &event.data.to) {
        (Some(from), Some(to)) if from != to => format!("  {from} -> {to}"),
        (None, Some(to)) => format!("  {to}"),
        _ => changed(&event.data.detail),
    };
    format!("{} {}  {}{change}", event.time, event.kind, event.subject)
}

/// What changed, where the detail has it.
fn changed(detail: &Value) -> String {
    match (detail["from"].as_str(), detail["to"].as_str()) {
        (Some(from), Some(to)) if from != to => format!("  {from} -> {to}"),
        _ => detail["reason"]
            .as_str()
            .map_or_else(String::new, |reason| format!("  {reason}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_reason_is_shown_with_its_numbers() {
        let reason: Reason = read(&json!({
            "code": "memory", "text": "Too little memory.", "fix": null,
            "evidence": {"needed_mib": 8192, "free_mib": 3584, "pool": "p", "nothing": null},
        }));
        assert_eq!(
            because(&reason),
            "Too little memory. (needed_mib 8192, free_mib 3584, pool p)"
        );
    }

    #[test]
    fn an_event_is_a_line_with_what_changed() {
        let of_run = json!({
            "type": "run.operation_ended", "subject": "run/7", "time": "T",
            "data": {"detail": {"from": "running", "to": "completed"}},
        });
        assert_eq!(
            event(&of_run),
            "T run.operation_ended  run/7  running -> completed"
        );
        let of_migration = json!({
            "type": "migration.placed", "subject": "migration/7", "time": "T",
            "data": {"from": "accepted", "to": "queued", "detail": null},
        });
        assert_eq!(
            event(&of_migration),
            "T migration.placed  migration/7  accepted -> queued"
        );
    }
}
