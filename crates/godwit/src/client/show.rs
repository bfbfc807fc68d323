//! Documents as people read them.

mod plans;

use serde_json::Value;

pub(super) use self::plans::{plan, plans, run, runs};
use super::documents::{
    Blocked, Candidate, DrainCheck, Event, Fix, Host, Maintenance, Reason, items, read,
};
use super::names::Names;
use super::screen::Screen;

/// What stands where there is nothing.
const NONE: &str = "-";

fn or_none(text: Option<&String>) -> String {
    text.map_or_else(|| NONE.to_owned(), Clone::clone)
}

/// A time as people read it, without the fraction of a second.
fn moment(time: &str) -> String {
    match time.split_once('.') {
        Some((seconds, _)) if time.ends_with('Z') => format!("{seconds}Z"),
        _ => time.to_owned(),
    }
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
    screen.line(match movable + stays {
        0 => format!("{host}: there are no servers"),
        _ => format!("{host}: {movable} can move, {stays} cannot"),
    });
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
    screen.list(&["Host", "Suitable", "Score", "Why not"], rows);
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
        vec![
            it.name,
            it.zone,
            or_none(it.cluster.as_ref()),
            it.agent.state,
            it.allocation.effective,
            it.maintenance.state,
            it.free.vcpus.to_string(),
            it.free.memory_mib.to_string(),
        ]
    };
    let mut found: Vec<Host> = items(list);
    found.sort_by(|one, other| one.name.cmp(&other.name));
    let rows = found.into_iter().map(row).collect();
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
    screen.list(&header, rows);
}

/// Who holds a host, and whether it may be switched off.
pub(super) fn maintenance(screen: &Screen, host: &str, it: &Maintenance, names: &Names) {
    let state = screen.state(&it.state);
    let safe = match it.safe_to_reboot {
        true => "; safe to reboot",
        false => "; not seen yet to be safe to reboot",
    };
    let safe = if it.state == "none" { "" } else { safe };
    let percent = match (it.state.as_str(), it.percent) {
        ("none" | "in_maintenance", _) | (_, None) => String::new(),
        (_, Some(percent)) => format!(", {percent} %"),
    };
    screen.line(format_args!("{host}: {state}{percent}{safe}"));
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
    let time = moment(&event.time);
    format!("{time} {}  {}{change}", event.kind, event.subject)
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
    fn a_time_is_shown_to_the_second() {
        for (time, shown) in [
            ("2026-11-29T15:29:13.255823Z", "2026-11-29T15:29:13Z"),
            ("2026-11-29T15:29:13Z", "2026-11-29T15:29:13Z"),
            ("", ""),
        ] {
            assert_eq!(moment(time), shown);
        }
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
