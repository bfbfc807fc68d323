//! Emptying hosts, and holding them no longer.

use std::sync::Arc;

use clap::ValueEnum;
use serde_json::{Map, Value, json};

use super::api::{Answer, Api};
use super::documents::{DrainCheck, Maintenance, Plan, read};
use super::failure::{Failure, Outcome};
use super::follow::{Follow, MaintenanceOf, RunOf, outcome_of_run};
use super::names::Names;
use super::screen::{self, Screen};
use super::{plan, show};
use crate::cli::client::{Drain, Holding, Undrain};

/// How long a plan is waited for that is only looked at.
const PLANNING: u64 = 300;

/// What is wrong with the command whatever the cloud says.
pub(super) fn is_asked_for(drain: &Drain) -> Result<(), Failure> {
    if !drain.check && !drain.plan_only && !drain.yes && !screen::has_somebody() {
        return Err(Failure::Usage(
            "there is no terminal to ask on: `drain` needs --yes (or --check, or --plan-only)"
                .to_owned(),
        ));
    }
    holding(&drain.holding).map(|_| ())
}

/// What somebody says of how a host is held, as the API has it.
pub(super) fn holding(said: &Holding) -> Result<Map<String, Value>, Failure> {
    if let Some(deadline) = &said.deadline
        && chrono::DateTime::parse_from_rfc3339(deadline).is_err()
    {
        let wanted = "--deadline wants a time such as 2030-01-31T18:00:00Z";
        return Err(Failure::Usage(format!("{wanted}, and not {deadline:?}")));
    }
    let members = [
        ("reason", said.reason.clone()),
        ("immovable", word(said.immovable)),
        ("deadline", said.deadline.clone()),
        ("return_home", word(said.return_home)),
        ("holder", said.holder.clone()),
    ];
    let given = |(key, value): (&str, Option<String>)| Some((key.to_owned(), Value::from(value?)));
    Ok(members.into_iter().filter_map(given).collect())
}

/// A choice, as the API writes it.
pub(super) fn word<T: ValueEnum>(choice: Option<T>) -> Option<String> {
    let value = choice?.to_possible_value()?;
    Some(value.get_name().to_owned())
}

pub(super) async fn drain(
    api: &Arc<Api>,
    screen: &Screen,
    asked: &Drain,
) -> Result<Outcome, Failure> {
    let host = asked.host.as_str();
    let body = holding(&asked.holding)?;
    if asked.plan_only {
        let timeout = PLANNING.min(asked.waiting.patience.timeout);
        return plan_only(api, screen, host, body, timeout).await;
    }
    if asked.check {
        return check(api, screen, host).await;
    }
    if !screen.is_for_programs() || !asked.yes {
        let outcome = shown(api, screen, host).await?;
        let stays = match outcome {
            Outcome::Blocked => ", as far as it can be",
            _ => "",
        };
        let question = format!("Empty {host}{stays}, and hold it for maintenance?");
        if !asked.yes && !screen::agrees(&question).await {
            screen.line("nothing was changed");
            return Ok(Outcome::Cancelled);
        }
    }
    let held = api
        .post(&["hosts", host, "maintenance"], &Value::Object(body))
        .await?;
    if asked.waiting.wait {
        return to_end(api, screen, host, &held, asked.waiting.patience.timeout).await;
    }
    screen.answer(&held.document, |screen| {
        screen.line(match run_of(&held) {
            Some(run) => format!("{host} is held; the run {run} empties it: godwit watch {host}"),
            None => format!("{host} is held"),
        });
    });
    Ok(Outcome::Done)
}

/// The run that an answer of a host's maintenance leads to.
fn run_of(answer: &Answer) -> Option<String> {
    let maintenance: Maintenance = read(&answer.document);
    // Without a run it leads to the maintenance.
    let location = answer.location.clone().filter(|it| it != "maintenance");
    maintenance.run.or(location)
}

/// Says whether a host could be emptied. Changes nothing.
pub(super) async fn check(api: &Api, screen: &Screen, host: &str) -> Result<Outcome, Failure> {
    if !screen.is_for_programs() {
        return shown(api, screen, host).await;
    }
    let document = api.get(&["hosts", host, "drain-check"], &[]).await?;
    screen.answer(&document, |_| ());
    Ok(outcome_of_check(&read(&document)))
}

/// Shows to people whether a host could be emptied.
async fn shown(api: &Api, screen: &Screen, host: &str) -> Result<Outcome, Failure> {
    let document = api.get(&["hosts", host, "drain-check"], &[]).await?;
    let check: DrainCheck = read(&document);
    let mut names = Names::default();
    names
        .learn(api, check.blocked.iter().map(|it| it.server.as_str()))
        .await;
    show::drain_check(screen, host, &check, &names);
    Ok(outcome_of_check(&check))
}

fn outcome_of_check(check: &DrainCheck) -> Outcome {
    match check.blocked.is_empty() {
        true => Outcome::Done,
        false => Outcome::Blocked,
    }
}

async fn plan_only(
    api: &Arc<Api>,
    screen: &Screen,
    host: &str,
    mut body: Map<String, Value>,
    timeout: u64,
) -> Result<Outcome, Failure> {
    body.insert("host".to_owned(), json!(host));
    body.insert("enter_maintenance".to_owned(), json!(true));
    let asked = api.post(&["plans"], &Value::Object(body)).await?;
    let made = plan::made(api, screen, &asked, timeout).await?;
    plan::answer(api, screen, &made).await;
    let it: Plan = read(&made);
    Ok(match plan::outcome(&it) {
        Outcome::Done if !it.blocked.is_empty() => Outcome::Blocked,
        outcome => outcome,
    })
}

/// Waits until the host is empty, or is not going to be.
async fn to_end(
    api: &Arc<Api>,
    screen: &Screen,
    host: &str,
    held: &Answer,
    timeout: u64,
) -> Result<Outcome, Failure> {
    let mut follow = Follow::new(api, screen, timeout);
    let mut run = run_of(held);
    if run.is_none() && is_entering(&held.document) {
        // Its run is made once the one that is under way has ended.
        let mut emptying = MaintenanceOf::until_its_emptying(host.to_owned());
        let maintenance = follow.until_end(&mut emptying).await?;
        run = read::<Maintenance>(&maintenance).run;
    }
    let run = match run {
        Some(run) => Some(follow.until_end(&mut RunOf::new(run)).await?),
        None => None,
    };
    let of_run = run.as_ref().map_or(Outcome::Done, outcome_of_run);
    let maintenance = match of_run {
        Outcome::Done => {
            follow
                .until_end(&mut MaintenanceOf::new(host.to_owned()))
                .await?
        }
        _ => api.get(&["hosts", host, "maintenance"], &[]).await?,
    };
    let it: Maintenance = read(&maintenance);
    follow
        .names
        .learn(api, it.blockers.iter().map(|it| it.server.as_str()))
        .await;
    screen.answer(run.as_ref().unwrap_or(&maintenance), |screen| {
        show::maintenance(screen, host, &it, &follow.names);
    });
    Ok(outcome_of_drain(of_run, &it))
}

fn is_entering(maintenance: &Value) -> bool {
    read::<Maintenance>(maintenance).state == "entering"
}

/// What came of emptying a host, whose run ended so.
pub(super) fn outcome_of_drain(run: Outcome, maintenance: &Maintenance) -> Outcome {
    match run {
        Outcome::Done | Outcome::Partial if !maintenance.blockers.is_empty() => Outcome::Blocked,
        // Somebody left the host meanwhile.
        Outcome::Done if maintenance.state == "none" => Outcome::Cancelled,
        run => run,
    }
}

pub(super) async fn undrain(
    api: &Arc<Api>,
    screen: &Screen,
    asked: &Undrain,
) -> Result<Outcome, Failure> {
    let host = asked.host.as_str();
    let (return_home, holder) = (word(asked.return_home), asked.holder.clone());
    let query = [("return_home", &return_home), ("holder", &holder)];
    let query: Vec<(&str, &str)> = query
        .into_iter()
        .filter_map(|(key, value)| Some((key, value.as_deref()?)))
        .collect();
    let path = ["hosts", host, "maintenance"];
    let left = api.delete(&path, &query).await;
    let mut left = match left {
        Ok(left) => left,
        Err(failure) => {
            let holders = holders(api, host).await;
            return Err(failure.with_hint("holder-unknown", || holders));
        }
    };
    let way_home = (!left.document.is_null()).then(|| run_of(&left)).flatten();
    if let Some(run) = way_home.clone().filter(|_| asked.waiting.wait) {
        let mut follow = Follow::new(api, screen, asked.waiting.patience.timeout);
        let ended = follow.until_end(&mut RunOf::new(run)).await?;
        screen.answer(&ended, |screen| screen.line(format_args!("{host} is left")));
        return Ok(outcome_of_run(&ended));
    }
    if left.document.is_null() {
        left.document = api.get(&path, &[]).await?;
    } else if way_home.is_none() && asked.waiting.wait {
        // The way home is made once what was under way has ended.
        return left_at_last(api, screen, asked).await;
    }
    let it: Maintenance = read(&left.document);
    screen.answer(&left.document, |screen| {
        let holders: Vec<&str> = it.holders.iter().map(|it| it.holder.as_str()).collect();
        screen.line(match (way_home, holders.is_empty()) {
            (Some(run), _) => format!("{host} is left; the run {run} brings its servers home"),
            (None, true) => format!("{host} is left"),
            (None, false) => format!("{host} is still held by {}", holders.join(", ")),
        });
    });
    Ok(Outcome::Done)
}

/// Waits until a host is left whose way home is yet to be made, and says how that ends.
async fn left_at_last(
    api: &Arc<Api>,
    screen: &Screen,
    asked: &Undrain,
) -> Result<Outcome, Failure> {
    let host = asked.host.as_str();
    let mut follow = Follow::new(api, screen, asked.waiting.patience.timeout);
    let mut way_home = MaintenanceOf::until_its_way_home(host.to_owned());
    let maintenance = follow.until_end(&mut way_home).await?;
    let Maintenance { run, .. } = read(&maintenance);
    let Some(run) = run else {
        screen.answer(&maintenance, |screen| {
            screen.line(format_args!("{host} is left"))
        });
        return Ok(Outcome::Done);
    };
    let ended = follow.until_end(&mut RunOf::new(run)).await?;
    screen.answer(&ended, |screen| screen.line(format_args!("{host} is left")));
    Ok(outcome_of_run(&ended))
}

/// Who holds a host, for somebody who named another.
async fn holders(api: &Api, host: &str) -> String {
    let found = api.get(&["hosts", host, "maintenance"], &[]).await;
    let it: Maintenance = found.map(|it| read(&it)).unwrap_or_default();
    let holders: Vec<&str> = it.holders.iter().map(|it| it.holder.as_str()).collect();
    match holders.is_empty() {
        true => format!("nobody holds {host}"),
        false => format!(
            "{host} is held by {}: name one with --holder",
            holders.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::client::{Immovable, ReturnHome};
    use serde_json::json;

    #[test]
    fn what_is_not_said_is_not_sent() {
        let said = Holding {
            reason: Some("disks".to_owned()),
            immovable: Some(Immovable::ShutdownRestart),
            deadline: None,
            return_home: Some(ReturnHome::Idle),
            holder: None,
        };
        assert_eq!(
            Value::Object(holding(&said).unwrap()),
            json!({"reason": "disks", "immovable": "shutdown_restart", "return_home": "idle"})
        );
        let bad = Holding {
            deadline: Some("tomorrow".to_owned()),
            ..said
        };
        assert_eq!(holding(&bad).unwrap_err().outcome(), Outcome::Usage);
    }

    #[test]
    fn a_drain_with_blockers_is_blocked_and_one_that_was_left_is_cancelled() {
        let held = |state: &str, blockers: usize| Maintenance {
            state: state.to_owned(),
            blockers: vec![super::super::documents::Blocked::default(); blockers],
            ..Maintenance::default()
        };
        for (run, maintenance, expected) in [
            (Outcome::Done, held("in_maintenance", 0), Outcome::Done),
            (Outcome::Done, held("none", 0), Outcome::Cancelled),
            (Outcome::Done, held("entering", 1), Outcome::Blocked),
            (Outcome::Partial, held("entering", 1), Outcome::Blocked),
            (
                Outcome::Partial,
                held("in_maintenance", 0),
                Outcome::Partial,
            ),
            (Outcome::Failed, held("entering", 1), Outcome::Failed),
            (Outcome::Cancelled, held("none", 0), Outcome::Cancelled),
        ] {
            assert_eq!(
                outcome_of_drain(run, &maintenance),
                expected,
                "{run:?} {maintenance:?}"
            );
        }
    }
}
