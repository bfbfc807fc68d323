//! Plans: asked for, looked at, carried out.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::api::{Answer, Api};
use super::documents::{Plan, read};
use super::drain::{holding, word};
use super::failure::{Failure, Outcome};
use super::follow::{Follow, MakingOf, RunOf, outcome_of_run};
use super::names::{self, Names};
use super::screen::Screen;
use super::show;
use crate::cli::client::List;
use crate::cli::client::plan::{Making, Plan as Command, PlanCreate};

pub(super) async fn run(
    api: &Arc<Api>,
    screen: &Screen,
    command: &Command,
) -> Result<Outcome, Failure> {
    match command {
        Command::Create(asked) => {
            let body = Value::Object(body(api, asked).await?);
            let answer = api.post(&["plans"], &body).await?;
            ask_for(api, screen, &answer, asked.making).await
        }
        Command::Remake { plan, making, .. } => {
            let path = ["plans", &plan.to_string(), "remake"];
            let answer = api.post(&path, &json!({})).await?;
            ask_for(api, screen, &answer, *making).await
        }
        Command::Show { plan, .. } => {
            let document = api.get(&["plans", &plan.to_string()], &[]).await?;
            answer(api, screen, &document).await;
            Ok(Outcome::Done)
        }
        Command::List(asked) => {
            let list = list(api, "plans", asked).await?;
            screen.answer(&list, |screen| show::plans(screen, &list));
            Ok(Outcome::Done)
        }
        Command::Run { plan, waiting, .. } => {
            let path = ["plans", &plan.to_string(), "runs"];
            let answer = api.post(&path, &json!({})).await?;
            let timeout = waiting.wait.then_some(waiting.patience.timeout);
            carried_out(api, screen, &answer, timeout).await
        }
        Command::Delete { plan } => {
            api.delete(&["plans", &plan.to_string()], &[]).await?;
            Ok(Outcome::Done)
        }
    }
}

/// The newest of a list of plans or runs.
pub(super) async fn list(api: &Api, what: &str, asked: &List) -> Result<Value, Failure> {
    // What tables do not show, and may be much.
    let fields = match what {
        "plans" => "id,type,state,sources,created_at,runs",
        _ => "id,type,state,percent,created_at,plan",
    };
    let query = [
        ("fields", Some(fields).filter(|_| !asked.output.json)),
        ("state", asked.state.as_deref()),
        ("type", asked.kind.as_deref()),
    ];
    let given = query
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)));
    let given: Vec<(&str, &str)> = given.collect();
    api.first_of_list(&[what], &given, asked.limit.into()).await
}

/// Shows a run that begins, or waits `timeout` seconds at most for its end.
pub(super) async fn carried_out(
    api: &Arc<Api>,
    screen: &Screen,
    answer: &Answer,
    timeout: Option<u64>,
) -> Result<Outcome, Failure> {
    let run = answer.document["id"].as_str().map(str::to_owned);
    let run = run.or_else(|| answer.location.clone()).unwrap_or_default();
    let Some(timeout) = timeout else {
        screen.answer(&answer.document, |screen| {
            screen.line(format_args!("run {run}: godwit watch {run}"));
        });
        return Ok(Outcome::Done);
    };
    let mut follow = Follow::new(api, screen, timeout);
    let ended = follow.until_end(&mut RunOf::new(run)).await?;
    screen.answer(&ended, |screen| {
        show::run(screen, &read(&ended), &follow.names)
    });
    Ok(outcome_of_run(&ended))
}

async fn ask_for(
    api: &Arc<Api>,
    screen: &Screen,
    asked: &Answer,
    making: Making,
) -> Result<Outcome, Failure> {
    if making.no_wait {
        answer(api, screen, &asked.document).await;
        return Ok(Outcome::Done);
    }
    let made = made(api, screen, asked, making.timeout).await?;
    answer(api, screen, &made).await;
    Ok(outcome(&read(&made)))
}

/// The plan, once it is made.
pub(super) async fn made(
    api: &Arc<Api>,
    screen: &Screen,
    asked: &Answer,
    timeout: u64,
) -> Result<Value, Failure> {
    let plan = asked.document["id"].as_str().map(str::to_owned);
    let plan = plan.or_else(|| asked.location.clone()).unwrap_or_default();
    let mut follow = Follow::new(api, screen, timeout);
    follow.until_end(&mut MakingOf::new(plan)).await
}

pub(super) fn outcome(plan: &Plan) -> Outcome {
    match plan.state.as_str() {
        "ready" | "initializing" => Outcome::Done,
        "aborted" => Outcome::Blocked,
        _ => Outcome::Failed,
    }
}

pub(super) async fn answer(api: &Api, screen: &Screen, document: &Value) {
    let plan: Plan = read(document);
    let mut names = Names::default();
    if !screen.is_for_programs() {
        let moved = plan.operations.iter().map(|it| it.server.as_str());
        let stays = plan.blocked.iter().map(|it| it.server.as_str());
        names.learn(api, moved.chain(stays)).await;
    }
    screen.answer(document, |screen| show::plan(screen, &plan, &names));
}

/// What a plan is asked for with.
async fn body(api: &Api, asked: &PlanCreate) -> Result<Map<String, Value>, Failure> {
    let mut body = holding(&asked.holding)?;
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(key.to_owned(), value);
        }
    };
    if !asked.servers.is_empty() {
        set(
            "servers",
            Some(json!(names::servers(api, &asked.servers).await?)),
        );
    }
    let name =
        |host: &Option<godwit_core::ids::HostName>| host.as_ref().map(|it| json!(it.as_str()));
    set("destination", name(&asked.destination));
    set("host", name(&asked.host));
    set(
        "enter_maintenance",
        asked.enter_maintenance.then(|| json!(true)),
    );
    if !asked.hosts.is_empty() {
        let hosts: Vec<&str> = asked.hosts.iter().map(|it| it.as_str()).collect();
        set("hosts", Some(json!(hosts)));
    }
    set("max_unavailable", asked.max_unavailable.map(Value::from));
    set("pool", asked.pool.clone().map(Value::from));
    set("to", asked.to.clone().map(Value::from));
    set("fallback", word(asked.fallback).map(Value::from));
    set("affinity", word(asked.affinity).map(Value::from));
    set("allow_partial", asked.allow_partial.then(|| json!(true)));
    set("priority", word(asked.priority).map(Value::from));
    set("valid_seconds", asked.valid_seconds.map(Value::from));
    let constraints = constraints(api, asked).await?;
    set(
        "constraints",
        (!constraints.is_empty()).then(|| Value::Array(constraints)),
    );
    Ok(body)
}

async fn constraints(api: &Api, asked: &PlanCreate) -> Result<Vec<Value>, Failure> {
    let mut constraints = Vec::new();
    for pair in asked.before.chunks(2) {
        constraints.push(json!({ "before": names::servers(api, pair).await? }));
    }
    for servers in &asked.not_together {
        let servers = names::servers(api, &separate(servers)).await?;
        constraints.push(json!({ "not_together": servers }));
    }
    for said in &asked.at_most {
        let (number, servers) = at_most(said)?;
        let servers = names::servers(api, &separate(servers)).await?;
        constraints.push(json!({ "at_most": [number, servers] }));
    }
    Ok(constraints)
}

fn separate(names: &str) -> Vec<String> {
    names.split(',').map(|it| it.trim().to_owned()).collect()
}

fn at_most(said: &str) -> Result<(u32, &str), Failure> {
    let parts = said.split_once(',');
    let read = parts.and_then(|(number, servers)| Some((number.trim().parse().ok()?, servers)));
    read.ok_or_else(|| Failure::Usage(format!("--at-most wants N,SERVER,…, and not {said:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_that_is_aborted_is_blocked() {
        let plan = |state: &str| Plan {
            state: state.to_owned(),
            ..Plan::default()
        };
        assert_eq!(outcome(&plan("ready")), Outcome::Done);
        assert_eq!(outcome(&plan("aborted")), Outcome::Blocked);
        assert_eq!(outcome(&plan("expired")), Outcome::Failed);
    }

    #[test]
    fn at_most_is_a_number_and_servers() {
        assert_eq!(at_most("2,a,b").unwrap(), (2, "a,b"));
        assert_eq!(separate("a, b"), ["a", "b"]);
        for bad in ["2", "a,b", ""] {
            assert_eq!(at_most(bad).unwrap_err().outcome(), Outcome::Usage);
        }
    }
}
