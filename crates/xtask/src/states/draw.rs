//! The walk as a page: a diagram, and a table for each phase.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use godwit_core::discrepancy::DiscrepancyKind;
use godwit_core::migration::Migration;
use godwit_core::transition::ServerChange;

use super::family::Family;
use super::walk::{self, Circumstances, Step};

const HEAD: &str = "\
# States of a migration

Drawn by `cargo xtask states` from the transition tables in `crates/core`; a test fails when it
is not up to date.

What each event does is below each diagram. An event that is not listed for a phase is rejected
and changes nothing. *Deadline* names the limit that starts anew (`–`: the old one stays).
*Reason* is what is recorded as failure, unless an earlier reason stands already. `drops` means
that effects handed out before and not done yet are no longer wanted. Whatever ends a migration
frees its claim and its slots in the same transaction.

One event is the same everywhere and not drawn: `superseded`, by which another migration of the
server takes over, ends every migration under way as `error`, drops its effects, and leaves the
server to the other one.

";

const LIVE: &str = "\
## Live migration

The boxes are phases: the status that Nova's API shows, except that `unwinding` and `finishing`
are shown as the status they came from until both hosts are settled. Beside the status stands an
*intent* (`abort` or `force_complete`): what somebody asked for, while the hypervisor decides.

";

const COLD: &str = "\
## Cold migration

Nova shows `choosing` and `preparing` as `pre-migrating`, `stopping` as `migrating`, `booting`
and `withdrawing` as `post-migrating`; `rolling back` is shown as `pre-migrating`, `migrating` or
`reverting`, whichever it came from. The guest changes hands twice at most: on `source_stopped`
to the destination, on `withdrawn` back to the source.

";

const EVACUATION: &str = "\
## Evacuation

Nova shows `choosing` and `waiting` as `accepted`, `booting` as `pre-migrating`, `done` and `cleaning` as
`done`: there the server is free, and only its dead host has something left to do.

";

pub(super) fn document() -> String {
    let mut page = HEAD.to_owned();
    for family in Family::ALL {
        page.push_str(match family {
            Family::Live => LIVE,
            Family::Cold => COLD,
            Family::Evacuation => EVACUATION,
        });
        let steps = walk::steps(family);
        diagram(&mut page, family, &steps);
        page.push('\n');
        for phase in family.phases() {
            table(&mut page, phase, &steps);
        }
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

/// Mermaid's identifiers are plainer than our statuses.
pub(super) fn identifier(place: &str) -> String {
    place.replace(|letter: char| !letter.is_ascii_alphanumeric(), "_")
}

fn diagram(page: &mut String, family: Family, steps: &[Step]) {
    let mut edges: Vec<((&str, &str), Vec<&str>)> = Vec::new();
    let mut ends = BTreeSet::new();
    for phase in family.phases() {
        for step in steps.iter().filter(|step| step.phase == phase) {
            let next = &step.transition.next;
            let edge = (phase, next.phase.name());
            if next.status().is_terminal() {
                ends.insert(edge.1);
            }
            let name = step.event.name();
            match edges.iter_mut().find(|(known, _)| *known == edge) {
                _ if edge.0 == edge.1 => {}
                Some((_, names)) if names.contains(&name) => {}
                Some((_, names)) => names.push(name),
                None => edges.push((edge, vec![name])),
            }
        }
    }
    page.push_str("```mermaid\nstateDiagram-v2\n");
    for name in family.phases().into_iter().chain(ends.iter().copied()) {
        line(
            page,
            format_args!("    state \"{name}\" as {}", identifier(name)),
        );
    }
    let first = family.phases()[0];
    line(page, format_args!("    [*] --> {}", identifier(first)));
    for ((from, to), names) in edges {
        let (from, to, names) = (identifier(from), identifier(to), names.join("<br>"));
        line(page, format_args!("    {from} --> {to} : {names}"));
    }
    for end in ends {
        line(page, format_args!("    {} --> [*]", identifier(end)));
    }
    page.push_str("```\n");
}

fn table(page: &mut String, phase: &str, steps: &[Step]) {
    line(page, format_args!("### {phase}\n"));
    page.push_str("| Event | If | Then | Effects | Deadline | Reason | Server |\n");
    page.push_str("|---|---|---|---|---|---|---|\n");
    let steps = || steps.iter().filter(|step| step.phase == phase);
    let mut events: Vec<&str> = Vec::new();
    for step in steps() {
        if !events.contains(&step.event.name()) {
            events.push(step.event.name());
        }
    }
    for event in events {
        let mut outcomes: Vec<(Outcome, BTreeSet<Circumstances>)> = Vec::new();
        for step in steps().filter(|step| step.event.name() == event) {
            let outcome = Outcome::of(step);
            match outcomes.iter_mut().find(|(known, _)| *known == outcome) {
                Some((_, when)) => {
                    when.insert(step.circumstances);
                }
                None => outcomes.push((outcome, BTreeSet::from([step.circumstances]))),
            }
        }
        let all: BTreeSet<_> = outcomes
            .iter()
            .flat_map(|(_, when)| when)
            .copied()
            .collect();
        for (outcome, when) in outcomes {
            let condition = condition(&when, &all);
            let Outcome {
                then,
                effects,
                deadline,
                reason,
                server,
            } = outcome;
            line(
                page,
                format_args!(
                    "| {event} | {condition} | {then} | {effects} | {deadline} | {reason} | {server} |"
                ),
            );
        }
    }
    page.push('\n');
}

/// What came of a step, in words.
#[derive(PartialEq, Eq)]
struct Outcome {
    then: String,
    effects: String,
    deadline: &'static str,
    reason: String,
    server: &'static str,
}

impl Outcome {
    fn of(step: &Step) -> Self {
        let Step {
            phase,
            before,
            transition,
            ..
        } = step;
        let next = &transition.next;
        let mut then = match next.phase.name() {
            same if same == *phase => "stays".to_owned(),
            other => format!("**{other}**"),
        };
        match next.intent {
            Some(intent) if before.intent != Some(intent) => {
                let _ = write!(then, ", intent {intent}");
            }
            _ => {}
        }
        match next.phase.settling() {
            Some(settling) if before.phase.settling() != Some(settling) => {
                let _ = write!(then, ", {settling}");
            }
            _ => {}
        }
        let mut effects: Vec<_> = transition
            .effects
            .iter()
            .map(|effect| effect.as_str())
            .collect();
        if transition.supersedes {
            effects.insert(0, "drops");
        }
        Self {
            then,
            effects: effects.join(", "),
            deadline: deadline(before, next),
            reason: reason(next, transition.discrepancy),
            server: match transition.server {
                None => "",
                Some(ServerChange::StaysAtSource) => "at its source",
                Some(ServerChange::MovesToDestination) => "at its destination",
                Some(ServerChange::IsLost | ServerChange::IsBroken) => "vm_state error",
                Some(ServerChange::Task(_)) => "task_state",
                Some(ServerChange::GoesToDestination(_)) => "host: destination",
                Some(ServerChange::AwaitsConfirmation) => "vm_state resized",
                Some(ServerChange::IsConfirmed) => "vm_state active or stopped",
                Some(ServerChange::GoesToSource) => "host: source",
                Some(ServerChange::ReturnsToSource(_)) => "back at its source",
                Some(ServerChange::IsRebuilt(_)) => "rebuilt at its destination",
            },
        }
    }
}

fn deadline(before: &Migration, next: &Migration) -> &'static str {
    match next.deadline {
        None => "none",
        same if same == before.deadline => "–",
        Some(at) => walk::limit_name(at.since(walk::now())),
    }
}

fn reason(next: &Migration, discrepancy: Option<DiscrepancyKind>) -> String {
    let reason = match &next.failure {
        None => "",
        Some(failure) if *failure == walk::reported() => "as reported",
        Some(failure) => failure.code.as_str(),
    };
    let discrepancy = match discrepancy {
        None => String::new(),
        Some(kind) => format!("discrepancy: {}", kind.as_str().replace('_', " ")),
    };
    let both = [reason, &discrepancy]
        .into_iter()
        .filter(|word| !word.is_empty());
    both.collect::<Vec<_>>().join("; ")
}

/// Says what sets `when` apart among `all`: each property that takes fewer values in `when`.
fn condition(when: &BTreeSet<Circumstances>, all: &BTreeSet<Circumstances>) -> String {
    if when == all {
        return String::new();
    }
    // What is common to a group of circumstances of the same intent reads best together.
    let mut by_intent: BTreeMap<_, BTreeSet<Circumstances>> = BTreeMap::new();
    for circumstances in when {
        by_intent
            .entry(circumstances.intent)
            .or_default()
            .insert(*circumstances);
    }
    let intents: BTreeSet<_> = all.iter().map(|one| one.intent).collect();
    let mut clauses: Vec<(String, Vec<String>)> = Vec::new();
    for (intent, group) in by_intent {
        let peers: BTreeSet<_> = all
            .iter()
            .filter(|one| one.intent == intent)
            .copied()
            .collect();
        let rest = rest(&group, &peers);
        let intent = match intent {
            _ if intents.len() == 1 => String::new(),
            None => "no intent".to_owned(),
            Some(intent) => format!("intent {intent}"),
        };
        match clauses.iter_mut().find(|(known, _)| *known == rest) {
            Some((_, same)) => same.push(intent),
            None => clauses.push((rest, vec![intent])),
        }
    }
    let clauses = clauses.into_iter().map(|(rest, intents)| {
        let intents = intents.join(" or ");
        let both = [intents, rest]
            .into_iter()
            .filter(|words| !words.is_empty());
        both.collect::<Vec<_>>().join(", ")
    });
    clauses.collect::<Vec<_>>().join("; ")
}

/// The same for what stands beside the intent.
fn rest(group: &BTreeSet<Circumstances>, peers: &BTreeSet<Circumstances>) -> String {
    let mut words = Vec::new();
    let values = |of: &BTreeSet<Circumstances>, name: fn(&Circumstances) -> &'static str| {
        of.iter().map(name).collect::<BTreeSet<_>>()
    };
    let properties: [fn(&Circumstances) -> &'static str; 4] = [
        |one| one.settling.map_or("", |settling| settling.as_str()),
        |one| {
            if one.timed {
                "a completion time-out"
            } else {
                "no completion time-out"
            }
        },
        |one| {
            if one.confirmed {
                "a time to confirm"
            } else {
                "no time to confirm"
            }
        },
        |one| match one.action {
            godwit_core::migration::TimeoutAction::Abort => "action abort",
            godwit_core::migration::TimeoutAction::ForceComplete => "action force_complete",
        },
    ];
    for property in properties {
        let here = values(group, property);
        if here.len() < values(peers, property).len() {
            words.extend(here);
        }
    }
    words.join(", ")
}

pub(super) fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(page, "{text}");
}
