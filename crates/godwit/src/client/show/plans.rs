//! Plans and runs.

use serde_json::Value;

use super::{because, blocked, fix, moment, or_none};
use crate::client::documents::{Estimate, Operation, Plan, Run, RunHost, items};
use crate::client::names::Names;
use crate::client::progress::{size, span};
use crate::client::screen::Screen;

fn estimate(seconds: Estimate) -> String {
    format!(
        "{} ({} to {})",
        span(seconds.mid),
        span(seconds.low),
        span(seconds.high)
    )
}

pub(in crate::client) fn plan(screen: &Screen, plan: &Plan, names: &Names) {
    let state = screen.state(&plan.state);
    screen.line(format_args!("Plan {} ({}): {state}", plan.id, plan.kind));
    if let Some(until) = plan.valid_until.as_ref().filter(|_| plan.state == "ready") {
        screen.line(format_args!(
            "May be run until {}: godwit plan run {}",
            moment(until),
            plan.id
        ));
    }
    if plan.state == "initializing" {
        screen.line(format_args!(
            "It is being made: godwit plan show {}",
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

pub(in crate::client) fn plans(screen: &Screen, list: &Value) {
    let row = |it: Plan| {
        let runs = it.runs.join("\n");
        vec![
            it.id,
            it.kind,
            it.state,
            it.sources.join(", "),
            moment(&it.created_at),
            runs,
        ]
    };
    let rows = items::<Plan>(list).into_iter().map(row).collect();
    screen.list(&["Plan", "Type", "State", "From", "Created", "Runs"], rows);
}

pub(in crate::client) fn runs(screen: &Screen, list: &Value) {
    let row = |it: Run| {
        let percent = format!("{} %", it.percent);
        {
            let created = moment(&it.created_at);
            vec![it.id, it.kind, it.state, percent, created, it.plan]
        }
    };
    let rows = items::<Run>(list).into_iter().map(row).collect();
    screen.list(&["Run", "Type", "State", "Done", "Created", "Plan"], rows);
}

pub(in crate::client) fn run(screen: &Screen, run: &Run, names: &Names) {
    let state = screen.state(&run.state);
    screen.line(format_args!(
        "Run {} ({}): {state}, {} %",
        run.id, run.kind, run.percent
    ));
    if run.cancel_requested_at.is_some() && run.state != "cancelled" {
        screen.line("Its cancellation was asked for");
    }
    if let Some(took) = run.makespan_seconds {
        // Of all that was planned.
        let bound = run.lower_bound_seconds.filter(|_| run.state == "completed");
        let bound = bound.map_or_else(String::new, |bound| {
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
    let row = |it: &RunHost| vec![or_none(it.host.as_ref()), it.state.clone()];
    screen.table(&["Host", "State"], run.hosts.iter().map(row).collect());
}
