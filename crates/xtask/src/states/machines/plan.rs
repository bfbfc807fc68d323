//! The walk over plans.

use std::collections::BTreeSet;

use godwit_core::plan::options::Options;
use godwit_core::plan::{Event, Plan, PlanKind, PlanState};

use super::super::walk::{now, reported};
use super::{Machine, Step, walk};

pub(super) fn machine() -> Machine {
    let partial = Options {
        allow_partial: true,
        ..Options::default()
    };
    let first = [Options::default(), partial];
    let first = first.map(|options| Plan::begun(PlanKind::Servers, &options, now()));
    let events = [
        Event::Made { blocked: 0 },
        Event::Made { blocked: 1 },
        Event::NotMade(reported()),
        Event::RunBegun,
        Event::DeadlinePassed,
    ];
    let mut steps = BTreeSet::new();
    let plain = |plan: &Plan| Plan {
        generation: 1,
        ..plan.clone()
    };
    walk(first, plain, |before| {
        let mut next = Vec::new();
        for event in &events {
            let late = *event == Event::DeadlinePassed;
            let at = before.valid_until.filter(|_| late).unwrap_or_else(now);
            if let Ok(after) = before.step(event, at) {
                steps.insert(Step {
                    from: before.state.as_str(),
                    event: event.name(),
                    to: after.state.as_str(),
                    effects: Vec::new(),
                });
                next.push(after);
            }
        }
        next
    });
    Machine {
        title: "Plan",
        about: "Beside the state stands whether it has been run: that is done once.",
        states: PlanState::ALL.iter().map(|it| it.as_str()).collect(),
        ends: vec![PlanState::Aborted.as_str(), PlanState::Expired.as_str()],
        steps,
    }
}
