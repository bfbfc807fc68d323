//! The tables of plans, runs and hosts, drawn like those of migrations but without their columns.

mod host;
mod plan;
mod run;

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::hash::Hash;

use super::draw::{identifier, line};

const HEAD: &str = "
# States of plans, runs and hosts

Drawn from the tables of `plan`, `run` and `host` in `crates/core`. An event may lead to several
states; the modules say what decides. One that is not listed for a state is rejected and changes
nothing. What stands under *Effects* is asked for in the same transaction.

";

/// A table, and every step that it takes.
pub(super) struct Machine {
    title: &'static str,
    about: &'static str,
    /// In the order of the page; the first one is where it begins.
    states: Vec<&'static str>,
    /// Those that nothing leaves.
    ends: Vec<&'static str>,
    steps: BTreeSet<Step>,
}

/// A step that applies.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Step {
    from: &'static str,
    event: &'static str,
    to: &'static str,
    effects: Vec<&'static str>,
}

pub(super) fn all() -> Vec<Machine> {
    let mut machines = vec![plan::machine()];
    machines.extend(run::machines());
    machines.extend(host::machines());
    machines
}

/// Everything that `steps` can make of `first`; `plain` takes away what decides nothing, so that the
/// walk ends.
fn walk<T: Clone + Eq + Hash>(
    first: impl IntoIterator<Item = T>,
    plain: impl Fn(&T) -> T,
    mut steps: impl FnMut(&T) -> Vec<T>,
) {
    let mut known = HashSet::new();
    let mut ahead: VecDeque<T> = first.into_iter().collect();
    while let Some(before) = ahead.pop_front() {
        let before = plain(&before);
        if known.insert(before.clone()) {
            ahead.extend(steps(&before));
        }
    }
}

pub(super) fn document() -> String {
    let mut page = HEAD.to_owned();
    for machine in all() {
        let Machine { title, about, .. } = machine;
        line(&mut page, format_args!("## {title}\n\n{about}\n"));
        diagram(&mut page, &machine);
        table(&mut page, &machine);
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

fn diagram(page: &mut String, machine: &Machine) {
    page.push_str("```mermaid\nstateDiagram-v2\n");
    for state in &machine.states {
        let id = identifier(state);
        line(page, format_args!("    state \"{state}\" as {id}"));
    }
    line(
        page,
        format_args!("    [*] --> {}", identifier(machine.states[0])),
    );
    for from in &machine.states {
        for to in machine.states.iter().filter(|to| *to != from) {
            let edges = machine.steps.iter();
            let edges = edges.filter(|step| step.from == *from && step.to == *to);
            let names: BTreeSet<_> = edges.map(|step| step.event).collect();
            if !names.is_empty() {
                let names = names.into_iter().collect::<Vec<_>>().join("<br>");
                let (from, to) = (identifier(from), identifier(to));
                line(page, format_args!("    {from} --> {to} : {names}"));
            }
        }
    }
    for end in &machine.ends {
        line(page, format_args!("    {} --> [*]", identifier(end)));
    }
    page.push_str("```\n\n");
}

fn table(page: &mut String, machine: &Machine) {
    page.push_str("| In | Event | Then | Effects |\n|---|---|---|---|\n");
    for from in &machine.states {
        for step in machine.steps.iter().filter(|step| step.from == *from) {
            let Step { event, to, .. } = step;
            let then = match to == from {
                true => "stays".to_owned(),
                false => format!("**{to}**"),
            };
            let effects = step.effects.join(", ");
            line(
                page,
                format_args!("| {from} | {event} | {then} | {effects} |"),
            );
        }
    }
    page.push('\n');
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use godwit_core::{host, plan, run};

    #[test]
    fn every_state_is_drawn_and_nothing_leaves_an_end() {
        for machine in super::all() {
            for state in &machine.states {
                let leads = machine.steps.iter().any(|step| step.to == *state);
                let first = machine.states[0] == *state;
                assert!(leads || first, "{}: {state}", machine.title);
                let left = machine.steps.iter().any(|step| step.from == *state);
                let end = machine.ends.contains(state);
                assert_eq!(left, !end, "{}: {state}", machine.title);
            }
        }
    }

    #[test]
    fn every_event_is_drawn() {
        let machines = super::all();
        let steps = machines.iter().flat_map(|machine| &machine.steps);
        let drawn: BTreeSet<_> = steps.map(|step| step.event).collect();
        let names = [
            plan::Event::NAMES,
            run::Event::NAMES,
            host::maintenance::Event::NAMES,
        ];
        for name in names.concat() {
            assert!(drawn.contains(name), "{name}");
        }
    }
}
