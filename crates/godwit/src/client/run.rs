//! Runs: looked at, cancelled, helped on.

use std::sync::Arc;

use serde_json::{Value, json};

use super::api::Api;
use super::documents::{Run, read};
use super::failure::{Failure, Outcome};
use super::names::Names;
use super::screen::Screen;
use super::{plan, show};
use crate::cli::client::Run as Command;

pub(super) async fn run(
    api: &Arc<Api>,
    screen: &Screen,
    command: &Command,
) -> Result<Outcome, Failure> {
    match command {
        Command::List(asked) => {
            let list = plan::list(api, "runs", asked).await?;
            screen.answer(&list, |screen| show::runs(screen, &list));
        }
        Command::Show { run, .. } => {
            let document = api.get(&["runs", &run.to_string()], &[]).await?;
            answer(api, screen, &document).await;
        }
        Command::Cancel {
            run,
            abort_running,
            waiting,
            ..
        } => {
            let path = ["runs", &run.to_string(), "cancel"];
            let body = json!({ "abort_running": abort_running });
            let accepted = api.post(&path, &body).await?;
            if waiting.wait {
                let timeout = Some(waiting.patience.timeout);
                let ended = plan::carried_out(api, screen, &accepted, timeout).await?;
                return Ok(match ended {
                    // It is what was asked for.
                    Outcome::Cancelled => Outcome::Done,
                    other => other,
                });
            }
            answer(api, screen, &accepted.document).await;
        }
        Command::Skip { run, operation, .. } => {
            let (run, operation) = (run.to_string(), operation.to_string());
            let path = ["runs", &run, "operations", &operation, "skip"];
            let accepted = api.post(&path, &json!({})).await?;
            answer(api, screen, &accepted.document).await;
        }
        Command::HostDone { run, host, .. } => {
            let path = ["runs", &run.to_string(), "hosts", host.as_str(), "done"];
            let accepted = api.post(&path, &json!({})).await?;
            answer(api, screen, &accepted.document).await;
        }
    }
    Ok(Outcome::Done)
}

async fn answer(api: &Api, screen: &Screen, document: &Value) {
    let run: Run = read(document);
    let mut names = Names::default();
    if !screen.is_for_programs() {
        names
            .learn(api, run.operations.iter().map(|it| it.server.as_str()))
            .await;
    }
    screen.answer(document, |screen| show::run(screen, &run, &names));
}
