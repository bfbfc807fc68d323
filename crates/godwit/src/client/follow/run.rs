//! A run, and the moves that it consists of.

use std::collections::BTreeMap;

use serde_json::Value;
use tokio::time::Instant;

use super::migration::memory_of;
use super::{Follow, Subject};
use crate::client::api::Api;
use crate::client::documents::{Event, Migration, Operation, Run, read};
use crate::client::failure::{Failure, Outcome};
use crate::client::progress::{Memory, Remaining, size, span};
use crate::client::screen::Bar;

/// Moves that have a bar of their own at most.
const BARS: usize = 8;

/// Events that say nothing which the run's own document does not say better.
const TOLD: &[&str] = &[
    "run.operation_begun",
    "run.operation_ended",
    "run.host_ready",
    "run.host_done",
];

/// What ended a run, by its state.
pub(in crate::client) fn outcome_of_run(document: &Value) -> Outcome {
    match document["state"].as_str().unwrap_or_default() {
        "completed" => Outcome::Done,
        "partial" => Outcome::Partial,
        "cancelled" => Outcome::Cancelled,
        _ => Outcome::Failed,
    }
}

pub(in crate::client) struct RunOf {
    run: String,
    /// What was told of it, of its operations and of its hosts.
    told: BTreeMap<String, String>,
    messages: usize,
    remaining: Remaining,
    bar: Option<Bar>,
    moves: BTreeMap<String, (Bar, Memory)>,
}

impl RunOf {
    pub(in crate::client) fn new(run: String) -> Self {
        Self {
            run,
            told: BTreeMap::new(),
            messages: 0,
            remaining: Remaining::default(),
            bar: None,
            moves: BTreeMap::new(),
        }
    }

    /// The line for something that is otherwise than it was told.
    fn changed(&mut self, key: &str, name: &str, now: String) -> Option<String> {
        let before = self.told.insert(key.to_owned(), now.clone());
        match before {
            Some(before) if before == now => None,
            Some(before) => Some(format!("{name}: {before} -> {now}")),
            None => Some(format!("{name}: {now}")),
        }
    }

    /// What has changed, a line each.
    fn lines(&mut self, run: &Run, follow: &Follow<'_>) -> Vec<String> {
        let mut lines = Vec::new();
        let name = format!("run {}", run.id);
        let others = run.waits_for_others.then_some("runs of others");
        let waited_for = run.waits_for.iter().map(String::as_str).chain(others);
        let waited_for: Vec<&str> = waited_for.collect();
        let waits = match waited_for.is_empty() {
            true => String::new(),
            false => format!(", waits for {}", waited_for.join(", ")),
        };
        lines.extend(self.changed("run", &name, format!("{}{waits}", run.state)));
        for operation in &run.operations {
            // What waits is in the plan.
            let is_new = !self.told.contains_key(&operation.id);
            let line = self.changed(&operation.id, "", operation.state.clone());
            let Some(line) = line.filter(|_| !is_new || operation.state != "waiting") else {
                continue;
            };
            let server = follow.names.of(&operation.server);
            lines.push(format!(
                "{server} ({}){line}{}",
                operation.kind,
                whither(operation)
            ));
        }
        for host in &run.hosts {
            let name = host.host.as_deref().unwrap_or("a host");
            let line = self.changed(&format!("host {name}"), name, host.state.clone());
            let then = match (&*host.state, &host.host) {
                ("ready", Some(host)) => {
                    format!(
                        "; when you are done there: godwit run host-done {} {host}",
                        run.id
                    )
                }
                _ => String::new(),
            };
            lines.extend(line.map(|line| line + &then));
        }
        let fresh = run.messages.iter().skip(self.messages);
        lines.extend(fresh.map(|it| format!("{}: {}", it.code, it.text)));
        self.messages = run.messages.len();
        lines
    }

    fn bars(&mut self, run: &Run, follow: &Follow<'_>) {
        let left = self.remaining.left(Instant::now());
        let left = left.map_or_else(String::new, |left| {
            format!("about {} left", span(left.as_secs_f64()))
        });
        let bar = self.bar.get_or_insert_with(|| follow.screen.bar());
        bar.show("run", run.percent, left);
    }

    /// A bar for each move that goes on.
    async fn moves(&mut self, run: &Run, follow: &Follow<'_>) {
        let running = || run.operations.iter().filter(|it| it.state == "running");
        self.moves.retain(|id, _| running().any(|it| it.id == *id));
        for operation in running().take(BARS) {
            let Some(migration) = &operation.migration else {
                continue;
            };
            // Without it there is a bar less.
            let found = follow.api.get(&["migrations", migration], &[]).await;
            let Ok(migration) = found.map(|it| read::<Migration>(&it)) else {
                continue;
            };
            let fresh = || (follow.screen.bar(), Memory::default());
            let (bar, memory) = self.moves.entry(operation.id.clone()).or_insert_with(fresh);
            memory_of(&migration, memory);
            let again = match memory.again() {
                0 => String::new(),
                again => format!("{} sent again", size(again)),
            };
            bar.show(follow.names.of(&operation.server), memory.percent(), again);
        }
    }
}

/// Where a move leads, or why it does not.
fn whither(operation: &Operation) -> String {
    let reasons: Vec<&str> = operation
        .reasons
        .iter()
        .map(|it| it.text.as_str())
        .collect();
    match (&operation.source, &operation.destination) {
        _ if operation.state == "failed" && !reasons.is_empty() => {
            format!(": {}", reasons.join(" "))
        }
        (Some(source), Some(destination)) => format!(", {source} to {destination}"),
        _ => String::new(),
    }
}

impl Subject for RunOf {
    fn event_subject(&self) -> String {
        format!("run/{}", self.run)
    }

    fn goes_on(&self) -> String {
        format!("the run goes on: godwit watch {}", self.run)
    }

    async fn look(&mut self, api: &Api) -> Result<Value, Failure> {
        api.get(&["runs", &self.run], &[]).await
    }

    async fn tell(&mut self, document: &Value, events: &[Event], follow: &mut Follow<'_>) {
        let run: Run = read(document);
        let servers = run.operations.iter().map(|it| it.server.as_str());
        follow.names.learn(follow.api, servers).await;
        let events: Vec<&str> = events.iter().map(|it| it.kind.as_str()).collect();
        for event in events.iter().filter(|it| !TOLD.contains(it)) {
            follow.screen.line(event);
        }
        for line in self.lines(&run, follow) {
            follow.screen.line(line);
        }
        let estimate = run.eta_seconds.map(|it| it.mid);
        let because = events.last().copied();
        let grows = estimate.and_then(|it| self.remaining.estimate(it, Instant::now(), because));
        if let Some(grows) = grows {
            follow.screen.line(grows);
        }
        if follow.screen.has_bars() && !self.has_ended(document) {
            self.bars(&run, follow);
            self.moves(&run, follow).await;
        } else {
            self.bar = None;
            self.moves.clear();
        }
    }

    fn has_ended(&self, document: &Value) -> bool {
        matches!(
            document["state"].as_str(),
            Some("completed" | "partial" | "failed" | "cancelled")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_state_of_a_run_is_the_outcome_of_waiting_for_it() {
        for (state, outcome) in [
            ("completed", Outcome::Done),
            ("partial", Outcome::Partial),
            ("failed", Outcome::Failed),
            ("cancelled", Outcome::Cancelled),
        ] {
            assert_eq!(outcome_of_run(&json!({ "state": state })), outcome);
        }
    }

    #[test]
    fn a_change_is_a_line_and_what_stays_is_none() {
        let mut run = RunOf::new("7".to_owned());
        assert_eq!(
            run.changed("k", "vm-1", "waiting".to_owned()).unwrap(),
            "vm-1: waiting"
        );
        assert_eq!(run.changed("k", "vm-1", "waiting".to_owned()), None);
        assert_eq!(
            run.changed("k", "vm-1", "running".to_owned()).unwrap(),
            "vm-1: waiting -> running"
        );
    }
}
